"""The student's labels, read from `labels.sqlite` by photo or by label."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_photos.review.opinions import give_back_memory, sign
from vibe_photos.review.replies import StudentLabel
from vibe_photos.storage.sqlite import open_database

_ONE_PHOTO = (
    "SELECT label_key, score, value FROM label_assignment WHERE image_id = ? ORDER BY level, score DESC"
)
_ONE_LABEL = "SELECT image_id FROM label_assignment WHERE label_key = ? AND value = 1"


class StudentLabels:
    """The labels of the last `dvc repro`, also if it ran while the page was open; none before the first."""

    def __init__(self, labels: Path, row_of: Mapping[str, int]) -> None:
        self._path = labels
        self._row_of = row_of
        self._lock = threading.Lock()
        self._final: tuple[tuple[int, ...], NDArray[np.int8]] | None = None

    def get(self, image_id: str) -> list[StudentLabel]:
        """Return every judged label of a photo, by level, highest score first."""
        if not self._path.exists():
            return []
        with open_database(self._path) as connection:
            rows = connection.execute(_ONE_PHOTO, (image_id,)).fetchall()
        return [StudentLabel(key=key, score=score, value=bool(value)) for key, score, value in rows]

    def finals(self, keys: Sequence[str]) -> NDArray[np.int8]:
        """Return int8 [photos, keys]: 1 where the student's label holds, else 0; rows as in the manifest."""
        with self._lock:
            if self._final is None or self._final[0] != sign(self._path):
                values = np.zeros((len(self._row_of), len(keys)), np.int8, order="F")
                if self._path.exists():
                    with open_database(self._path) as connection:
                        for column, key in enumerate(keys):
                            ids = connection.execute(_ONE_LABEL, (key,))
                            rows = [self._row_of[i] for (i,) in ids if i in self._row_of]
                            values[rows, column] = 1
                self._final = (sign(self._path), values)
                give_back_memory()
            return self._final[1]
