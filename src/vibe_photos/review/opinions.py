"""What teacher, student and people say of every photo, as arrays: a row is a photo, a column a label.

The student speaks out of fold of photos that it learnt from: what it says of an answer that it learnt by
heart would prove nothing. Memory is one byte a photo and label, and two more for the student's probabilities.
"""

import contextlib
import ctypes
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from vibe_photos.classify.stage import decide_labels
from vibe_photos.heads.out_of_fold import OutOfFold, out_of_fold_path, read_out_of_fold, write_arrays
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable, ScoreTable
from vibe_photos.records.taxonomy import HEADS, head_keys
from vibe_photos.review.decisions import DecisionLog
from vibe_photos.review.photo_state import PhotoState
from vibe_photos.review.requests import Speaker
from vibe_photos.settings import HeadName, Settings, Taxonomy
from vibe_photos.statistics.label_arrays import find_rows, with_parents
from vibe_photos.statistics.metrics import UNJUDGED, Bools
from vibe_photos.statistics.suspects import find_suspects
from vibe_photos.storage.sqlite import open_database

LARGE_LIBRARY = 20_000
"""From so many photos on, what takes seconds to read is kept in the store, or done by another process."""

Signature = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Voice:
    """One speaker: `values` int8 [photos, labels] (1, 0, -1: not said), `scores` float16, NaN where unknown.

    Only the student has scores: its probabilities that the label holds.
    """

    values: NDArray[np.int8]
    scores: NDArray[np.float16] | None = None


