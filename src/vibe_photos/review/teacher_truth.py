"""The teacher's labels, read from disk one photo at a time; only the offset of each line is in memory."""

import os
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import numpy as np

from vibe_photos.errors import InputError
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.review.opinions import list_columns, row_of_truth
from vibe_photos.settings import Taxonomy
from vibe_photos.statistics.metrics import UNJUDGED
from vibe_photos.storage.append_log import read_lines

_BLOCK_BYTES = 4096


class TeacherTruth:
    """The automatic truth of the library's photos; empty if stage `convert` has not run.

    `values` int8 [photos, labels] are the labels as in `opinions`, with rows by `row_of`.

    Raises:
        InputError: a line is not a truth record.
    """

    def __init__(self, auto: Path, row_of: Mapping[str, int], taxonomy: Taxonomy) -> None:
        self._path = auto
        self._row_of = row_of
        self._offsets = array("q", [-1]) * len(row_of)
        keys, columns = list_columns(taxonomy)
        column_of = {key: column for column, key in enumerate(keys)}
        self.values = np.full((len(row_of), len(keys)), UNJUDGED, np.int8, order="F")
        # Kept open, so that the offsets stay valid when a repro replaces the file.
        self._descriptor = os.open(auto, os.O_RDONLY) if auto.exists() else -1
        if self._descriptor >= 0:
            for offset, line in read_lines(auto):
                record = _decode(line, auto)
                row = row_of.get(record.image_id)
                if row is not None:
                    self._offsets[row] = offset
                    self.values[row] = row_of_truth(record, column_of, columns)

    def get(self, image_id: str) -> GroundTruth | None:
        """Return the teacher's labels of a photo."""
        row = self._row_of.get(image_id)
        offset = -1 if row is None else self._offsets[row]
        return None if offset < 0 else _decode(self._read_line(offset), self._path)

    def hide(self, rows: Iterable[int]) -> None:
        """Treat these photos as if the teacher had not labelled them."""
        for row in rows:
            self._offsets[row] = -1
            self.values[row] = UNJUDGED

    def _read_line(self, offset: int) -> bytes:
        line = b""
        while b"\n" not in line:
            block = os.pread(self._descriptor, _BLOCK_BYTES, offset + len(line))
            if not block:
                break
            line += block
        return line.partition(b"\n")[0]


_RECORD = msgspec.json.Decoder(GroundTruth)


def _decode(line: bytes, path: Path) -> GroundTruth:
    try:
        return _RECORD.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error} in {line[:80]!r}") from None
