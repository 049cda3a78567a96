"""A whole run in a temporary folder: photos with metadata and hostile names, labels, truth, metrics."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from vibe_photos.agreement.stage import measure_agreement
from vibe_photos.configuration import read_resolved
from vibe_photos.evaluate.stage import evaluate_labels
from vibe_photos.heads.out_of_fold import out_of_fold_path
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth, truth_object
from vibe_photos.records.label_tables import LabelTable, write_labels
from vibe_photos.records.photos import Photo
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import all_keys, parent_key
from vibe_photos.settings import Paths, Settings, Taxonomy
from vibe_photos.split.stage import write_splits
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import write_jsonl

HOSTILE = '"><script>alert(1)</script><img src=http://evil.example onerror=x>.jpg'
COUNT = 24


@pytest.fixture
def empty_run(tmp_path: Path, repository: Path, taxonomy: Taxonomy) -> Settings:
    """Return the settings of a run of which nothing has been written yet."""
    settings = read_resolved(repository)
    places = {name: tmp_path / getattr(settings.paths, name) for name in Paths.__struct_fields__}
    library = msgspec.structs.replace(settings.library, root=str(tmp_path / "photos"))
    half = {"default": 0.5}  # not the thresholds of the demo
    classify = msgspec.structs.replace(settings.classify, attribute_threshold=half, object_threshold=half)
    changes = {"taxonomy": taxonomy, "paths": Paths(**places), "library": library, "classify": classify}
    return msgspec.structs.replace(settings, **changes)


@pytest.fixture
def full_run(empty_run: Settings) -> Settings:
    """Return the settings of a run that has everything; half of its photos are labelled wrongly."""
    paths, root = empty_run.paths, Path(empty_run.library.root)
    root.mkdir()
    ids = [f"{number:031x}" for number in range(COUNT)]
    names = [f"{number}.jpg" if number else HOSTILE.replace("/", "") for number in range(COUNT)]
    for number, name in enumerate(names):
        write_photo(root / name, number)
    photos = [
        Photo(image_id=image_id, rel_path=name, bytes=(root / name).stat().st_size, format="JPEG")
        for image_id, name in zip(ids, names, strict=True)
    ]
    write_jsonl(paths.photos, photos)
    members = {
        image_id: Membership(group=image_id, fold=0, role="reserved", number=n / COUNT, half="score")
        for n, image_id in enumerate(ids)
    }
    write_splits(paths.splits, members)
    answers = [
        {"image_id": i, "annotation": {"scene": HOSTILE}, "model": HOSTILE, "prompt_id": "p1"} for i in ids
    ]
    write_jsonl(paths.raw_annotations, answers)
    write_json(paths.eval / "convert.json", {"object_words_without_key": {HOSTILE: 3}})
    trained = {"n_train": 100, "labels_by_people": 1, "labels_learnt": 9, "labels_not_learnable": 2}
    trained |= {"without_embedding": 0, "l2": 0.1}
    write_json(paths.eval / "train_scene.json", trained)
    rare = [{"label": "object.drink", "photos": 4}, {"label": "object.electronics", "photos": 3}]
    write_json(paths.eval / "train_object.json", trained | {"not_learnable": rare})
    records = [
        GroundTruth(
            image_id=image_id,
            scene=["scene.food"],
            attributes={"attr.has_text": n % 2 == 0},
            objects=["object.drink"],
        )
        for n, image_id in enumerate(ids)
    ]
    write_truth(empty_run, records)
    write_held_out(paths.models, ids)
    return empty_run


def write_held_out(models: Path, ids: list[str]) -> None:
    """Write what the scene head says of photos it had not seen; it doubts the teacher's word of the first."""
    food = np.array([0.05, *[0.9] * (COUNT // 2 - 1), *[0.2] * (COUNT // 2)])
    y = np.array([0] * (COUNT // 2) + [1] * (COUNT // 2))
    models.mkdir(parents=True, exist_ok=True)
    np.savez(
        out_of_fold_path(models, "scene"),
        image_ids=np.array(ids),
        labels=np.array(["scene.food", "scene.people"]),
        probabilities=np.column_stack([food, 1 - food]).astype(np.float32),
        y=y,
        by_people=np.zeros((COUNT, 1), bool),
    )


def write_photo(path: Path, number: int) -> None:
    """Write a photo of noise, turned by Exif, with a place and a comment in it."""
    pixels = np.random.default_rng(number).integers(0, 255, (300, 400, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "SECRET-DESCRIPTION"
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    Image.fromarray(pixels).save(path, "JPEG", exif=exif, comment=b"SECRET-COMMENT")


def write_truth(settings: Settings, records: list[GroundTruth]) -> None:
    """Write the audited truth, labels that are wrong for every second photo, and the metrics of both."""
    paths, taxonomy = settings.paths, settings.taxonomy
    drawn = {"inclusion_probability": 0.5}
    audited = [truth_object(record) | drawn for record in records]
    write_json(paths.human / "ground_truth_human.audited.json", audited)
    keys = ["attr.has_text", "object.drink", "object.food", "scene.food", "scene.people"]
    value = np.array([[1, n % 2, 1 - n % 2, n % 2, 1 - n % 2] for n in range(COUNT)], np.int8)
    score = 0.2 + 0.6 * value + np.arange(COUNT)[:, None] / 200
    known = all_keys(taxonomy)
    names = {"scene": "scene", "attr": "attribute", "object": "object"}
    level = {key: names[key.partition(".")[0]] for key in known}
    ids = [record.image_id for record in records]
    table = LabelTable(ids, keys, level, dict.fromkeys(keys, "head"), dict.fromkeys(keys, 0.5), score, value)
    write_labels(paths.labels, table, {key: parent_key(key, known) for key in known})
    write_jsonl(paths.auto / ALL_LABELS, map(truth_object, records[1:]))
    failure = {"image_id": ids[0], "rel_path": "0.jpg", "kind": "refused", "detail": ""}
    write_jsonl(paths.raw_annotations.with_name("failures.jsonl"), [failure])
    evaluate_labels(settings)
    measure_agreement(settings)
    (paths.auto / ALL_LABELS).unlink()


@pytest.fixture
def change_metrics() -> Callable[[Path, dict], None]:
    """Return a function that overwrites keys of a metrics file."""

    def change(path: Path, values: dict) -> None:
        write_json(path, {**(json.loads(path.read_text()) if path.exists() else {}), **values})

    return change
