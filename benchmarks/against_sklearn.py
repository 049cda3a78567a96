"""Our heads against scikit-learn's LogisticRegression, on photos that neither has seen.

Photos are dealt into five parts, near-duplicates together. Each part is judged by heads that were fitted,
tuned and calibrated on the teacher's answers for the other four; both choose their penalty on the same folds
of these by held-out cross-entropy. So every photo is judged once by each, against its truth, and differences
are paired. Without arguments it runs on the demo; with others' photos, answers and truth are joined by
`rel_path`.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from benchmarks.rounds import write_results
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vibe_photos.configuration import read_resolved
from vibe_photos.convert.mapping import Mapping
from vibe_photos.embed.stage import embed_library
from vibe_photos.heads.fit import Loss, find_coordinates
from vibe_photos.records.ground_truth import GroundTruth, RawAnnotation, parse_truth, read_objects
from vibe_photos.records.keyed_hash import unit_interval
from vibe_photos.records.photos import read_manifest
from vibe_photos.records.pictures import read_pictures
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import head_keys, label_name
from vibe_photos.records.training import TrainingRecord
from vibe_photos.scan.stage import scan_library
from vibe_photos.settings import Convert, Embed, Embedder, Evaluate, HeadTraining, Library, Taxonomy
from vibe_photos.split.stage import read_near_duplicates
from vibe_photos.statistics import metrics
from vibe_photos.statistics.design import group_photos, simple_design
from vibe_photos.statistics.paired import PairedRatio, simultaneous_intervals
from vibe_photos.storage.jsonl import read_jsonl
from vibe_photos.storage.vectors import read_embeddings
from vibe_photos.train.student import fit_student
from vibe_photos.train.targets import Targets, find_targets

REPOSITORY = Path(__file__).resolve().parent.parent
DEMO = REPOSITORY / "data" / "demo"
PARTS, FOLDS = 5, 5
TRAINING = HeadTraining(min_positive=5, class_weight="none", l2=[1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2])
EVALUATE = Evaluate(confidence_level=0.95, bootstrap_repetitions=2000, seed=0)
ATTRIBUTES = ("has_person", "has_text", "has_animal")

Vectors = NDArray[np.float32]
Indices = NDArray[np.int64]
Predict = Callable[[Targets, Vectors, Indices, Loss, Vectors], NDArray[np.floating[Any]]]
"""From targets, vectors and folds to learn from, and vectors to judge: probabilities [n, labels] of these."""


@dataclass(frozen=True)
class World:
    """Photos with vectors, the teacher's answers, the truth and near-duplicate groups, all in one order."""

    taxonomy: Taxonomy
    vectors: Vectors
    taught: list[GroundTruth]
    truth: list[GroundTruth]
    groups: list[str]


def make_world(photos: Path, answers: Path, truth: Path, embedder: Embedder, folder: Path) -> World:
    """Scan and embed the photos, and join answers and truth to them; photos without both are left out."""
    taxonomy = read_settings("taxonomy/m2.yaml", Taxonomy)
    extensions = ["jpg", "jpeg", "png", "webp"]
    library = Library(root=str(photos), content_hash="xxh3_128", extensions=extensions, skip_names=[])
    manifest, base = folder / "photos.jsonl", read_resolved(REPOSITORY)
    paths = msgspec.structs.replace(base.paths, photos=manifest, embeddings=folder / embedder.name)
    embed = Embed(
        max_pixels=10**9, max_failed_share=0.0, precision="float32", batch_size=32, workers=2, device="cpu"
    )
    settings = msgspec.structs.replace(base, library=library, embedder=embedder, embed=embed, paths=paths)
    scan_library(settings, folder / "store")
    embed_library(settings, folder / "store")
    embeddings = read_embeddings(folder / embedder.name / "embeddings.sqlite")
    hashes = folder / embedder.name / "perceptual_hashes.jsonl"
    groups = read_near_duplicates(manifest, hashes, read_pictures(manifest), 6, 5).groups
    id_of = {
        place: photo.image_id
        for photo in read_manifest(manifest)
        for place in (photo.rel_path, *photo.also_at)
    }
    mapping = Mapping(taxonomy, Convert(min_object_confidence=0.7, include_non_main=False))
    said = {
        id_of[record.rel_path]: mapping.to_ground_truth(id_of[record.rel_path], record.annotation)
        for record in read_jsonl(answers, RawAnnotation)
        if record.rel_path in id_of
    }
    records = (parse_truth(value, place) for place, value in named_objects(truth, id_of))
    true = {record.image_id: record for record in records}
    rows = [row for row, image_id in enumerate(embeddings.image_ids) if image_id in said.keys() & true.keys()]
    ids = [embeddings.image_ids[row] for row in rows]
    return World(
        taxonomy,
        embeddings.vectors[rows],
        [said[i] for i in ids],
        [true[i] for i in ids],
        [groups[i] for i in ids],
    )


