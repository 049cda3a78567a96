"""What benchmarks on photos with a known truth share: the library, a simulated teacher, fitting a head."""

import argparse
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from benchmarks.rounds import write_results
from numpy.typing import NDArray

from vibe_photos.configuration import read_resolved
from vibe_photos.convert.stage import Mapping
from vibe_photos.embed.stage import embed_library
from vibe_photos.encoder_trial.trial import rotate_vectors
from vibe_photos.heads.fit import Loss
from vibe_photos.records.ground_truth import (
    GroundTruth,
    RawAnnotation,
    TrainingRecord,
    parse_truth,
    read_objects,
)
from vibe_photos.records.photos import read_manifest, unit_interval
from vibe_photos.records.pictures import read_pictures
from vibe_photos.records.taxonomy import head_keys
from vibe_photos.scan.stage import scan_library
from vibe_photos.settings import Convert, Embed, Embedder, HeadName, HeadTraining, Library, Taxonomy
from vibe_photos.split.stage import read_near_duplicates
from vibe_photos.storage.jsonl import read_jsonl
from vibe_photos.storage.vectors import read_embeddings
from vibe_photos.train.student import Student, fit_student
from vibe_photos.train.targets import Targets, TrainingSet, find_targets

REPOSITORY = Path(__file__).resolve().parent.parent
DEMO = REPOSITORY / "data" / "demo"
PARTS, FOLDS = 5, 5
TRAINING = HeadTraining(min_positive=5, class_weight="none", l2=[1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2])
LOSSES: dict[HeadName, Loss] = {"scene": "softmax", "attribute": "sigmoid"}
SCENE_CONFUSED, ATTRIBUTE_FLIPPED, OBJECT_MISSED = 0.075, 0.05, 0.14

Vectors = NDArray[np.float32]
Indices = NDArray[np.int64]


@contextmanager
def open_photos(description: str, redraws: int | None = None) -> Iterator[argparse.Namespace]:
    """Read the command line; yield it with `folder`, a temporary one, and `embedders`.

    `redraws` is the default of an option of that name; None for none.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--photos", type=Path, default=DEMO / "photos", help="a folder of photos")
    parser.add_argument("--answers", type=Path, default=DEMO / "teacher_answers.simulated.jsonl")
    parser.add_argument("--truth", type=Path, default=DEMO / "truth.jsonl")
    parser.add_argument("--onnx", type=Path, help="also an encoder like that of conf/embedder/onnx.yaml")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write no timings there")
    if redraws is not None:
        parser.add_argument("--redraws", type=int, default=redraws)
    arguments = parser.parse_args()
    write_results(arguments.json, {})
    arguments.embedders = [read_settings("embedder/hog.yaml", Embedder)]
    if arguments.onnx:
        onnx = read_settings("embedder/onnx.yaml", Embedder)
        arguments.embedders.append(msgspec.structs.replace(onnx, checkpoint=str(arguments.onnx)))
    with tempfile.TemporaryDirectory() as folder:
        arguments.folder = Path(folder)
        yield arguments


@dataclass(frozen=True)
class World:
    """Photos with vectors, the teacher's answers, the truth and near-duplicate groups, all in one order."""

    taxonomy: Taxonomy
    vectors: Vectors
    taught: list[GroundTruth]
    truth: list[GroundTruth]
    groups: list[str]


def read_answer(image_id: str, labels: tuple[bytes, bytes, bytes]) -> GroundTruth:
    """Return an answer's labels, as convert writes them, as a record."""
    scene, attributes, objects = map(msgspec.json.decode, labels)
    return GroundTruth(image_id=image_id, scene=scene, attributes=attributes, objects=objects)


