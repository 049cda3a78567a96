"""Measure how well encoders and their layers suit a library: F1 out of fold, on a part of its photos.

The photos are those with the lowest permanent random numbers, so a larger trial only adds photos.
Each candidate's vectors go into the store, where stage `embed` finds them.

How much of a difference may be chance is found by drawing near-duplicate groups with replacement, the same
ones for each candidate. Another sample might have another best candidate, so all that might be as good are
listed (docs/REAL_PHOTOS.md).
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from vibe_photos.embed.local import Job, LocalEngine
from vibe_photos.embed.outs import vectors_file
from vibe_photos.encoders.onnx import list_layers
from vibe_photos.encoders.recipe import name_encoder
from vibe_photos.errors import ConfigurationError, EncoderError, InputError
from vibe_photos.heads.fit import Floats
from vibe_photos.heads.linear import head_loss
from vibe_photos.records.ground_truth import TrainingRecord, read_training
from vibe_photos.records.photos import Photo, read_manifest, say_count, unit_interval
from vibe_photos.records.splits import read_splits
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import Embedder, HeadName, HeadTraining, Settings
from vibe_photos.storage.saved_work import open_saved_work
from vibe_photos.storage.vectors import Vectors
from vibe_photos.train.error_budget import predict_by_neighbours, predict_by_nonlinear_head
from vibe_photos.train.learning_curve import (
    RANDOM_SEED,
    assign_blocks,
    draw_with_replacement,
    find_f1,
    flag_hits,
    percentile_interval,
)
from vibe_photos.train.student import fit_student
from vibe_photos.train.targets import TrainingSet, find_targets

log = logging.getLogger(__name__)

TRIED_HEADS: tuple[HeadName, ...] = ("scene", "attribute")
"""Objects are left out: most are too rare in a part of a library."""

Model = Literal["linear", "neighbours", "probe"]
COLUMNS: dict[Model, str] = {"linear": "F1", "neighbours": "neighb.", "probe": "probe"}
"""The linear head, the labels of the nearest photos, and a small non-linear model: names in the table."""

MARGIN = 0.01
"""A smaller difference of mean F1 does not matter: between candidates, and between models."""

REPEATS = 5
"""How often the folds are dealt. With 100 photos, which photos share a fold changes the difference of two
encoders by 0.02 and more; the mean of five deals is nearer to the real one (docs/REAL_PHOTOS.md)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An encoder to try; `name`: its file in `conf/embedder` and changed keys (`CHOICE KEY=VALUE ...`)."""

    name: str
    embedder: Embedder

    @property
    def choice(self) -> str:
        """Its file in `conf/embedder`."""
        return self.name.split()[0]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How good a candidate is: out-of-fold F1 over all labels, by model (`COLUMNS`) and head.

    Labels that a rule decides (`classify.attribute_from_scene`) do not count: no head gives them.

    F1 is in 0..1. If neighbours or probe are much better than the linear head, the layer does not suit it.
    `milliseconds` are per photo, None if all vectors were in the store. `resampled_f1`: `mean_f1` in each
    bootstrap repetition, [repetitions]; a repetition draws the same groups for all candidates of a trial.
    """

    candidate: Candidate
    dim: int
    milliseconds: float | None
    f1: dict[Model, dict[HeadName, float]]
    resampled_f1: Floats

    @property
    def mean_f1(self) -> float:
        """The mean of the linear heads' F1, 0..1."""
        return float(np.mean(list(self.f1["linear"].values())))

    def gain(self, model: Model) -> float:
        """Return how much higher the mean F1 of a model is than the linear head's."""
        return float(np.mean(list(self.f1[model].values()))) - self.mean_f1


def read_candidate(text: str, conf: Path) -> Candidate:
    """Parse `CHOICE [KEY=VALUE ...]`: a file in `conf/embedder`, and changes of its keys.

    Raises:
        ConfigurationError: there is no such choice or key, or a value has the wrong type.
    """
    choice, *changes = text.split()
    path = conf / "embedder" / f"{choice}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
        raise ConfigurationError(f"{choice!r} is no encoder of {path.parent}; there are {known}")
    values: dict[str, Any] = msgspec.yaml.decode(path.read_bytes())
    for change in changes:
        key, is_pair, value = change.partition("=")
        if not is_pair or key not in Embedder.__struct_fields__:
            raise ConfigurationError(f"{change!r} is not KEY=VALUE with a key of {path}")
        values[key] = msgspec.yaml.decode(value.encode())
    try:
        return Candidate(text, msgspec.convert(values, Embedder))
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{text!r}: {error}") from None


