import json
import logging
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from tests.unit.heads.simulation import MODEL, TRAIN, TRAINING, draw_classes, write_library
from tests.unit.stage_settings import settings_in

from vibe_photos.heads.calibration import fit_calibration
from vibe_photos.heads.linear import head_path, load_head
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.splits import Membership
from vibe_photos.train.stage import train_head

SCENES = ("scene.animals", "scene.food", "scene.people")


def make_library(
    folder: Path, count: int = 90, roles=lambda number: "train", distance: float = 1.5
) -> tuple[np.ndarray, np.ndarray]:
    """Write a library of three scenes; folds go round, and three photos in a row are near-duplicates."""
    vectors, classes = draw_classes(0, count, 12, [0.4, 0.3, 0.3], distance)
    records = [
        GroundTruth(
            image_id=f"{number:032x}",
            scene=[SCENES[scene]],
            attributes={"attr.has_animal": bool(scene == 0)},
            objects=["object.food.dessert"] if scene == 1 else [],
        )
        for number, scene in enumerate(classes)
    ]
    memberships = {
        record.image_id: Membership(
            group=f"{number // 3 * 3:032x}", fold=number // 3 % 5, role=roles(number // 3), number=0.5
        )
        for number, record in enumerate(records)
    }
    write_library(folder, vectors, records, memberships)
    return vectors, classes


def train(folder: Path, taxonomy, head="scene", options=TRAIN) -> dict:
    train_head(settings_in(folder, taxonomy=taxonomy, train=options, head=head))
    metric: dict = json.loads((folder / "eval" / f"train_{head}.json").read_text())
    return metric


def test_a_head_learns_what_the_teacher_said(tmp_path, taxonomy):
    vectors, classes = make_library(tmp_path)
    metric = train(tmp_path, taxonomy)
    head = load_head(head_path(tmp_path / "models", "scene"), "scene")
    assert head.labels == SCENES
    assert (head.embedder, head.seed) == (MODEL, 0)
    assert (head.logits(vectors, MODEL).argmax(axis=1) == classes).mean() > 0.9
    assert metric["n_train"] == 90
    counts = zip(SCENES, np.bincount(classes).tolist(), strict=True)
    assert metric["learnt"] == [{"label": key, "photos": count} for key, count in counts]
    assert {"label": "scene.landscape", "photos": 0} in metric["not_learnable"]
    assert (metric["labels_learnt"], metric["labels_not_learnable"]) == (3, len(metric["not_learnable"]))
    assert metric["l2"] in TRAIN.scene.l2
    assert metric["cross_validation"]["accuracy"] > 0.8
    assert metric["calibration_error"].keys() == {"before", "after"}


@pytest.mark.parametrize("head", ["scene", "attribute", "object"])
def test_out_of_fold_figures_lie_beside_each_head(tmp_path, taxonomy, head):
    _, classes = make_library(tmp_path)
    train(tmp_path, taxonomy, head)
    with np.load(tmp_path / "models" / f"{head}_out_of_fold.npz", allow_pickle=False) as arrays:
        count = len(arrays["labels"])
        assert arrays["image_ids"].tolist() == [f"{number:032x}" for number in range(90)]
        assert arrays["logits"].shape == arrays["probabilities"].shape == (90, count)
        assert np.isfinite(arrays["probabilities"]).all()
        y = arrays["y"]
        assert not arrays["by_people"].any()
        assert arrays["by_people"].shape == (90, count if head == "attribute" else 1)
    if head == "scene":
        np.testing.assert_array_equal(y, classes)
    else:
        # has_animal is scene 0, and dessert (as food, its parent) is scene 1.
        np.testing.assert_array_equal(y, np.tile((classes == (head == "object"))[:, None], count))


