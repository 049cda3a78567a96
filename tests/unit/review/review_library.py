"""A small library as it is when a review begins: photos, teacher's truth, a sample, the student's labels."""

import shutil
from collections.abc import Mapping, Sequence, Set
from itertools import count
from pathlib import Path

import msgspec
import numpy as np
import xxhash
from PIL import Image

from vibe_photos.configuration import RESOLVED, read_resolved, without_machine_local
from vibe_photos.heads.out_of_fold import out_of_fold_path
from vibe_photos.human_truth.sample import read_sampled
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth, truth_object
from vibe_photos.records.label_tables import LabelTable, ScoreTable, write_labels, write_scores
from vibe_photos.records.photos import Photo, path_to_text
from vibe_photos.records.splits import read_splits
from vibe_photos.records.taxonomy import all_keys, parent_key
from vibe_photos.review.queue import is_unassisted
from vibe_photos.sample.stage import sample_for_review
from vibe_photos.settings import Paths, Settings, Taxonomy
from vibe_photos.split.stage import assign_roles, write_splits
from vibe_photos.storage.jsonl import write_jsonl

SCENES = ("scene.food", "scene.document", "scene.landscape")
STUDENT_KEYS = [*SCENES, "attr.has_text", "object.food"]


def write_review_library(
    folder: Path, repository: Path, names: Sequence[str], sampled: int, scenes: Sequence[str] = SCENES
) -> list[str]:
    """Write a library of which `sampled` photos wait; return the image ids in the order of `names`.

    The teacher gives photo n the n-th scene, in turns, and text to every document; the student agrees but
    calls the first photo a landscape. Every photo is judged with the teacher's labels.
    """
    (folder / "conf").mkdir(parents=True)
    shutil.copy(repository / "conf" / "config.yaml", folder / "conf")
    defaults = read_resolved(repository)
    library = msgspec.structs.replace(defaults.library, root=str(folder / "photos"))
    ids = [_write_photo(folder / "photos" / name, number) for number, name in enumerate(names)]
    sample = msgspec.structs.replace(
        defaults.sample, size=sampled, min_per_stratum=1, seed=find_seed(ids, unassisted=set())
    )
    taxonomy = msgspec.yaml.decode((repository / "conf/taxonomy/m2.yaml").read_bytes(), type=Taxonomy)
    composed = msgspec.to_builtins(
        msgspec.structs.replace(defaults, library=library, sample=sample, taxonomy=taxonomy), enc_hook=str
    )
    (folder / RESOLVED).parent.mkdir(parents=True)
    (folder / RESOLVED).write_bytes(msgspec.yaml.encode(without_machine_local(composed)))
    settings = read_settings(folder)
    photos = [
        Photo(
            image_id=image_id,
            rel_path=path_to_text(name.encode()),
            bytes=(folder / "photos" / name).stat().st_size,
            format="JPEG",
        )
        for image_id, name in zip(ids, names, strict=True)
    ]
    write_jsonl(settings.paths.photos, sorted(photos, key=lambda photo: photo.rel_path))
    truths = [_teach(image_id, scenes[number % len(scenes)]) for number, image_id in enumerate(ids)]
    write_jsonl(settings.paths.auto / ALL_LABELS, map(truth_object, truths))
    sample_for_review(settings)
    reserved = set(read_sampled(settings.paths.sample))
    split = msgspec.structs.replace(settings.split, holdout_share=0.0)
    memberships = assign_roles({i: i for i in ids}, reserved, split, settings.sample.seed)
    write_splits(settings.paths.splits, memberships)
    _write_labels(settings, truths)
    return ids