class Opinions:
    """The three voices; the student's is read again after a `dvc repro`, people's after each decision.

    Attributes:
        keys: the labels in the order of the columns: scenes, attributes, objects.
        columns: the columns of each head.
        column_of: the column of each label.
        teacher: the teacher's voice.
    """

    def __init__(
        self,
        settings: Settings,
        image_ids: Sequence[str],
        row_of: Mapping[str, int],
        teacher: NDArray[np.int8],
        decisions: DecisionLog,
        hidden: Sequence[int],
        store: Path,
    ) -> None:
        self._settings, self._image_ids, self._row_of = settings, image_ids, row_of
        self._decisions, self._hidden, self._store = decisions, sorted(hidden), store / "review"
        self.keys, self.columns = list_columns(settings.taxonomy)
        self.column_of = {key: column for column, key in enumerate(self.keys)}
        self.teacher = Voice(teacher)
        self._lock = threading.Lock()
        self._read: tuple[Signature, Voice, NDArray[np.float16]] | None = None
        self._people = Voice(np.full(teacher.shape, UNJUDGED, np.int8, order="F"))
        self._known: dict[str, PhotoState] = {}
        self._revision = -1

    def voice(self, speaker: Speaker) -> Voice:
        """Return what a speaker says now."""
        if speaker == "teacher":
            return self.teacher
        return self._read_people() if speaker == "people" else self._read_student()[1]

    def suspicion(self) -> NDArray[np.float16]:
        """Return float16 [photos, heads]: 1 - the probability of a suspected answer, 0 without suspicion."""
        return self._read_student()[2]

    def scene(self, speaker: Speaker) -> NDArray[np.int8]:
        """Return int8 [photos]: the column of the scene, -1 where there is none."""
        values = self.voice(speaker).values[:, self.columns["scene"]]
        return np.where((values == 1).any(axis=1), values.argmax(axis=1), -1).astype(np.int8)

    def signature(self) -> Signature:
        """Return a value that changes when the student's files are replaced."""
        paths = self._settings.paths
        files = [paths.labels, *(out_of_fold_path(paths.models, head) for head in HEADS)]
        return tuple(map(sign, files))

    def _read_people(self) -> Voice:
        with self._lock:
            if self._revision != self._decisions.revision:
                self._revision, states = self._decisions.revision, self._decisions.states()
                changed = [i for i, state in states.items() if self._known.get(i) is not state]
                for image_id in [*changed, *(self._known.keys() - states.keys())]:
                    if image_id in self._row_of:
                        state = states.get(image_id)
                        truth = state.truth if state else None
                        self._people.values[self._row_of[image_id]] = (
                            UNJUDGED if truth is None else row_of_truth(truth, self.column_of, self.columns)
                        )
                self._known = states
            return self._people

    def _read_student(self) -> tuple[Signature, Voice, NDArray[np.float16]]:
        with self._lock:
            signature = self.signature()
            if self._read is None or self._read[0] != signature:
                self._read = (signature, *self._read_kept(signature))
                give_back_memory()
            return self._read

    def _read_kept(self, signature: Signature) -> tuple[Voice, NDArray[np.float16]]:
        """Return the student's voice and suspicion; those of a large library are kept in the store."""
        if len(self._image_ids) < LARGE_LIBRARY:
            return self._read_unseen()
        made_from = (signature, sign(self._settings.paths.photos), self._hidden)
        section = msgspec.json.encode([made_from, self._settings.taxonomy, self._settings.classify])
        path = self._store / f"student-{xxhash.xxh3_128_hexdigest(section)}.npz"
        if path.exists():
            with np.load(path, allow_pickle=False) as kept:
                return Voice(kept["values"], kept["scores"]), kept["suspicion"]
        voice, suspicion = self._read_unseen()
        assert voice.scores is not None
        for old in self._store.glob("student-*.npz"):
            old.unlink()
        write_arrays(path, {"values": voice.values, "scores": voice.scores, "suspicion": suspicion})
        return voice, suspicion

    def _read_unseen(self) -> tuple[Voice, NDArray[np.float16]]:
        held_out = read_held_out(self._settings)
        table = read_unseen_labels(self._settings, held_out, self._image_ids)
        shape = len(self._image_ids), len(self.keys)
        values = np.full(shape, UNJUDGED, np.int8, order="F")
        scores = np.full(shape, np.nan, np.float16, order="F")
        for place, key in enumerate(table.keys):
            values[:, self.column_of[key]] = table.value[:, place]
            scores[:, self.column_of[key]] = table.score[:, place]
        values[self._hidden], scores[self._hidden] = UNJUDGED, np.nan
        suspicion = np.zeros((len(self._image_ids), len(HEADS)), np.float16, order="F")
        for column, head in enumerate(HEADS):
            for suspect in find_suspects(held_out[head], head).suspects if head in held_out else ():
                row = self._row_of.get(suspect.image_id)
                if row is not None:
                    doubt = 1.0 - suspect.teacher_probability
                    suspicion[row, column] = max(suspicion[row, column], doubt)
        return Voice(values, scores), suspicion


def list_columns(taxonomy: Taxonomy) -> tuple[list[str], dict[HeadName, slice]]:
    """Return all labels, by head, and the columns of each head."""
    keys: list[str] = []
    columns: dict[HeadName, slice] = {}
    for head in HEADS:
        columns[head] = slice(len(keys), len(keys) + len(head_keys(taxonomy, head)))
        keys += head_keys(taxonomy, head)
    return keys, columns


def row_of_truth(
    record: GroundTruth, column_of: Mapping[str, int], columns: Mapping[HeadName, slice]
) -> NDArray[np.int8]:
    """Return a truth record as one row, int8 [labels]: objects imply their ancestors; others are absent."""
    row = np.full(len(column_of), UNJUDGED, np.int8)
    if record.scene:
        row[columns["scene"]] = 0
    row[columns["object"]] = 0
    said = [(key, 1) for key in record.scene] + [(key, int(v)) for key, v in record.attributes.items()]
    for key, value in said:
        if key in column_of:
            row[column_of[key]] = value
    for key in record.objects:
        while key:
            if key in column_of:
                row[column_of[key]] = 1
            key = key.rpartition(".")[0]
    return row


def read_held_out(settings: Settings) -> dict[HeadName, OutOfFold]:
    """Return the out-of-fold predictions of the heads that are there."""
    models = settings.paths.models
    return {head: read_out_of_fold(models, head) for head in HEADS if out_of_fold_path(models, head).exists()}