def list_layer_candidates(candidate: Candidate, count: int) -> list[Candidate]:
    """Return the last feature map of each of an ONNX encoder's last `count` shapes, plain and with `sqrt`."""
    embedder = candidate.embedder
    found = []
    for layer in list_layers(str(embedder.checkpoint), embedder.input_px or 0, count):
        for transform in ("none", "sqrt"):
            changed = msgspec.structs.replace(embedder, outputs=[layer], pooling="mean", transform=transform)
            found.append(_make_candidate(candidate, changed))
    return found


def join_best_layers(outcomes: Sequence[Outcome]) -> Candidate | None:
    """Return the two best inner layers joined, transformed as the best is; None without two."""
    best: dict[str, Outcome] = {}
    for one in sorted(outcomes, key=lambda one: -one.mean_f1):
        best.setdefault((one.candidate.embedder.outputs or [""])[0], one)
    if len(best) < 2:
        return None
    first, second = list(best.values())[:2]
    layers = [*(first.candidate.embedder.outputs or []), *(second.candidate.embedder.outputs or [])]
    return _make_candidate(first.candidate, msgspec.structs.replace(first.candidate.embedder, outputs=layers))


def _make_candidate(candidate: Candidate, embedder: Embedder) -> Candidate:
    outputs = ",".join(embedder.outputs or [])
    changes = f"outputs=[{outputs}] pooling={embedder.pooling} transform={embedder.transform}"
    return Candidate(f"{candidate.choice} {changes}", embedder)