def make_world(arguments: argparse.Namespace, embedder: Embedder) -> World:
    """Scan and embed the photos, and join answers and truth to them; photos without both are left out."""
    photos, answers, truth, folder = arguments.photos, arguments.answers, arguments.truth, arguments.folder
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
        id_of[record.rel_path]: read_answer(id_of[record.rel_path], mapping.map_any(record.annotation))
        for record in read_jsonl(answers, RawAnnotation)
        if record.rel_path in id_of
    }
    true = {
        id_of[value["rel_path"]]: parse_truth(value | {"image_id": id_of[value["rel_path"]]}, place)
        for place, value in read_objects(truth)
        if value["rel_path"] in id_of
    }
    rows = [row for row, image_id in enumerate(embeddings.image_ids) if image_id in said.keys() & true.keys()]
    ids = [embeddings.image_ids[row] for row in rows]
    return World(
        taxonomy,
        embeddings.vectors[rows],
        [said[i] for i in ids],
        [true[i] for i in ids],
        [groups[i] for i in ids],
    )


def with_inner_layers(embedders: list[Embedder]) -> list[Embedder]:
    """Add the means of SqueezeNet's last two blocks as an encoder, where SqueezeNet was given (`--onnx`)."""
    hog, *given = embedders
    blocks = ["fire8/concat_1", "fire9/concat_1"]
    inner = [
        msgspec.structs.replace(one, name="inner", outputs=blocks, pooling="mean", transform="none")
        for one in given
    ]
    return [hog, *(msgspec.structs.replace(one, name="last") for one in given), *inner]


def rotate_world(world: World) -> World:
    """Rotate the vectors as a trial does: the same for heads, but faster."""
    return dataclasses.replace(world, vectors=rotate_vectors(world.vectors))


def read_settings(name: str, kind: type[Any]) -> Any:
    """Return one file of `conf/`, typed."""
    return msgspec.convert(msgspec.yaml.decode((REPOSITORY / "conf" / name).read_bytes()), kind)


def draw_answers(world: World, seed: int) -> list[GroundTruth]:
    """Return what a simulated teacher says of the photos whose truth is known."""
    generator = np.random.default_rng(seed)
    scenes = head_keys(world.taxonomy, "scene")
    answers = []
    for truth in world.truth:
        scene = truth.scene
        if scene and generator.random() < SCENE_CONFUSED:
            scene = [str(generator.choice([key for key in scenes if key not in scene]))]
        flips = generator.random(len(truth.attributes)) < ATTRIBUTE_FLIPPED
        attributes = {
            key: value != bool(flip)
            for (key, value), flip in zip(truth.attributes.items(), flips, strict=True)
        }
        objects = [key for key in truth.objects or [] if generator.random() >= OBJECT_MISSED]
        answers.append(
            GroundTruth(image_id=truth.image_id, scene=scene, attributes=attributes, objects=objects)
        )
    return answers


def draw_parts(world: World, purpose: str, seed: int, parts: int) -> Indices:
    """Deal near-duplicate groups into parts: each photo's part, from 0."""
    return np.array([int(unit_interval(seed, purpose, group) * parts) for group in world.groups])


@dataclass(frozen=True)
class Learned:
    """A head that learned from some photos: those of `rows`, in the folds `fold`."""

    targets: Targets
    student: Student
    rows: Indices
    fold: Indices


def learn(
    world: World, records: Sequence[GroundTruth], rows: Indices, head: HeadName, seed: int = 0
) -> Learned:
    """Fit one head to some photos, as `train` does."""
    targets = find_targets(
        head, [as_taught(records[row]) for row in rows], world.taxonomy, TRAINING.min_positive
    )
    used = rows[targets.rows]
    fold = draw_parts(world, "fold", seed, FOLDS)[used]
    groups = [world.groups[row] for row in used]
    training_set = TrainingSet(targets, world.vectors[used], fold, groups, LOSSES[head], TRAINING)
    return Learned(targets, fit_student(training_set), used, fold)


def as_taught(record: GroundTruth) -> TrainingRecord:
    """Return a record as a head learns it; groups and folds are given elsewhere."""
    return TrainingRecord(
        image_id=record.image_id,
        group=record.image_id,
        fold=0,
        scene=record.scene,
        attributes=record.attributes,
        objects=record.objects or [],
    )
