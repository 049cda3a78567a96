"""What changes a version's name, and what does not."""

import shutil

import msgspec
import pytest

from vibe_photos.classify.stage import classify_photos
from vibe_photos.errors import HeadError
from vibe_photos.publish.publication import name_label_space, read_publication


@pytest.fixture
def settings(small_settings):
    return small_settings


@pytest.fixture
def name_version(settings, tmp_path):
    """A function that classifies with other settings or heads, and names the version."""

    def name(models=settings.paths.models, **changes):
        classify = msgspec.structs.replace(settings.classify, **changes)
        labels = tmp_path / "labels.sqlite"
        paths = msgspec.structs.replace(settings.paths, labels=labels, models=models)
        changed = msgspec.structs.replace(settings, classify=classify, paths=paths)
        classify_photos(changed)
        return name_label_space(changed)

    return name


def test_thresholds_rules_and_heads_make_another_version(name_version, settings, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(settings.paths.models, models)
    other = (models / "scene_head_from_qwen.pt").read_bytes() + b" "
    (models / "scene_head_from_qwen.pt").write_bytes(other)
    versions = [
        name_version(),
        name_version(object_threshold={"default": 0.41}),
        name_version(attribute_from_scene={"is_document": "scene.food"}),
        name_version(attribute_from_scene={}),
        name_version(models=models),
    ]
    assert len(set(versions)) == len(versions)
    assert all(len(version) == 12 for version in versions)


def test_what_changes_no_label_makes_no_version(name_version):
    same = {"default": 0.5, "has_text": 0.5}
    assert (
        name_version() == name_version(attribute_threshold=same) == name_version(tuned_on="human_tune_half")
    )


def test_a_version_that_is_named_needs_no_heads(settings, tmp_path):
    without = msgspec.structs.replace(
        settings, paths=msgspec.structs.replace(settings.paths, models=tmp_path)
    )
    assert read_publication(without, "release 1", with_embeddings=True).version == "release 1"
    with pytest.raises(HeadError, match="dvc pull"):
        read_publication(without, None, with_embeddings=False)
