"""What the stages wrote, as far as it is there; what is not there is named, with the stage that makes it."""

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.heads.out_of_fold import OutOfFold, out_of_fold_path, read_out_of_fold
from vibe_photos.records.ground_truth import ALL_LABELS, RawAnnotation
from vibe_photos.records.photos import Photo, read_manifest
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.settings import HeadName, Settings, TruthName
from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.reliability import ReliabilityPoint
from vibe_photos.statistics.summary import Figures
from vibe_photos.storage.jsonl import read_jsonl

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Missing:
    """A file that is not there, what it would tell, and the stage that writes it."""

    what: str
    stage: str


@dataclass(frozen=True, slots=True)
class TeacherAnswers:
    """Which teacher answered: photos answered, models and prompt ids with how many photos each."""

    photos: int
    models: dict[str, int]
    prompt_ids: dict[str, int]
    is_simulated: bool


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that the page tells, read once; None where a file is not there (then in `missing`).

    `metrics` holds the metrics files that are there, by the names of `METRICS`; `held_out` what heads say of
    their training photos without having seen them.
    """

    settings: Settings
    missing: list[Missing]
    metrics: dict[str, Figures]
    photos: list[Photo] | None
    memberships: dict[str, Membership] | None
    answers: TeacherAnswers | None
    held_out: dict[HeadName, OutOfFold]
    has_teacher_truth: bool
    has_labels: bool
    failed_answers: int
    unreadable_files: int
    photos_without_vector: int

    @property
    def truth(self) -> TruthName | None:
        """Which truth the page is about: people's where there is any, else the teacher's, else none."""
        truths: tuple[TruthName, ...] = ("human", "auto")
        return next((truth for truth in truths if self.measured(truth)), None)

    def measured(self, name: str) -> Figures | None:
        """Return a metrics file in which at least one photo was measured."""
        figures = self.metrics.get(name)
        return figures if figures and figures.get("n") else None


METRICS = {
    "convert": Missing("what the mapping dropped", "convert"),
    "train_scene": Missing("the scene head", "train@scene"),
    "train_attribute": Missing("the attribute head", "train@attribute"),
    "train_object": Missing("the object head", "train@object"),
    "human": Missing("the figures against people's truth", "evaluate@human"),
    "auto": Missing("the figures against the teacher's truth", "evaluate@auto"),
    "teacher": Missing("how good the teacher is", "agreement"),
}
"""The metrics files by name: what each tells, and the stage that writes it."""


def read_sources(settings: Settings) -> Sources:
    """Read what is there of the stages' outputs.

    Raises:
        InputError: a file is there, but damaged.
    """
    paths, missing = settings.paths, list[Missing]()

    def read(path: Path, piece: Missing, reader: Callable[[Path], T]) -> T | None:
        if path.exists():
            return reader(path)
        missing.append(piece)
        return None

    photos = read(paths.photos, Missing("the list of photos", "scan"), read_manifest)
    answers = read(paths.raw_annotations, Missing("the teacher's answers", "annotate"), read_answers)
    memberships = read(paths.splits, Missing("who may train", "split"), read_splits)
    found = {
        name: read(_metrics_path(paths.eval, name), piece, read_figures) for name, piece in METRICS.items()
    }
    labels = read(paths.labels, Missing("the labels of each photo", "classify"), Path.exists)
    auto = read(paths.auto / ALL_LABELS, Missing("the teacher's truth", "convert"), Path.exists)
    return Sources(
        settings=settings,
        missing=missing,
        metrics={name: figures for name, figures in found.items() if figures is not None},
        photos=photos,
        memberships=memberships,
        answers=answers,
        held_out={
            head: read_out_of_fold(paths.models, head)
            for head in HEADS
            if out_of_fold_path(paths.models, head).exists()
        },
        has_teacher_truth=bool(auto),
        has_labels=bool(labels),
        failed_answers=count_lines(paths.raw_annotations.with_name("failures.jsonl")),
        unreadable_files=count_lines(paths.photos.with_name("problems.jsonl")),
        photos_without_vector=count_lines(paths.embeddings / "problems.jsonl"),
    )


def read_answers(path: Path) -> TeacherAnswers:
    """Tell from the raw annotations who answered."""
    said = {record.image_id: record for record in read_jsonl(path, RawAnnotation)}
    return TeacherAnswers(
        photos=len(said),
        models=dict(Counter(record.model or "unnamed" for record in said.values())),
        prompt_ids=dict(Counter(record.prompt_id or "none stated" for record in said.values())),
        is_simulated=any(record.simulated for record in said.values()),
    )


def read_figures(path: Path) -> Figures:
    """Read a metrics file.

    Raises:
        InputError: it is no JSON object.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Figures)
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: {error}") from None


def read_curve(path: Path) -> list[tuple[float, float]]:
    """Return the `(recall, precision)` points of a curve's CSV, none where it is not there."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [(float(row["recall"]), float(row["precision"])) for row in csv.DictReader(file)]


def read_reliability(path: Path) -> list[ReliabilityPoint]:
    """Return the points of a calibration's CSV, none where it is not there."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            ReliabilityPoint(
                probability=float(row["probability"]),
                frequency=float(row["frequency"]),
                interval=Interval(float(row["low"]), float(row["high"])),
                statements=int(row["statements"]),
            )
            for row in csv.DictReader(file)
        ]


def count_lines(path: Path) -> int:
    """Count the records of a JSON Lines file; one that is not there has none."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(bool(line.strip()) for line in file)


def _metrics_path(folder: Path, name: str) -> Path:
    return folder / name / "metrics.json" if name in ("human", "auto", "teacher") else folder / f"{name}.json"