def named_objects(truth: Path, id_of: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """Return the truth's records with the ids that the photos have here."""
    return [
        (place, value | {"image_id": id_of[value["rel_path"]]})
        for place, value in read_objects(truth)
        if value["rel_path"] in id_of
    ]


def read_settings(name: str, kind: type[Any]) -> Any:
    """Return one file of `conf/`, typed."""
    return msgspec.convert(msgspec.yaml.decode((REPOSITORY / "conf" / name).read_bytes()), kind)


def predict_ours(
    targets: Targets, vectors: Vectors, folds: Indices, loss: Loss, new: Vectors
) -> NDArray[np.floating[Any]]:
    """Fit, tune and calibrate as `train` does."""
    student = fit_student(targets, vectors, folds, loss, TRAINING)
    return student.calibration.probabilities(new @ student.weight.T + student.bias, loss)


def predict_scikit_learn(
    targets: Targets, vectors: Vectors, folds: Indices, loss: Loss, new: Vectors
) -> NDArray[np.floating[Any]]:
    """Fit one LogisticRegression for scenes, and one for each attribute where it is judged."""
    if loss == "softmax":
        return tune_scikit_learn(targets.y.argmax(axis=1), vectors, folds, new, len(targets.labels))
    columns = []
    for y, is_judged in zip(targets.y.T, targets.is_judged.T, strict=True):
        judged = y[is_judged].astype(np.int64), vectors[is_judged], folds[is_judged]
        columns.append(tune_scikit_learn(*judged, new, 2)[:, 1])
    return np.column_stack(columns)


def tune_scikit_learn(
    classes: Indices, vectors: Vectors, folds: Indices, new: Vectors, count: int
) -> NDArray[np.floating[Any]]:
    """Return the probabilities [n, count] of new photos with the penalty of least held-out cross-entropy.

    The vectors are centred and scaled as ours are, so that a penalty means the same.
    """
    from sklearn.linear_model import LogisticRegression

    here = find_coordinates(vectors)
    x, judged = ((each - here.mean) / here.length for each in (vectors, new))

    def fit(l2: float, rows: NDArray[np.bool_], asked: NDArray[np.float64]) -> NDArray[np.floating[Any]]:
        model = LogisticRegression(C=1 / (rows.sum() * l2), max_iter=2000).fit(x[rows], classes[rows])
        probabilities = np.full((len(asked), count), 1e-9)
        probabilities[:, model.classes_] = model.predict_proba(asked)
        return probabilities

    def held_out_loss(l2: float) -> float:
        held = [folds == fold for fold in np.unique(folds)]
        return sum(
            float(-np.log(fit(l2, ~rows, x[rows])[np.arange(rows.sum()), classes[rows]]).sum())
            for rows in held
        )

    with threadpool_limits(limits=1):
        best = min(TRAINING.l2, key=held_out_loss)
        return fit(best, np.ones(len(classes), dtype=bool), judged)


def judge_all(world: World, predict: Predict, seed: int = 0) -> tuple[Indices, dict[str, metrics.Flags]]:
    """Return scene columns [n] and each attribute's 0 or 1 [n], each photo by heads that did not see it."""
    n = len(world.truth)
    scene_keys = head_keys(world.taxonomy, "scene")
    scenes = np.full(n, -1)
    attributes = {name: np.zeros(n, np.int8) for name in ATTRIBUTES}
    part = np.array([int(unit_interval(seed, "part", group) * PARTS) for group in world.groups])
    fold = np.array([int(unit_interval(seed, "fold", group) * FOLDS) for group in world.groups])
    for number in range(PARTS):
        train, test = np.flatnonzero(part != number), np.flatnonzero(part == number)
        for head, loss in (("scene", "softmax"), ("attribute", "sigmoid")):
            targets = find_targets(head, [as_taught(world.taught[row]) for row in train], world.taxonomy, 5)  # type: ignore[arg-type]
            rows = train[targets.rows]
            found = predict(targets, world.vectors[rows], fold[rows], loss, world.vectors[test])  # type: ignore[arg-type]
            if head == "scene":
                column = np.array([scene_keys.index(key) for key in targets.labels])
                scenes[test] = column[found.argmax(axis=1)]
            else:
                names = [label_name(key) for key in targets.labels]
                for name in set(names) & set(ATTRIBUTES):
                    attributes[name][test] = found[:, names.index(name)] >= 0.5
    return scenes, attributes


def as_taught(record: GroundTruth) -> TrainingRecord:
    """Return a record as a head learns it; groups and folds are given elsewhere."""
    return TrainingRecord(
        image_id=record.image_id,
        group=record.image_id,
        fold=0,
        scene=record.scene,
        attributes=record.attributes,
        objects=record.objects,
    )


def truth_columns(world: World) -> tuple[Indices, dict[str, metrics.Flags]]:
    """Return the truth in the form of `judge_all`; -1 where it says nothing."""
    keys = head_keys(world.taxonomy, "scene")
    scenes = np.array([keys.index(r.scene[0]) if r.scene and r.scene[0] in keys else -1 for r in world.truth])
    attributes = {
        name: np.array([r.attributes.get(f"attr.{name}", -1) for r in world.truth], np.int8)
        for name in ATTRIBUTES
    }
    return scenes, attributes


def print_differences(world: World, names: Sequence[str], candidates: Sequence[Predict]) -> None:
    """Print each figure of both, their paired difference (first minus second) and its interval."""
    ours, theirs = (judge_all(world, predict) for predict in candidates)
    scenes, attributes = truth_columns(world)
    members = {group: Membership(group=group, fold=0, role="holdout", number=0.0) for group in world.groups}
    design = simple_design(group_photos(world.groups, members))
    pairs = {
        "scene accuracy": PairedRatio(metrics.accuracy(scenes, theirs[0]), metrics.accuracy(scenes, ours[0]))
    }
    for name, y_true in attributes.items():
        before, after = metrics.f1(y_true, theirs[1][name]), metrics.f1(y_true, ours[1][name])
        pairs[f"{name} F1"] = PairedRatio(before, after, worth=2.0)
    intervals = simultaneous_intervals(list(pairs.values()), design, EVALUATE.confidence_level)
    print(f"{'':16} {names[0]:>8} {names[1]:>12}   difference (95 %, all at once)")
    for (name, pair), interval in zip(pairs.items(), intervals, strict=True):
        first, second = pair.after.value(design.weights), pair.before.value(design.weights)
        if first is not None and second is not None:
            span = interval.reason or f"{interval.low:+.3f} to {interval.high:+.3f}"
            print(f"{name:16} {first:8.3f} {second:12.3f}   {first - second:+.3f} ({span})")
    count = len(head_keys(world.taxonomy, "scene"))
    macro = [metrics.macro_f1(metrics.confusion_matrix(scenes, side[0], count)) for side in (ours, theirs)]
    print(f"{'scene macro-F1':16} {macro[0]:8.3f} {macro[1]:12.3f}")


def main() -> None:
    """Print a table for each encoder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=DEMO / "photos", help="a folder of photos")
    parser.add_argument("--answers", type=Path, default=DEMO / "teacher_answers.simulated.jsonl")
    parser.add_argument("--truth", type=Path, default=DEMO / "truth.jsonl")
    parser.add_argument(
        "--onnx", type=Path, help="an encoder, with the preprocessing of conf/embedder/onnx.yaml"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write no timings there")
    arguments = parser.parse_args()
    write_results(arguments.json, {})
    embedders = [read_settings("embedder/hog.yaml", Embedder)]
    if arguments.onnx:
        onnx = read_settings("embedder/onnx.yaml", Embedder)
        embedders.append(msgspec.structs.replace(onnx, checkpoint=str(arguments.onnx)))
    with tempfile.TemporaryDirectory() as folder:
        for embedder in embedders:
            places = arguments.photos, arguments.answers, arguments.truth
            world = make_world(*places, embedder, Path(folder))
            print(f"\n{embedder.name}: {len(world.truth)} photos, each judged by heads that did not see it")
            print_differences(world, ("ours", "scikit-learn"), (predict_ours, predict_scikit_learn))


if __name__ == "__main__":
    main()
