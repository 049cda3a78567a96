"""The child's side of decoding in a process of its own: requests in, pixels out, within limits."""

import os
import resource
import signal
import struct
import sys
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import msgspec
from PIL import Image

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.conversion import read_pixels

LENGTH = struct.Struct("<I")
"""Goes before every request and reply, which are MessagePack: its length in bytes."""

_BASE_MEMORY_BYTES = 2 << 30
_MEMORY_BYTES_PER_PIXEL = 16
_STRIP_BYTES = 1 << 19


class Request(msgspec.Struct, frozen=True, array_like=True):
    """What the child is to decode."""

    path: bytes
    image_format: str
    max_pixels: int


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """What became of it: a size, with `width * height * 3` bytes of RGB to follow, or why not."""

    width: int = 0
    height: int = 0
    reason: str = ""
    message: str = ""


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until there are no more: the child's whole life."""
    while length := requests.read(LENGTH.size):
        request = msgspec.msgpack.decode(requests.read(*LENGTH.unpack(length)), type=Request)
        image = None
        try:
            limit_memory(request.max_pixels)
            with open(os.fsdecode(request.path), "rb") as file:
                image = read_pixels(file, request.image_format, request.max_pixels)
            reply = Reply(*image.size)
        except DecodeError as error:
            reply = Reply(reason=error.reason, message=str(error))
        except OSError as error:
            reply = Reply(reason="unreadable", message=error.strerror or str(error))
        except MemoryError:
            reply = Reply(reason="too_much_memory", message="decoding takes more memory than is allowed")
        message = msgspec.msgpack.encode(reply)
        replies.write(LENGTH.pack(len(message)) + message)
        if image is not None:
            _send_pixels(image, replies)
        replies.flush()


def _send_pixels(image: Image.Image, replies: BinaryIO) -> None:
    for top, rows in cut_strips(*image.size):
        replies.write(image.crop((0, top, image.width, top + rows)).tobytes())


def cut_strips(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Return the first row and the number of rows of strips that stay in the processor's cache."""
    rows = max(1, _STRIP_BYTES // (3 * width))
    return ((top, min(rows, height - top)) for top in range(0, height, rows))


def limit_memory(max_pixels: int) -> None:
    """Cap this process's address space at what honest pictures of so many pixels take."""
    wanted = _BASE_MEMORY_BYTES + _MEMORY_BYTES_PER_PIXEL * max_pixels
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


def main() -> None:
    """Be the child: requests from standard input, replies to standard output, nothing else to either."""
    # Ctrl-C reaches the whole foreground group, and the parent decides when its children end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None
    replies = os.fdopen(os.dup(1), "wb")
    # Libraries complain about crafted files on both outputs.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
