"""No measured photo, nor a near-duplicate of one, teaches a head; what people teach does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from PIL import Image, ImageEnhance, ImageOps
from tests.unit.drawn_library import embed_into
from tests.unit.scanned_library import scan_settings
from tests.unit.small_pipeline import EMBED, EMBEDDER, TRAINING
from tests.unit.stage_settings import settings_in

from vibe_photos.heads.out_of_fold import read_out_of_fold
from vibe_photos.human_truth.labels import AUDITED_FILE
from vibe_photos.human_truth.sample import read_measured_sample
from vibe_photos.records.ground_truth import (
    HEAD_FILES,
    GroundTruth,
    TrainingRecord,
    read_training,
    truth_object,
)
from vibe_photos.records.photos import read_manifest
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.scan.stage import scan_library
from vibe_photos.settings import Settings, Split, Taxonomy, Train
from vibe_photos.split.stage import split_photos
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import write_jsonl
from vibe_photos.teach.stage import compile_training_truth
from vibe_photos.train.stage import train_head

MEASURED_EVERY = 4
SPLIT = Split(seed=7, folds=5, holdout_share=0.15, max_hash_distance=6)

BESIDE_MEASURED = "measured_00-encoded_again.jpg"
TAUGHT = [f"other_{number:02}.jpg" for number in (1, 2, 3, 5, 6, 7)] + [BESIDE_MEASURED]
"""The photos that people teach: one of them is a twin of a measured photo, and so may not."""


def cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Cut these shares of width and height off the sides."""
    width, height = image.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return image.crop(tuple(map(round, box)))


TWINS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "encoded_again": lambda image: image,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.12),
    "smaller": lambda image: ImageOps.scale(image, 0.6),
    "left_5": lambda image: cut(image, 0.05, 0, 0, 0),
    "below_8": lambda image: cut(image, 0, 0, 0, 0.08),
    "two_sides_6": lambda image: cut(image, 0, 0.06, 0.06, 0),
    "every_side_5": lambda image: cut(image, 0.05, 0.05, 0.05, 0.05),
    "brighter_and_every_side_7": lambda image: ImageEnhance.Brightness(
        cut(image, 0.07, 0.07, 0.07, 0.07)
    ).enhance(0.9),
}


