"""`vibe-photos predict` against the classifier that it prints."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from vibe_photos.classifier import Classifier, PhotoLabels
from vibe_photos.cli import main
from vibe_photos.cli.apps import format_labels


@pytest.fixture(scope="module")
def pipeline(small_settings) -> Path:
    return small_settings.paths.photos.parent


def test_a_photo_takes_four_lines():
    labels = PhotoLabels(
        scene="scene.food",
        attributes={"attr.has_person": False, "attr.has_text": True},
        objects=[],
        scores={"scene.food": 0.9, "attr.has_person": 0.125, "attr.has_text": 0.75, "object.food": 0.1},
    )
    assert format_labels("a.jpg", labels).splitlines() == [
        "a.jpg",
        "  scene       food 0.90",
        "  attributes  no has_person 0.12, has_text 0.75",
        "  objects     -",
    ]


@pytest.mark.parametrize("as_json", [False, True])
def test_predict_says_what_the_classifier_says(pipeline, tmp_path, capsys, as_json):
    photos = [pipeline / "photos" / "00.png", tmp_path / "away.jpg", pipeline / "photos" / "01.png"]
    options = ["--json"] if as_json else []
    assert main(["predict", *options, "--models", str(pipeline / "models"), *map(str, photos)]) == 1
    out, error = capsys.readouterr()
    assert "error: 1 of 3 photos could not be labelled" in error
    expected = [Classifier(pipeline / "models").label(photo) for photo in photos[::2]]
    if as_json:
        first, second, third = map(json.loads, out.splitlines())
        assert [msgspec.convert(line["labels"], PhotoLabels) for line in (first, third)] == expected
        assert (second["photo"], second["reason"]) == (str(photos[1]), "missing")
    else:
        lines = out.splitlines()
        assert [lines[0], lines[4]] == [str(photos[0]), str(photos[2])]
        assert lines[1].split() == ["scene", "document", f"{expected[0].scores['scene.document']:.2f}"]
        food = [f"{expected[1].scores[key]:.2f}" for key in ("object.food", "object.food.dessert")]
        assert lines[7].split() == ["objects", "food", f"{food[0]},", "dessert", food[1]]
        assert f"{photos[1]}: " in error


def test_a_name_that_is_no_utf8_stops_nothing(pipeline, capsys):
    """jjjake/internetarchive#284 and many others: Latin-1 names of old disks."""
    photos = [os.fsdecode(b"lat\xe9.jpg"), str(pipeline / "photos" / "01.png")]
    assert main(["predict", "--json", "--models", str(pipeline / "models"), *photos]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["photo"], first["reason"], second["photo"]) == (r"lat\xe9.jpg", "missing", photos[1])


def test_predict_without_heads_is_a_sentence(tmp_path, capsys):
    assert main(["predict", "--models", str(tmp_path), "photo.jpg"]) == 1
    assert "does not exist" in capsys.readouterr().err
