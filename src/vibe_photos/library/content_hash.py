"""The hash of a file's bytes that names a photo."""

import os
from collections.abc import Callable
from typing import Any, Literal

import xxhash

HashName = Literal["xxh3_128", "xxh64"]

BUFFER_BYTES = 1 << 18
"""Small enough to stay in the processor's cache between being read and being hashed."""

_HASHES: dict[HashName, Callable[[], Any]] = {"xxh3_128": xxhash.xxh3_128, "xxh64": xxhash.xxh64}


def hash_bytes(data: bytes, content_hash: HashName) -> str:
    """Return the lower-case hex hash of `data`: 32 digits for `xxh3_128`, 16 for `xxh64`."""
    hasher = _HASHES[content_hash]()
    hasher.update(data)
    return str(hasher.hexdigest())


def hash_file(file: int, content_hash: HashName, buffer: bytearray) -> str:
    """Hash the open file (a descriptor at its start) to its end, through `buffer`.

    Raises:
        OSError: the file cannot be read.
    """
    hasher = _HASHES[content_hash]()
    window = memoryview(buffer)
    while count := os.readv(file, [buffer]):
        hasher.update(window[:count])
    return str(hasher.hexdigest())