class Trial:
    """The photos on which candidates are tried, with their training labels."""

    def __init__(self, settings: Settings, store: Path, photos: int, seed: int | None = None) -> None:
        """Take the `photos` training photos with the lowest permanent random numbers.

        `seed`: draw other ones at random, to see how much depends on that.

        Raises:
            InputError: stages `split` and `teach` have not run, or no photo may train.
        """
        self._settings, self._store = settings, store
        numbers = {i: one.number for i, one in read_splits(settings.paths.splits).items()}
        records = {head: read_training(settings.paths.training, head) for head in TRIED_HEADS}
        ids = {one.image_id for one in records["scene"]}
        if seed is not None:
            numbers = {image_id: unit_interval(seed, "trial", image_id) for image_id in ids}
        chosen = set(sorted(ids, key=lambda image_id: (numbers[image_id], image_id))[:photos])
        self.photos: list[Photo] = [p for p in read_manifest(settings.paths.photos) if p.image_id in chosen]
        if not self.photos:
            raise InputError(f"{settings.paths.training} has no photo to train on: run dvc repro teach first")
        self._records: dict[HeadName, dict[str, TrainingRecord]] = {
            head: {one.image_id: one for one in records[head]} for head in TRIED_HEADS
        }
        groups = sorted(
            {one.group for head in TRIED_HEADS for one in records[head] if one.image_id in chosen}
        )
        blocks = assign_blocks(groups)
        self._block_of: dict[str, int] = dict(zip(groups, blocks.tolist(), strict=True))
        self._draw_counts = draw_with_replacement(np.random.default_rng(RANDOM_SEED), int(blocks.max()) + 1)

    def measure(self, candidate: Candidate) -> Outcome:
        """Embed the photos that have no vector yet, fit the heads, and return their F1.

        Raises:
            ConfigurationError: a key that the encoder needs is not set.
            EncoderError: the encoder cannot be loaded, or gives no vector for any photo.
        """
        embedded, ids, milliseconds = self._embed(candidate)
        vectors = rotate_vectors(embedded)
        f1: dict[Model, dict[HeadName, float]] = {model: {} for model in COLUMNS}
        resampled = []
        row_of = {image_id: row for row, image_id in enumerate(ids)}
        for head in TRIED_HEADS:
            records = [self._records[head][i] for i in ids if i in self._records[head]]
            options: HeadTraining = getattr(self._settings.train, head)
            targets = find_targets(head, records, self._settings.taxonomy, options.min_positive)
            used = [records[row] for row in targets.rows]
            training_set = TrainingSet(
                targets,
                vectors[[row_of[one.image_id] for one in used]],
                np.array([one.fold for one in used], dtype=np.int64),
                [one.group for one in used],
                head_loss(head),
                options,
            )
            if not targets.labels or len(np.unique(training_set.folds)) < 2:
                raise InputError(
                    f"{len(ids)} photos are too few to learn any {head}: try more (--photos), or let the "
                    "teacher answer more"
                )
            drawn: dict[Model, list[Floats]] = {model: [] for model in COLUMNS}
            for one in repeat_folds(training_set):
                drawn["linear"].append(self._bootstrap_f1(one, fit_student(one).probabilities))
                drawn["neighbours"].append(self._bootstrap_f1(one, predict_by_neighbours(one)))
                drawn["probe"].append(self._bootstrap_f1(one, predict_by_nonlinear_head(one)))
            for model, values in drawn.items():
                f1[model][head] = float(np.mean([value[0] for value in values]))
            resampled.append(np.mean(drawn["linear"], axis=0)[1:])
        return Outcome(candidate, embedded.shape[1], milliseconds, f1, np.mean(resampled, axis=0))

    def _bootstrap_f1(self, training_set: TrainingSet, probabilities: Floats) -> Floats:
        """Return the F1 over all learned labels, [1 + repetitions]: the first uses every photo once.

        An attribute that follows the scene by a rule is not given by this head.
        """
        ruled = self._settings.classify.attribute_from_scene
        is_learned = [label_name(label) not in ruled for label in training_set.targets.labels]
        counts = flag_hits(training_set, probabilities)[:, :, is_learned].sum(axis=2)
        blocks = [self._block_of[group] for group in training_set.groups]
        return find_f1(counts.astype(np.float64) @ self._draw_counts[:, blocks].T)

    def _embed(self, candidate: Candidate) -> tuple[Vectors, list[str], float | None]:
        """Return vectors, their ids, and milliseconds per photo (None if all were in the store)."""
        settings, embedder = self._settings, candidate.embedder
        model = name_encoder(embedder, settings.embed)
        job = Job(Path(settings.library.root), embedder, settings.embed, model)
        with open_saved_work(vectors_file(self._store, model)) as saved:
            known = saved.image_ids()
            missing = [photo for photo in self.photos if photo.image_id not in known]
            started = time.monotonic()
            with closing(LocalEngine(job).embed(missing, frozenset())) as batches:
                problems = []
                for batch in batches:
                    saved.add(batch.vectors)
                    problems += batch.problems
            if problems:
                log.warning(
                    "%s: %s could not be embedded, such as %s: %s",
                    *(candidate.name, say_count(len(problems)), problems[0].rel_path, problems[0].detail),
                )
            milliseconds = 1000 * (time.monotonic() - started) / len(missing) if missing else None
            rows = dict(saved.read(photo.image_id for photo in self.photos))
        if not rows:
            raise EncoderError(f"{candidate.name}: no photo could be embedded")
        vectors = np.stack([np.frombuffer(row, "<f4") for row in rows.values()]).astype(np.float32)
        return vectors, list(rows), milliseconds


def rotate_vectors(vectors: Vectors) -> Vectors:
    """Return the vectors [n, dim] in coordinates of which there are no more than photos.

    Lengths and angles stay, so heads and neighbours are the same, but fitted faster.
    """
    if vectors.shape[1] <= len(vectors):
        return vectors
    triangle = np.asarray(np.linalg.qr(vectors.astype(np.float64).T, mode="r"))
    return np.asarray(triangle.T, dtype=np.float32)