def write_doubts(settings: Settings, says: Mapping[str, str] | None = None) -> None:
    """Let the student, out of fold, call every photo that trains a landscape: all of them may teach.

    `says` has the student's scenes of photos that it calls something else.
    """
    ids = [image_id for image_id, one in read_splits(settings.paths.splits).items() if one.role == "train"]
    probability = np.full((len(ids), len(SCENES)), 0.05)
    for row, image_id in enumerate(ids):
        probability[row, SCENES.index((says or {}).get(image_id, "scene.landscape"))] = 0.9
    empty = np.full(probability.shape, np.nan)
    table = ScoreTable(ids, list(SCENES), probability, probability, empty)
    write_scores(settings.paths.probabilities, table)
    settings.paths.models.mkdir(parents=True)
    for head, labels in (("scene", SCENES), ("attribute", ()), ("object", ())):
        values = probability[:, : len(labels)].astype(np.float32)
        y = np.zeros(len(ids), np.int64) if head == "scene" else np.zeros(values.shape, np.int8)
        np.savez(
            out_of_fold_path(settings.paths.models, head),
            image_ids=np.array(ids),
            labels=np.array(labels, dtype=np.str_),
            logits=values,
            probabilities=values,
            y=y,
            by_people=np.zeros((len(ids), 1), bool),
        )


def find_seed(image_ids: Sequence[str], unassisted: Set[str]) -> int:
    """Return a `sample.seed` by which just these photos are judged without the teacher's labels."""
    return next(
        seed
        for seed in count()
        if all(is_unassisted(seed, image_id) == (image_id in unassisted) for image_id in image_ids)
    )


def hide_labels(folder: Path, image_ids: Sequence[str], unassisted: Set[str]) -> None:
    """Let just these photos of a finished library be judged without the teacher's labels."""
    settings = read_resolved(folder)
    seed = find_seed(image_ids, unassisted)
    changed = msgspec.structs.replace(settings, sample=msgspec.structs.replace(settings.sample, seed=seed))
    composed = msgspec.to_builtins(changed, enc_hook=str)
    (folder / RESOLVED).write_bytes(msgspec.yaml.encode(without_machine_local(composed)))


def read_settings(folder: Path) -> Settings:
    """Return the library's settings with every path absolute."""
    settings = read_resolved(folder)
    places = {name: folder / getattr(settings.paths, name) for name in Paths.__struct_fields__}
    return msgspec.structs.replace(settings, paths=Paths(**places))


def _write_photo(path: Path, number: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (40 + number % 200, 90, 200 - number % 200)
    image = Image.new("RGB", (64, 48), colour)
    exif = Image.Exif()
    exif[0x010E] = f"SECRET-DESCRIPTION {number}"
    image.save(path, "JPEG", exif=exif)
    return xxhash.xxh3_128_hexdigest(path.read_bytes())


def _teach(image_id: str, scene: str) -> GroundTruth:
    return GroundTruth(
        image_id=image_id,
        scene=[scene],
        attributes={"attr.has_text": scene == "scene.document", "attr.has_person": False},
        objects=["object.food"] if scene == "scene.food" else [],
    )


def _write_labels(settings: Settings, truths: Sequence[GroundTruth]) -> None:
    said = [
        {*truth.scene, *truth.objects, *(k for k, v in truth.attributes.items() if v)} for truth in truths
    ]
    said[0] = {"scene.landscape"}
    value = np.array([[key in keys for key in STUDENT_KEYS] for keys in said], np.int8)
    level = {key: _level(key) for key in all_keys(settings.taxonomy)}
    table = LabelTable(
        image_ids=[truth.image_id for truth in truths],
        keys=STUDENT_KEYS,
        level=level,
        source=dict.fromkeys(STUDENT_KEYS, "head"),
        threshold={key: None if key.startswith("scene.") else 0.5 for key in STUDENT_KEYS},
        score=0.2 + 0.6 * value,
        value=value,
    )
    write_labels(settings.paths.labels, table, {key: parent_key(key, level) for key in level})


def _level(key: str) -> str:
    return {"scene": "scene", "attr": "attribute", "object": "object"}[key.partition(".")[0]]
