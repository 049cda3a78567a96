"""Read the stages' outputs that exist; list those that are missing and the stage that makes each."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.heads.out_of_fold import OutOfFold, out_of_fold_path, read_out_of_fold
from vibe_photos.records.failures import failures_path
from vibe_photos.records.ground_truth import ALL_LABELS, RawAnnotation
from vibe_photos.records.photos import Photo, read_manifest
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.settings import HeadName, Paths, Settings, TruthName
from vibe_photos.statistics.summary import Figures
from vibe_photos.storage.jsonl import read_jsonl

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Piece:
    """A file that the page reads: its content, and the stage that writes it."""

    path: Path
    what: str
    stage: str


@dataclass(frozen=True, slots=True)
class TeacherAnswers:
    """Who answered: the number of photos by model, the prompt ids, and whether any answer is simulated."""

    models: dict[str, int]
    prompt_ids: list[str]
    is_simulated: bool


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that the page shows, read once; None if a file is missing.

    `metrics` has the metrics files that exist: `annotate`, `convert`, `train_<head>`, `human`, `auto` and
    `teacher`.
    `held_out` has the heads' out-of-fold predictions.
    """

    settings: Settings
    missing: list[Piece]
    metrics: dict[str, Figures]
    photos: list[Photo] | None
    memberships: dict[str, Membership] | None
    answers: TeacherAnswers | None
    held_out: dict[HeadName, OutOfFold]
    failed_answers: int
    unreadable_files: int
    photos_without_vector: int

    @property
    def truth(self) -> TruthName | None:
        """The truth that the page uses: human labels if there are any, else the teacher's, else None."""
        truths: tuple[TruthName, ...] = ("human", "auto")
        return next((truth for truth in truths if self.measured(truth)), None)

    def measured(self, name: str) -> Figures | None:
        """Return a metrics file in which at least one photo was measured."""
        figures = self.metrics.get(name)
        return figures if figures and figures.get("n") else None


def read_sources(settings: Settings) -> Sources:
    """Read the stages' outputs that exist.

    Raises:
        InputError: a file is damaged.
    """
    paths = settings.paths
    metrics = _list_metrics(paths)
    pieces = [
        Piece(paths.photos, "the list of photos", "scan"),
        Piece(paths.raw_annotations, "the teacher's answers", "annotate"),
        Piece(paths.splits, "which photos may be used for training", "split"),
        *metrics.values(),
        Piece(paths.labels, "the labels of each photo", "classify"),
        Piece(paths.auto / ALL_LABELS, "the teacher's labels", "convert"),
    ]
    return Sources(
        settings=settings,
        missing=[piece for piece in pieces if not piece.path.exists()],
        metrics={name: _read_figures(piece.path) for name, piece in metrics.items() if piece.path.exists()},
        photos=_read_if_there(paths.photos, read_manifest),
        memberships=_read_if_there(paths.splits, read_splits),
        answers=_read_if_there(paths.raw_annotations, _read_answers),
        held_out={
            head: read_out_of_fold(paths.models, head)
            for head in HEADS
            if out_of_fold_path(paths.models, head).exists()
        },
        failed_answers=_count_lines(failures_path(paths.raw_annotations)),
        unreadable_files=_count_lines(paths.photos.with_name("problems.jsonl")),
        photos_without_vector=_count_lines(paths.embeddings / "problems.jsonl"),
    )


def _list_metrics(paths: Paths) -> dict[str, Piece]:
    human, auto, teacher = (paths.eval / name / "metrics.json" for name in ("human", "auto", "teacher"))
    return {
        "annotate": Piece(paths.eval / "annotate.json", "what the answers took", "annotate"),
        "convert": Piece(paths.eval / "convert.json", "which words have no label", "convert"),
        **{
            f"train_{head}": Piece(paths.eval / f"train_{head}.json", f"the {head} head", f"train@{head}")
            for head in HEADS
        },
        "teach": Piece(paths.eval / "teach.json", "what people taught", "teach"),
        "human": Piece(human, "the comparison with people", "evaluate@human"),
        "auto": Piece(auto, "the comparison with the teacher", "evaluate@auto"),
        "teacher": Piece(teacher, "how good the teacher is", "agreement"),
    }


def _read_if_there(path: Path, reader: Callable[[Path], T]) -> T | None:
    return reader(path) if path.exists() else None


def _read_answers(path: Path) -> TeacherAnswers:
    last = {record.image_id: record for record in read_jsonl(path, RawAnnotation)}
    return TeacherAnswers(
        models=dict(Counter(record.model or "unnamed" for record in last.values())),
        prompt_ids=sorted({record.prompt_id or "none stated" for record in last.values()}),
        is_simulated=any(record.simulated for record in last.values()),
    )


def _read_figures(path: Path) -> Figures:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Figures)
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: {error}") from None


def _count_lines(path: Path) -> int:
    """Count the records of a JSON Lines file; 0 if it does not exist."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(bool(line.strip()) for line in file)