@pytest.mark.parametrize("head", ["scene", "attribute"])
def test_each_folds_probabilities_are_calibrated_on_the_other_folds(tmp_path, taxonomy, head):
    make_library(tmp_path, distance=0.5)
    train(tmp_path, taxonomy, head)
    folds = np.arange(90) // 3 % 5
    with np.load(tmp_path / "models" / f"{head}_out_of_fold.npz") as arrays:
        logits, probabilities, y = arrays["logits"], arrays["probabilities"], arrays["y"]
    fitted = load_head(head_path(tmp_path / "models", head), head)
    if head == "scene":
        y = np.eye(3)[y]
    judged = np.ones((90, 1), dtype=bool)
    for fold in range(5):
        others = folds != fold
        calibration = fit_calibration(logits[others], y[others], judged[others], fitted.loss)
        expected = calibration.probabilities(logits[~others], fitted.loss)
        np.testing.assert_allclose(probabilities[~others], expected, atol=2e-6)
    # The head's own calibration has seen all of them: it is of the same logits, and gives other numbers.
    calibration = fit_calibration(logits, y, judged, fitted.loss)
    assert fitted.calibration.scale == pytest.approx(calibration.scale, abs=1e-5)
    assert fitted.calibration.offset == pytest.approx(calibration.offset, abs=1e-5)
    assert np.abs(probabilities - fitted.probabilities(logits)).max() > 1e-3


def test_a_head_that_learnt_chance_by_heart_is_calibrated_to_know_nothing(tmp_path, taxonomy):
    # With more dimensions than photos every photo learnt from is right: only photos held out tell the truth.
    vectors, _ = draw_classes(3, 60, 100, [1.0], distance=1.0)
    is_present = np.random.default_rng(4).random(60) < 0.5
    records = [
        GroundTruth(image_id=f"{number:032x}", attributes={"attr.has_text": bool(value)})
        for number, value in enumerate(is_present)
    ]
    memberships = {
        record.image_id: Membership(group=record.image_id, fold=number % 5, role="train", number=0.9)
        for number, record in enumerate(records)
    }
    write_library(tmp_path, vectors, records, memberships)
    metric = train(tmp_path, taxonomy, "attribute", replace(TRAIN, attribute=replace(TRAINING, l2=[1e-6])))
    head = load_head(head_path(tmp_path / "models", "attribute"), "attribute")
    logits = head.logits(vectors, MODEL)
    assert ((logits[:, 0] > 0) == is_present).all()
    assert np.abs(head.probabilities(logits) - 0.5).max() < 0.25
    assert metric["cross_validation"]["accuracy"] < 0.7


def test_labels_that_a_person_said_are_counted(tmp_path, taxonomy):
    make_library(tmp_path)
    file = tmp_path / "training" / "scene.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines[:4]:
        line["by_people"] = ["scene"]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert train(tmp_path, taxonomy)["labels_by_people"] == 4


@pytest.mark.parametrize("head", ["scene", "attribute", "object"])
def test_the_same_input_gives_the_same_bytes(tmp_path, taxonomy, head):
    outs = []
    for name in ("one", "another"):
        make_library(tmp_path / name)
        train(tmp_path / name, taxonomy, head)
        files = [
            *sorted((tmp_path / name / "models").iterdir()),
            tmp_path / name / "eval" / f"train_{head}.json",
        ]
        outs.append({file.name: file.read_bytes() for file in files})
    assert outs[0] == outs[1]
    assert len(outs[0]) == 3


def test_no_answers_yet_give_a_head_without_labels_that_says_so(tmp_path, taxonomy, caplog):
    make_library(tmp_path)
    (tmp_path / "training" / "scene.jsonl").write_text("")
    with caplog.at_level(logging.WARNING):
        metric = train(tmp_path, taxonomy)
    assert "no labels" in caplog.text
    assert load_head(head_path(tmp_path / "models", "scene"), "scene").labels == ()
    assert (metric["n_train"], metric["learnt"], metric["cross_validation"]) == (0, [], None)


def test_one_fold_trains_without_figures_and_says_so(tmp_path, taxonomy, caplog):
    make_library(tmp_path, count=3 * 15)
    file = tmp_path / "training" / "scene.jsonl"
    lines = [json.loads(line) | {"fold": 0} for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    metric = train(tmp_path, taxonomy)
    assert metric["l2"] == max(TRAIN.scene.l2)
    assert metric["calibration_error"] is None
    assert "one fold" in caplog.text


def test_photos_without_a_vector_are_counted(tmp_path, taxonomy):
    make_library(tmp_path)
    stranger = {"image_id": "f" * 32, "group": "f" * 32, "fold": 0, "scene": ["scene.food"]}
    with (tmp_path / "training" / "scene.jsonl").open("a") as file:
        file.write(json.dumps(stranger) + "\n")
    metric = train(tmp_path, taxonomy)
    assert (metric["n_train"], metric["without_embedding"]) == (90, 1)