def read_unseen_labels(
    settings: Settings, held_out: Mapping[HeadName, OutOfFold], image_ids: Sequence[str]
) -> LabelTable:
    """Return the student's labels of these photos, out of fold where it learnt from the photo.

    Out of fold they are decided by `classify`'s thresholds and rules; the others are those of
    `labels.sqlite`, if it is there.

    Raises:
        InputError: `labels.sqlite` is not a label table.
    """
    learnt = [key for head in held_out.values() for key in head.labels]
    probability = np.full((len(image_ids), len(learnt)), np.nan, np.float32)
    for head in held_out.values():
        rows = find_rows(image_ids, head.image_ids)
        places = np.array([learnt.index(key) for key in head.labels], np.int64)
        probability[np.ix_(rows[rows >= 0], places)] = head.probabilities[rows >= 0]
    empty = np.broadcast_to(np.float64(np.nan), probability.shape)
    scores = ScoreTable(list(image_ids), learnt, probability, probability, empty)  # type: ignore[arg-type]
    table = decide_labels(scores, settings.taxonomy, settings.classify)
    keys, columns = list_columns(settings.taxonomy)
    value = np.full((len(image_ids), len(keys)), UNJUDGED, np.int8, order="F")
    score = np.full(value.shape, np.nan, np.float32, order="F")
    for place, key in enumerate(table.keys):
        is_known = ~np.isnan(table.score[:, place])
        value[is_known, keys.index(key)] = table.value[is_known, place]
        score[:, keys.index(key)] = table.score[:, place]
    threshold = dict(table.threshold)
    if settings.paths.labels.exists():
        threshold = _fill_from_table(settings.paths.labels, image_ids, keys, value, score) | threshold
    objects = columns["object"]
    value[:, objects] = with_parents(value[:, objects], keys[objects])
    return LabelTable(list(image_ids), keys, table.level, {}, threshold, score, value)  # type: ignore[arg-type]


def _fill_from_table(
    labels: Path,
    image_ids: Sequence[str],
    keys: Sequence[str],
    value: NDArray[np.int8],
    score: NDArray[np.float32],
) -> dict[str, float | None]:
    """Fill what is not said yet, in place; return the labels' thresholds."""
    threshold: dict[str, float | None] = {}
    first = "SELECT threshold FROM label_assignment WHERE label_key = ? LIMIT 1"
    chosen = (
        "SELECT wanted.row, label.score, label.value FROM wanted CROSS JOIN label_assignment AS label "
        "ON label.label_key = ? AND label.image_id = wanted.image_id"
    )
    with open_database(labels) as connection:
        wanted: Bools | None = None
        for column, key in enumerate(keys):
            found = connection.execute(first, (key,)).fetchone()
            if found is None:
                continue
            threshold[key] = found[0]
            is_missing = value[:, column] == UNJUDGED
            if wanted is None or not np.array_equal(wanted, is_missing):
                wanted = is_missing
                connection.execute("DROP TABLE IF EXISTS temp.wanted")
                connection.execute("CREATE TEMP TABLE wanted (row INTEGER, image_id TEXT)")
                rows = sorted(np.flatnonzero(wanted).tolist(), key=image_ids.__getitem__)
                connection.executemany(
                    "INSERT INTO wanted VALUES (?, ?)", ((row, image_ids[row]) for row in rows)
                )
            read = np.array(connection.execute(chosen, (key,)).fetchall(), np.float64).reshape(-1, 3)
            rows_read = read[:, 0].astype(np.int64)
            score[rows_read, column], value[rows_read, column] = read[:, 1], read[:, 2]
    return threshold


def give_back_memory() -> None:
    """Return freed memory to the system: after large files are read, glibc would keep it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def sign(path: Path) -> tuple[int, ...]:
    """Return a value that changes when a file is replaced; empty without one."""
    if not path.exists():
        return ()
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