def repeat_folds(training_set: TrainingSet) -> Iterator[TrainingSet]:
    """Yield the training set as it is, then with its near-duplicate groups dealt into other folds."""
    yield training_set
    folds = len(np.unique(training_set.folds))
    for repeat in range(1, REPEATS):
        dealt = [int(folds * unit_interval(repeat, "trial folds", group)) for group in training_set.groups]
        if len(set(dealt)) > 1:
            yield replace(training_set, folds=np.array(dealt, dtype=np.int64))


def try_encoders(trial: Trial, candidates: Sequence[Candidate], layers: int) -> Iterator[Outcome]:
    """Yield each candidate's outcome; with `layers`, also those of ONNX encoders' last feature maps."""
    for candidate in candidates:
        yield trial.measure(candidate)
        if layers and candidate.embedder.kind == "onnx":
            inner = []
            for one in list_layer_candidates(candidate, layers):
                try:
                    inner.append(trial.measure(one))
                except EncoderError as error:
                    log.warning("%s is left out: %s", one.name, error)
                else:
                    yield inner[-1]
            if joined := join_best_layers(inner):
                yield trial.measure(joined)


def format_header() -> str:
    """Return the line of column names."""
    columns = [f"{head} {name}" for head in TRIED_HEADS for name in COLUMNS.values()]
    return "  ".join([*columns, "dimensions", "ms/photo", "encoder"])


def format_outcome(one: Outcome) -> str:
    """Return a candidate's line."""
    figures = [
        f"{one.f1[model][head]:.3f}".rjust(len(f"{head} {name}"))
        for head in TRIED_HEADS
        for model, name in COLUMNS.items()
    ]
    time_text = "stored" if one.milliseconds is None else f"{one.milliseconds:.1f}"
    return "  ".join([*figures, f"{one.dim:10}", time_text.rjust(8), one.candidate.name])


def find_equals(outcomes: Sequence[Outcome], best: Outcome) -> list[Outcome]:
    """Return the other outcomes that cannot be told apart from `best`, the best first.

    That is where the 95 % interval of the difference includes zero.
    """
    others = [one for one in outcomes if one is not best]
    return sorted(
        (one for one in others if percentile_interval(best.resampled_f1 - one.resampled_f1)[0] <= 0),
        key=lambda one: -one.mean_f1,
    )


def choose(outcomes: Sequence[Outcome]) -> tuple[Outcome, list[Outcome]]:
    """Return the outcome to recommend, and those that cannot be told apart from the best, the best first.

    Of those whose F1 is within `MARGIN` of the best, it is the one with the fewest dimensions.
    """
    best = max(outcomes, key=lambda one: one.mean_f1)
    equals = [best, *find_equals(outcomes, best)]
    near = [one for one in equals if one.mean_f1 >= best.mean_f1 - MARGIN]
    return min(near, key=lambda one: (one.dim, -one.mean_f1)), equals


def describe_best(outcomes: Sequence[Outcome]) -> str:
    """Return which candidate is recommended and how to use it, and whether a linear head suits it.

    Those that cannot be told apart from the best are listed.
    """
    chosen, equals = choose(outcomes)
    choice, *changes = chosen.candidate.name.split()
    how = f"use.embedder: {choice} in params.yaml"
    if changes:
        keys = ", ".join(change.replace("=", ": ") for change in changes)
        how += f", and in conf/embedder/{choice}.yaml {keys}"
    lines = [
        f"Recommended: {chosen.candidate.name}, mean F1 {chosen.mean_f1:.3f}. To use it: {how}.",
        "F1: of the linear head, over all labels that it gives. neighb.: of the labels of the nearest "
        "photos. probe: of a small non-linear model.",
    ]
    for model in ("neighbours", "probe"):
        gain = chosen.gain(model)
        if gain > MARGIN:
            lines.append(
                f"With these vectors {model} would be better than the linear head by {gain:.3f}: the head "
                "does not use all that is in them. Try another layer (--layers 6) or encoder."
            )
    if len(equals) > 1:
        lines.append(
            f"So few photos cannot tell these {len(equals)} apart; some may be worse. Recommended is the one "
            f"with the fewest dimensions within {MARGIN} of the best:"
        )
        lines += [
            f"  mean F1 {one.mean_f1:.3f}, {one.dim} dimensions: {one.candidate.name}" for one in equals
        ]
    return "\n".join(lines)
