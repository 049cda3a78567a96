"""The teacher's labels, read from disk one photo at a time; only the offset of each line is in memory."""

import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.storage.append_log import read_lines

T = TypeVar("T")

_BLOCK_BYTES = 4096


class _Identity(msgspec.Struct):
    image_id: str


class TeacherTruth:
    """The automatic truth of the library's photos; empty if stage `convert` has not run.

    Raises:
        InputError: a line is not a truth record.
    """

    def __init__(self, auto: Path, row_of: Mapping[str, int]) -> None:
        self._path = auto
        self._row_of = row_of
        self._offsets: dict[str, int] = {}
        self._masks: dict[str, bytearray] | None = None
        self._lock = threading.Lock()
        # Kept open, so that the offsets stay valid when a repro replaces the file.
        self._descriptor = os.open(auto, os.O_RDONLY) if auto.exists() else -1
        if self._descriptor >= 0:
            decoder = msgspec.json.Decoder(_Identity)
            for offset, line in read_lines(auto):
                self._offsets[_decode(decoder, line, auto).image_id] = offset

    def get(self, image_id: str) -> GroundTruth | None:
        """Return the teacher's labels of a photo."""
        offset = self._offsets.get(image_id)
        return None if offset is None else _decode(_RECORD, self._read_line(offset), self._path)

    def hide(self, image_ids: Iterable[str]) -> None:
        """Treat these photos as if the teacher had not labelled them; called before anything is read."""
        for image_id in image_ids:
            self._offsets.pop(image_id, None)

    def mask(self, key: str) -> bytearray:
        """Return one byte per photo of the manifest: 1 if the teacher gave it the label."""
        with self._lock:
            if self._masks is None:
                self._masks = self._read_masks()
            return self._masks.get(key, bytearray(len(self._row_of)))

    def _read_masks(self) -> dict[str, bytearray]:
        masks: dict[str, bytearray] = defaultdict(lambda: bytearray(len(self._row_of)))
        if self._descriptor < 0:
            return masks
        with open(self._descriptor, "rb", closefd=False) as file:
            file.seek(0)
            offset = 0
            for line in file:
                self._mark(masks, line, offset)
                offset += len(line)
        return masks

    def _mark(self, masks: dict[str, bytearray], line: bytes, offset: int) -> None:
        record = _decode(_RECORD, line, self._path)
        row = self._row_of.get(record.image_id)
        if row is None or self._offsets.get(record.image_id) != offset:
            return
        said = [key for key, value in record.attributes.items() if value]
        for key in (*record.scene, *said, *record.objects):
            masks[key][row] = 1

    def _read_line(self, offset: int) -> bytes:
        line = b""
        while b"\n" not in line:
            block = os.pread(self._descriptor, _BLOCK_BYTES, offset + len(line))
            if not block:
                break
            line += block
        return line.partition(b"\n")[0]


_RECORD = msgspec.json.Decoder(GroundTruth)


def _decode(decoder: msgspec.json.Decoder[T], line: bytes, path: Path) -> T:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error} in {line[:80]!r}") from None
