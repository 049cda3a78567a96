"""What teacher, student and people say of every photo, as arrays: a row is a photo, a column a label.

For photos in the training data we use predictions of a model trained without them (out of fold); otherwise
the student only repeats what it was taught. Memory is one byte a photo, label and speaker, and two more for
the student's probabilities.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from vibe_photos.classify.stage import decide_labels
from vibe_photos.heads.out_of_fold import out_of_fold_path, read_out_of_fold, write_arrays
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth, judged_labels
from vibe_photos.records.label_tables import LabelTable, ScoreTable
from vibe_photos.records.taxonomy import HEADS, head_keys
from vibe_photos.review.api import Speaker
from vibe_photos.review.decision_index import PhotoState
from vibe_photos.review.decisions import DecisionLog
from vibe_photos.review.record_file import RecordFile, fingerprint
from vibe_photos.settings import HeadName, Paths, Settings
from vibe_photos.statistics.label_arrays import LabelKeys, arrays_of_records, read_keys, with_parents
from vibe_photos.statistics.metrics import UNJUDGED
from vibe_photos.statistics.suspects import Suspect, find_suspects
from vibe_photos.storage.sqlite import open_database

LARGE_LIBRARY = 20_000
"""From so many photos on, what takes seconds to read is kept in the store, or done by another process."""

_BLOCK = 4_096

Values = NDArray[np.int8]
Arrays = dict[str, NDArray[Any]]
StudentFingerprint = tuple[tuple[int, ...], ...]


class Opinions:
    """The three speakers; the student is read again after a `dvc repro`, people after each decision.

    Rows are those of `row_of`. Of the photos in the rows `hidden`, teacher and student say nothing.

    Attributes:
        keys: the labels in the order of the columns: scenes, attributes, objects.
        columns: the columns of each head.
        column_of: the column of each label.

    Raises:
        InputError: the teacher's truth or a file of the student is damaged.
    """

    def __init__(
        self,
        settings: Settings,
        row_of: Mapping[str, int],
        decisions: DecisionLog,
        hidden: Sequence[int],
        store: Path,
    ) -> None:
        self._settings, self._row_of, self._decisions = settings, row_of, decisions
        self._hidden, self._store = sorted(hidden), store / "review"
        self._head_keys = read_keys(settings.taxonomy)
        self._keys_of = {head: head_keys(settings.taxonomy, head) for head in HEADS}
        self._rules = settings.classify.attribute_from_scene
        self.keys, self.columns = join_keys(self._head_keys)
        self.column_of = {key: column for column, key in enumerate(self.keys)}
        # One lock each, so that a slow read of one does not block requests for the others.
        self._student_lock, self._suspicion_lock = threading.Lock(), threading.Lock()
        self._people_lock, self._finals_lock = threading.Lock(), threading.Lock()
        self._student: tuple[StudentFingerprint, Arrays] | None = None
        self._suspicion: tuple[StudentFingerprint, Arrays] | None = None
        self._finals: tuple[tuple[int, ...], Values] | None = None
        self._people, self._teacher = self._say_nothing(), self._say_nothing()
        self._known: dict[str, PhotoState] = {}
        self._revision = -1
        self._teacher_file = RecordFile(settings.paths.auto / ALL_LABELS, GroundTruth)
        self._read_teacher()

    def values(self, speaker: Speaker) -> Values:
        """Return what a speaker says now, int8 [photos, labels]: 1, 0, or -1 where nothing is said."""
        if speaker == "teacher":
            return self._teacher
        return self._read_people() if speaker == "people" else self._read_student()["values"]

    def scores(self) -> NDArray[np.float16]:
        """Return the student's probabilities, float16 [photos, labels], NaN where they are not known."""
        return self._read_student()["scores"]

    def suspicion(self) -> NDArray[np.float16]:
        """Return float16 [photos, heads]: 1 - the probability of a suspected answer, 0 without suspicion."""
        with self._suspicion_lock:
            if self._suspicion is None or self._suspicion[0] != self.fingerprint():
                self._suspicion = (self.fingerprint(), self._keep("suspicion", self._find_suspicion))
            return self._suspicion[1]["suspicion"]

    def scene(self, speaker: Speaker) -> Values:
        """Return int8 [photos]: the column of the scene (scenes are the first columns), -1 without one."""
        values = self.values(speaker)[:, self.columns["scene"]]
        return np.where((values == 1).any(axis=1), values.argmax(axis=1), -1).astype(np.int8)

    def teacher(self, image_id: str) -> GroundTruth | None:
        """Return the teacher's labels of a photo as they are in the file."""
        row = self._row_of.get(image_id)
        offset = -1 if row is None else int(self._offsets[row])
        return None if offset < 0 else self._teacher_file.read(offset)

    def finals(self) -> Values:
        """Return the labels of `labels.sqlite`, int8 [photos, labels]: 1 where a label holds, else 0."""
        path = self._settings.paths.labels
        with self._finals_lock:
            if self._finals is None or self._finals[0] != fingerprint(path):
                values = np.zeros_like(self._teacher, order="F")
                if path.exists():
                    with open_database(path) as connection:
                        for column, key in enumerate(self.keys):
                            holds = "SELECT image_id FROM label_assignment WHERE label_key = ? AND value = 1"
                            ids = connection.execute(holds, (key,))
                            values[[self._row_of[i] for (i,) in ids if i in self._row_of], column] = 1
                self._finals = (fingerprint(path), values)
            return self._finals[1]

    def fingerprint(self) -> StudentFingerprint:
        """Return a value that changes when the student's files are replaced."""
        return fingerprint_student(self._settings.paths)

    def _say_nothing(self) -> Values:
        return np.full((len(self._row_of), len(self.keys)), UNJUDGED, np.int8, order="F")

    def _read_teacher(self) -> None:
        """Read what the teacher says; of its records only the offsets in the file are kept."""
        self._offsets = np.full(len(self._row_of), -1, np.int64)
        for offsets, records in self._teacher_file.read_blocks():
            rows = np.array([self._row_of.get(record.image_id, -1) for record in records])
            self._offsets[rows[rows >= 0]] = offsets[rows >= 0]
            self._teacher[rows[rows >= 0]] = values_of(records, self._head_keys)[rows >= 0]
        self._offsets[self._hidden] = -1
        self._teacher[self._hidden] = UNJUDGED

    def _read_people(self) -> Values:
        with self._people_lock:
            if self._revision != self._decisions.revision:
                self._revision, states = self._decisions.revision, self._decisions.states()
                changed = {
                    i for i in states.keys() | self._known.keys() if self._known.get(i) is not states.get(i)
                }
                for image_id in changed & self._row_of.keys():
                    truth = states[image_id].truth if image_id in states else None
                    said = judged_labels(truth, self._keys_of, self._rules) if truth else {}
                    self._people[self._row_of[image_id]] = [said.get(key, UNJUDGED) for key in self.keys]
                self._known = states
            return self._people

    def _read_student(self) -> Arrays:
        with self._student_lock:
            if self._student is None or self._student[0] != self.fingerprint():
                self._student = (self.fingerprint(), self._keep("student", self._ask_student))
            return self._student[1]

    def _keep(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Return arrays made from the student's files; those of a large library stay in the store."""
        if len(self._row_of) < LARGE_LIBRARY:
            return make()
        made_from = (self.fingerprint(), fingerprint(self._settings.paths.photos), self._hidden)
        section = msgspec.json.encode([made_from, self._settings.taxonomy, self._settings.classify])
        path = self._store / f"{name}-{xxhash.xxh3_128_hexdigest(section)}.npz"
        if not path.exists():
            for old in self._store.glob(f"{name}-*.npz"):
                old.unlink()
            write_arrays(path, make())
        with np.load(path, allow_pickle=False) as kept:
            return {array: kept[array] for array in kept.files}

    def _ask_student(self) -> Arrays:
        table = read_unseen_labels(self._settings, list(self._row_of))
        values, scores = table.value, table.score.astype(np.float16)
        values[self._hidden], scores[self._hidden] = UNJUDGED, np.nan
        return {"values": values, "scores": scores}

    def _find_suspicion(self) -> Arrays:
        suspicion = np.zeros((len(self._row_of), len(HEADS)), np.float16)
        for suspect in list_suspects(self._settings.paths):
            row, column = self._row_of.get(suspect.image_id), HEADS.index(suspect.head)
            if row is not None:
                suspicion[row, column] = max(suspicion[row, column], 1.0 - suspect.teacher_probability)
        return {"suspicion": suspicion}


def fingerprint_student(paths: Paths) -> StudentFingerprint:
    """Return a value that changes when the student's files are replaced."""
    return tuple(map(fingerprint, [paths.labels, *(out_of_fold_path(paths.models, head) for head in HEADS)]))


def join_keys(keys: LabelKeys) -> tuple[list[str], dict[HeadName, slice]]:
    """Return all labels, by head, and the columns of each head."""
    scenes, others = len(keys.scene), len(keys.scene) + len(keys.attribute)
    columns: dict[HeadName, slice] = {
        "scene": slice(0, scenes),
        "attribute": slice(scenes, others),
        "object": slice(others, others + len(keys.object)),
    }
    return [*keys.scene, *keys.attribute, *keys.object], columns


def values_of(records: Sequence[GroundTruth | None], keys: LabelKeys) -> Values:
    """Return truth records as rows, int8 [n, labels]: objects imply their ancestors, others are absent."""
    arrays = arrays_of_records(records, keys)
    scene = arrays.scene[:, np.newaxis]
    scenes = np.where(scene < 0, UNJUDGED, scene == np.arange(len(keys.scene)))
    objects = with_parents(arrays.objects, keys.object)
    return np.hstack([scenes, arrays.attributes, objects]).astype(np.int8)


def list_suspects(paths: Paths) -> list[Suspect]:
    """Return the teacher's answers that the heads find improbable, head by head."""
    heads = [head for head in HEADS if out_of_fold_path(paths.models, head).exists()]
    return [
        one for head in heads for one in find_suspects(read_out_of_fold(paths.models, head), head).suspects
    ]


def read_unseen_labels(settings: Settings, image_ids: Sequence[str]) -> LabelTable:
    """Return the student's labels of these photos, out of fold where it learned from the photo.

    Out of fold means predicted by a model trained without this photo; `classify`'s thresholds and rules then
    decide the labels. The others are those of `labels.sqlite`, if it is there. Scores are float32.

    Raises:
        InputError: `labels.sqlite` is not a label table, or a head's file is damaged.
    """
    keys, columns = join_keys(read_keys(settings.taxonomy))
    column_of = {key: column for column, key in enumerate(keys)}
    row_of = {image_id: row for row, image_id in enumerate(image_ids)}
    learned_columns: list[int] = []
    probability = np.full((len(image_ids), len(keys)), np.nan, np.float32)
    for head in HEADS:  # one at a time, to hold only one list of ids in memory
        if out_of_fold_path(settings.paths.models, head).exists():
            held_out = read_out_of_fold(settings.paths.models, head)
            rows = np.array([row_of.get(image_id, -1) for image_id in held_out.image_ids], np.int64)
            for key, said in zip(held_out.labels, held_out.probabilities.T, strict=True):
                if key in column_of:
                    learned_columns.append(column_of[key])
                    probability[rows[rows >= 0], column_of[key]] = said[rows >= 0]
    value = np.full((len(image_ids), len(keys)), UNJUDGED, np.int8, order="F")
    score = np.full(value.shape, np.nan, np.float32, order="F")
    threshold: dict[str, float | None] = {}
    for start in range(0, len(image_ids), _BLOCK):
        block_rows = slice(start, start + _BLOCK)
        learned = probability[block_rows, learned_columns]
        no_margin = np.broadcast_to(np.float64(np.nan), learned.shape)
        ids, names = list(image_ids[block_rows]), [keys[column] for column in learned_columns]
        block = ScoreTable(ids, names, learned, learned, no_margin)  # type: ignore[arg-type]
        table = decide_labels(block, settings.taxonomy, settings.classify)
        decided_columns = [column_of[key] for key in table.keys]
        value[block_rows, decided_columns] = np.where(np.isnan(table.score), UNJUDGED, table.value)
        score[block_rows, decided_columns] = table.score
        threshold = dict(table.threshold)
    if settings.paths.labels.exists():
        threshold = _fill_from_table(settings.paths.labels, image_ids, keys, value, score) | threshold
    objects = columns["object"]
    value[:, objects] = with_parents(value[:, objects], keys[objects])
    level: dict[str, HeadName] = {key: head for head in HEADS for key in keys[columns[head]]}
    return LabelTable(list(image_ids), keys, level, {}, threshold, score, value)  # type: ignore[arg-type]


def _fill_from_table(
    labels: Path, image_ids: Sequence[str], keys: Sequence[str], value: Values, score: NDArray[np.float32]
) -> dict[str, float | None]:
    """Fill what is not said yet, in place; return the labels' thresholds."""
    threshold: dict[str, float | None] = {}
    # CROSS JOIN makes SQLite begin with `wanted`: it reads the wanted rows of the label only.
    chosen = (
        "SELECT wanted.row, label.score, label.value FROM wanted "
        "CROSS JOIN label_assignment AS label ON label.label_key = ? AND label.image_id = wanted.image_id"
    )
    with open_database(labels) as connection:
        wanted: NDArray[np.bool_] | None = None
        for column, key in enumerate(keys):
            is_missing = value[:, column] == UNJUDGED
            # The table of wanted photos is made again only if the label before lacked other photos.
            if wanted is None or not np.array_equal(wanted, is_missing):
                wanted = is_missing
                connection.execute("DROP TABLE IF EXISTS temp.wanted")
                connection.execute("CREATE TEMP TABLE wanted (row INTEGER, image_id TEXT)")
                rows = sorted(np.flatnonzero(wanted).tolist(), key=image_ids.__getitem__)
                connection.executemany(
                    "INSERT INTO wanted VALUES (?, ?)", ((row, image_ids[row]) for row in rows)
                )
            first = "SELECT threshold FROM label_assignment WHERE label_key = ? LIMIT 1"
            if found := connection.execute(first, (key,)).fetchone():
                threshold[key] = found[0]
            read = np.array(connection.execute(chosen, (key,)).fetchall(), np.float64).reshape(-1, 3)
            rows_read = read[:, 0].astype(np.int64)
            score[rows_read, column], value[rows_read, column] = read[:, 1], read[:, 2]
    return threshold
