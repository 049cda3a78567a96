"""Human truth never leaks: twins of audited photos, planted into a library, teach no head."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageOps
from tests.unit.drawn_library import embed_into
from tests.unit.scanned_library import scan_settings
from tests.unit.small_pipeline import EMBED, EMBEDDER, TRAINING
from tests.unit.stage_settings import settings_in

from vibe_photos.heads.out_of_fold import read_out_of_fold
from vibe_photos.records.ground_truth import HEAD_FILES, GroundTruth, truth_object
from vibe_photos.records.photos import read_manifest
from vibe_photos.records.splits import Membership
from vibe_photos.scan.stage import scan_library
from vibe_photos.settings import Split, Taxonomy, Train
from vibe_photos.split.near_duplicates import read_groups
from vibe_photos.split.stage import assign_roles, write_splits
from vibe_photos.statistics.label_arrays import is_evaluated
from vibe_photos.storage.jsonl import write_jsonl
from vibe_photos.train.stage import train_head

AUDITED_EVERY = 4
SPLIT = Split(seed=7, folds=5, holdout_share=0.15, max_hash_distance=6)


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
    """A library of 42 demo photos, of which every fourth is audited and has a twin of every kind."""
    folder = tmp_path_factory.mktemp("leaks")
    (folder / "photos").mkdir()
    demo = repository / "data" / "demo" / "photos"
    for number, path in enumerate(sorted(p for p in demo.rglob("*") if p.is_file())[::10]):
        shutil.copy(path, folder / "photos" / f"{name_photo(number)}.jpg")
        if number % AUDITED_EVERY == 0:
            plant_twins(path, folder / "photos", number)
    scan_library(scan_settings(folder / "photos", folder), folder / "store")
    embed_into(
        folder / "photos.jsonl", folder / "photos", EMBEDDER, EMBED, folder / "embeddings", folder / "store"
    )
    return folder


@pytest.fixture(scope="module")
def memberships(folder: Path) -> dict[str, Membership]:
    """Return each file's membership, by its name."""
    groups = read_groups(
        folder / "photos.jsonl", folder / "embeddings" / "perceptual_hashes.jsonl", SPLIT.max_hash_distance
    )
    photos = read_manifest(folder / "photos.jsonl")
    reserved = {
        photo.image_id
        for photo in photos
        if photo.rel_path.startswith("audited") and "-" not in photo.rel_path
    }
    placed = assign_roles(groups, reserved, SPLIT)
    write_splits(folder / "splits.json", placed)
    return {photo.rel_path: placed[photo.image_id] for photo in photos}


def name_photo(number: int) -> str:
    return f"{'audited' if number % AUDITED_EVERY == 0 else 'other'}_{number:02}"


def plant_twins(path: Path, photos: Path, number: int) -> None:
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
        for kind, change in TWINS.items():
            change(image).save(photos / f"{name_photo(number)}-{kind}.jpg", quality=60)


@pytest.mark.parametrize("kind", TWINS)
def test_no_twin_of_an_audited_photo_is_trained_on_or_held_out(
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


def test_a_head_learns_from_none_of_them(
    folder: Path, memberships: dict[str, Membership], taxonomy: Taxonomy
) -> None:
    photos = read_manifest(folder / "photos.jsonl")
    records = [
        GroundTruth(
            image_id=photo.image_id,
            scene=["scene.food" if photo.rel_path.split("_")[1] < "20" else "scene.people"],
            attributes={},
            objects=[],
        )
        for photo in photos
    ]
    write_jsonl(folder / "auto" / HEAD_FILES["scene"], map(truth_object, records))
    train = Train(seed=0, scene=TRAINING, attribute=TRAINING, object=TRAINING)
    train_head(settings_in(folder, taxonomy=taxonomy, train=train, head="scene"))
    learnt_from = set(read_out_of_fold(folder / "models", "scene").image_ids)
    names = {photo.rel_path for photo in photos if photo.image_id in learnt_from}
    assert len(names) >= 20
    assert not [name for name in names if name.startswith("audited")]


def test_what_chose_a_threshold_is_not_scored_and_twins_stay_together(
    memberships: dict[str, Membership],
) -> None:
    for name, membership in memberships.items():
        if name.startswith("audited"):
            original = memberships[name.partition("-")[0].removesuffix(".jpg") + ".jpg"]
            assert membership.half == original.half
            assert is_evaluated(membership, "human", "human_tune_half") == (membership.half == "score")
    assert {membership.half for name, membership in memberships.items() if name.startswith("audited")} == {
        "tune",
        "score",
    }