@pytest.fixture(scope="module")
def folder(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of 42 demo photos, of which every fourth is measured and has a twin of every kind."""
    folder = tmp_path_factory.mktemp("leaks")
    (folder / "photos").mkdir()
    demo = repository / "data" / "demo" / "photos"
    for number, path in enumerate(sorted(p for p in demo.rglob("*") if p.is_file())[::10]):
        shutil.copy(path, folder / "photos" / f"{name_photo(number)}.jpg")
        if number % MEASURED_EVERY == 0:
            plant_twins(path, folder / "photos", number)
    scan_library(scan_settings(folder / "photos", folder), folder / "store")
    embed_into(
        folder / "photos.jsonl", folder / "photos", EMBEDDER, EMBED, folder / "embeddings", folder / "store"
    )
    return folder


@pytest.fixture(scope="module")
def settings(folder: Path, taxonomy: Taxonomy) -> Settings:
    """The library after people measured some photos and taught others, up to the training truth.

    The teacher calls all of it food; people call what they teach people.
    """
    settings = settings_in(
        folder,
        taxonomy=taxonomy,
        embedder=EMBEDDER,
        embed=EMBED,
        split=SPLIT,
        train=Train(seed=0, scene=TRAINING, attribute=TRAINING, object=TRAINING),
    )
    paths, photos = settings.paths, read_manifest(folder / "photos.jsonl")
    said = [GroundTruth(image_id=photo.image_id, scene=["scene.food"]) for photo in photos]
    for head in HEADS:
        write_jsonl(paths.auto / HEAD_FILES[head], map(truth_object, said))
    write_json(paths.sample, [])
    measured = [photo.image_id for photo in photos if is_measured(photo.rel_path)]
    design = {"stratum": "all", "inclusion_probability": 0.5}
    write_json(
        paths.human / AUDITED_FILE, [{"image_id": i, "scene": ["scene.food"]} | design for i in measured]
    )
    taught = [photo.image_id for photo in photos if photo.rel_path in TAUGHT]
    lines = [
        {
            "image_id": image_id,
            "decided_at": f"2026-01-02T10:00:{second:02}.000000Z",
            "purpose": "teach",
            "after": {"scene": ["scene.people"]},
        }
        for second, image_id in enumerate(taught)
    ]
    log = paths.human / "decisions" / "ada.jsonl"
    log.parent.mkdir()
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    split_photos(settings)
    compile_training_truth(settings)
    return settings


@pytest.fixture(scope="module")
def memberships(folder: Path, settings: Settings) -> dict[str, Membership]:
    """Return each file's membership, by its name."""
    placed = read_splits(settings.paths.splits)
    return {photo.rel_path: placed[photo.image_id] for photo in read_manifest(folder / "photos.jsonl")}


def read_learnt(folder: Path, settings: Settings, head: str) -> dict[str, TrainingRecord]:
    """Return what a head learns, by the photo's name."""
    name_of = {photo.image_id: photo.rel_path for photo in read_manifest(folder / "photos.jsonl")}
    return {name_of[one.image_id]: one for one in read_training(settings.paths.training, head)}


def is_measured(name: str) -> bool:
    return name.startswith("measured") and "-" not in name


def name_photo(number: int) -> str:
    return f"{'measured' if number % MEASURED_EVERY == 0 else 'other'}_{number:02}"


def plant_twins(path: Path, photos: Path, number: int) -> None:
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
        for kind, change in TWINS.items():
            change(image).save(photos / f"{name_photo(number)}-{kind}.jpg", quality=60)


@pytest.mark.parametrize("kind", TWINS)
def test_no_twin_of_a_measured_photo_is_trained_on_or_held_out(
    memberships: dict[str, Membership], kind: str
) -> None:
    twins = {name: membership for name, membership in memberships.items() if f"-{kind}." in name}
    assert len(twins) == 11
    assert {name for name, membership in twins.items() if membership.role != "reserved"} == set()


def test_other_photos_still_train(memberships: dict[str, Membership]) -> None:
    others = [membership.role for name, membership in memberships.items() if name.startswith("other")]
    assert len(others) == 31
    assert others.count("reserved") <= 2
    assert others.count("train") >= 20


@pytest.mark.parametrize("head", HEADS)
def test_every_head_learns_from_photos_that_may_train_and_from_no_other(
    folder: Path, settings: Settings, memberships: dict[str, Membership], head: str
) -> None:
    may_train = {name for name, membership in memberships.items() if membership.role == "train"}
    assert read_learnt(folder, settings, head).keys() == may_train
    assert {"holdout", "reserved", "train"} == {membership.role for membership in memberships.values()}
    assert not [name for name in may_train if name.startswith("measured")]
    numbers = {name: membership.number for name, membership in memberships.items()}
    assert not [name for name in may_train if numbers[name] < SPLIT.holdout_share]


def test_what_people_teach_is_learnt_unless_it_is_beside_a_measured_photo(
    folder: Path, settings: Settings, memberships: dict[str, Membership]
) -> None:
    learnt = read_learnt(folder, settings, "scene")
    by_people = {name: record.scene for name, record in learnt.items() if record.by_people}
    taught = {name for name in TAUGHT if memberships[name].role == "train"}
    assert len(taught) >= 4
    assert by_people == {key: ["scene.people"] for key in taught}
    assert BESIDE_MEASURED not in learnt
    counts = json.loads((settings.paths.eval / "teach.json").read_text())
    assert (counts["photos_taught"], counts["not_training"]) == (len(taught), len(TAUGHT) - len(taught))
    # And it is in no figure about the library.
    sample = read_measured_sample(settings.paths.human, settings.taxonomy, read_splits(settings.paths.splits))
    assert len(sample.records) == 11
    assert {record.scene[0] for record in sample.records} == {"scene.food"}


def test_a_head_is_fitted_to_these_photos_alone(
    folder: Path, settings: Settings, memberships: dict[str, Membership]
) -> None:
    train_head(msgspec.structs.replace(settings, head="scene"))
    learnt_from = set(read_out_of_fold(settings.paths.models, "scene").image_ids)
    name_of = {photo.image_id: photo.rel_path for photo in read_manifest(folder / "photos.jsonl")}
    assert {name_of[image_id] for image_id in learnt_from} == {
        name for name, membership in memberships.items() if membership.role == "train"
    }


def test_measuring_more_of_the_sample_changes_no_training_file(settings: Settings) -> None:
    paths = settings.paths
    before = {head: (paths.training / HEAD_FILES[head]).read_bytes() for head in HEADS}
    splits = paths.splits.read_bytes()
    # The measured photos were those of the sample, and nobody has looked at any.
    said = json.loads((paths.human / AUDITED_FILE).read_text())
    write_json(paths.sample, said)
    write_json(paths.human / AUDITED_FILE, said[:1])
    try:
        split_photos(settings)
        compile_training_truth(settings)
        assert paths.splits.read_bytes() == splits
        assert {head: (paths.training / HEAD_FILES[head]).read_bytes() for head in HEADS} == before
    finally:
        write_json(paths.sample, [])
        write_json(paths.human / AUDITED_FILE, said)


def test_what_chose_a_threshold_is_not_scored_and_twins_stay_together(
    settings: Settings, memberships: dict[str, Membership]
) -> None:
    for name, membership in memberships.items():
        if name.startswith("measured"):
            original = memberships[name.partition("-")[0].removesuffix(".jpg") + ".jpg"]
            assert membership.half == original.half
    placed = read_splits(settings.paths.splits)
    ids = {
        half: {
            record.image_id
            for record in read_measured_sample(settings.paths.human, settings.taxonomy, placed, half).records
        }
        for half in ("tune", "score")
    }
    assert ids["tune"]
    assert ids["score"]
    assert not ids["tune"] & ids["score"]
    assert len(ids["tune"] | ids["score"]) == 11
