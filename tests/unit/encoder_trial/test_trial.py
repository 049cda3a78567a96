from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.heads.simulation import TRAINING, scene_targets
from tests.unit.tiny_models import INPUT_PX, describe_onnx, save_tiny_onnx

from vibe_photos.embed.outs import vectors_file
from vibe_photos.encoder_trial.trial import (
    REPEATS,
    Candidate,
    Model,
    Outcome,
    Trial,
    choose,
    describe_best,
    format_outcome,
    read_candidate,
    repeat_folds,
    rotate_vectors,
    try_encoders,
)
from vibe_photos.encoders.onnx import list_layers
from vibe_photos.encoders.recipe import name_encoder
from vibe_photos.errors import ConfigurationError
from vibe_photos.settings import HeadName, Settings
from vibe_photos.train.learning_curve import percentile_interval
from vibe_photos.train.targets import TrainingSet


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_tiny_onnx(tmp_path / "tiny.onnx")
    return tmp_path / "tiny.onnx"


def test_the_inner_layers_are_the_last_of_each_shape(checkpoint: Path) -> None:
    assert list_layers(str(checkpoint), INPUT_PX, 5) == ["mean"]
    assert list_layers(str(checkpoint), INPUT_PX, 0) == []


def test_colours_are_learnt_and_the_vectors_are_kept(
    small_settings: Settings, checkpoint: Path, tmp_path
) -> None:
    store = tmp_path / "store"
    trial = Trial(small_settings, store, 400)
    assert len(trial.photos) == 18
    flat = Candidate("flat", describe_onnx(checkpoint))
    first, plain, rooted = try_encoders(trial, [flat], layers=3)
    assert (first.dim, plain.dim, rooted.dim) == (12, 3, 3)
    assert plain.candidate.name == "flat outputs=[mean] pooling=mean transform=none"
    # Each scene is one colour: every way to read its mean colour finds it. Ten neighbours of twelve do not.
    assert first.f1["linear"]["scene"] == plain.f1["linear"]["scene"] == rooted.f1["probe"]["scene"] == 1.0
    assert first.f1["neighbours"]["scene"] < 1.0
    assert first.milliseconds is not None
    assert vectors_file(store, name_encoder(flat.embedder, small_settings.embed)).is_file()
    again = trial.measure(flat)
    assert again.milliseconds is None
    assert msgspec.structs.asdict(flat.embedder) == msgspec.structs.asdict(again.candidate.embedder)
    assert again.f1 == first.f1
    # The same photos are drawn for each candidate, so two that hit the same photos differ by nothing.
    assert np.array_equal(again.resampled_f1, first.resampled_f1)
    assert (
        percentile_interval(first.resampled_f1)[0]
        <= first.mean_f1
        <= percentile_interval(first.resampled_f1)[1]
    )


def test_an_attribute_that_a_rule_decides_does_not_count(
    small_settings: Settings, checkpoint: Path, tmp_path: Path
) -> None:
    flat = Candidate("flat", describe_onnx(checkpoint))
    # The only attribute here is has_text.
    assert Trial(small_settings, tmp_path, 400).measure(flat).f1["linear"]["attribute"] == 1.0
    rules = {"has_text": "scene.document"}
    classify = msgspec.structs.replace(small_settings.classify, attribute_from_scene=rules)
    ruled = msgspec.structs.replace(small_settings, classify=classify)
    assert Trial(ruled, tmp_path, 400).measure(flat).f1["linear"] == {"scene": 1.0, "attribute": 0.0}


def test_folds_are_dealt_anew_but_near_duplicates_stay_together() -> None:
    groups = [f"group {row // 2}" for row in range(40)]
    targets = scene_targets(np.arange(40) % 2, ("scene.food", "scene.people"))
    vectors = np.zeros((40, 3), dtype=np.float32)
    given = TrainingSet(targets, vectors, np.arange(40) // 2 % 4, groups, "softmax", TRAINING)
    dealt = [one.folds for one in repeat_folds(given)]
    assert len({tuple(folds) for folds in dealt}) == REPEATS
    assert np.array_equal(dealt[0], given.folds)
    for folds in dealt:
        assert np.array_equal(folds[::2], folds[1::2])
        assert set(folds) <= set(range(4))


def test_rotated_vectors_keep_every_angle() -> None:
    vectors = np.random.default_rng(0).standard_normal((5, 40)).astype(np.float32)
    rotated = rotate_vectors(vectors)
    assert rotated.shape == (5, 5)
    assert np.allclose(rotated @ rotated.T, vectors @ vectors.T, atol=1e-4)
    assert rotate_vectors(vectors.T).shape == (40, 5)


def test_fewer_photos_are_those_with_the_lowest_numbers(small_settings: Settings, tmp_path) -> None:
    few = {photo.image_id for photo in Trial(small_settings, tmp_path, 5).photos}
    more = {photo.image_id for photo in Trial(small_settings, tmp_path, 9).photos}
    assert len(few) == 5
    assert few < more
    drawn = [{photo.image_id for photo in Trial(small_settings, tmp_path, 5, seed).photos} for seed in (0, 1)]
    assert len(drawn[0]) == len(drawn[1]) == 5
    assert drawn[0] != drawn[1]


def test_a_candidate_is_a_choice_with_changes(repository: Path) -> None:
    conf = repository / "conf"
    read = read_candidate("onnx outputs=[pool10,fire9] pooling=max input_px=96 transform=none", conf).embedder
    assert (read.outputs, read.pooling, read.input_px) == (["pool10", "fire9"], "max", 96)
    assert read_candidate("hog", conf).embedder.kind == "hog"
    with pytest.raises(
        ConfigurationError, match=r"'sift' is no encoder of .*there are database, demo_siglip"
    ):
        read_candidate("sift", conf)
    with pytest.raises(ConfigurationError, match=r"'layer=3' is not KEY=VALUE with a key"):
        read_candidate("onnx layer=3", conf)
    with pytest.raises(ConfigurationError, match=r"pooling=median.*Invalid enum value 'median'"):
        read_candidate("onnx pooling=median", conf)


def test_what_a_linear_head_misses_is_told(checkpoint: Path) -> None:
    flat = {"scene": 0.8, "attribute": 0.6}
    better = {"scene": 0.84, "attribute": 0.6}
    one = Candidate("onnx pooling=mean", describe_onnx(checkpoint))
    f1: dict[Model, dict[HeadName, float]] = {"linear": flat, "neighbours": better, "probe": flat}
    outcome = Outcome(one, 512, 3.25, f1, np.full(1000, 0.7))
    assert format_outcome(outcome).split() == [
        *("0.800", "0.840", "0.800", "0.600", "0.600", "0.600", "512", "3.2"),
        *("onnx", "pooling=mean"),
    ]
    said = describe_best([outcome])
    assert (
        "mean F1 0.700. To use it: use.embedder: onnx in params.yaml, and in conf/embedder/onnx.yaml" in said
    )
    assert "With these vectors neighbours would be better than the linear head by 0.020" in said
    assert "the probe would" not in said
    assert "chance" not in said


def test_of_those_that_differ_by_chance_the_smallest_is_recommended(checkpoint: Path) -> None:
    chance = np.random.default_rng(0).normal(0, 0.02, (2, 1000))

    def make(name: str, dim: int, mean_f1: float, noise: float) -> Outcome:
        f1: dict[HeadName, float] = {"scene": mean_f1, "attribute": mean_f1}
        return Outcome(
            Candidate(name, describe_onnx(checkpoint)),
            dim,
            None,
            {"linear": f1, "neighbours": f1, "probe": f1},
            mean_f1 + chance[0] + noise * chance[1],
        )

    best = make("large", 2304, 0.8, 0.0)
    small = make("small", 192, 0.795, 1.0)
    tiny = make("tiny", 64, 0.78, 1.0)
    worse = make("worse", 32, 0.795, 0.0)
    outcomes = [tiny, worse, small, best]
    # Tiny may be as good, but is further away. Worse is always worse by 0.005, on whatever photos.
    assert choose(outcomes) == (small, [best, small, tiny])
    said = describe_best(outcomes).splitlines()
    assert said[0].startswith("Recommended: small, mean F1 0.795. To use it: use.embedder: small")
    assert said[-4].startswith("So few photos cannot tell these 3 apart")
    assert said[-3:] == [
        "  mean F1 0.800, 2304 dimensions: large",
        "  mean F1 0.795, 192 dimensions: small",
        "  mean F1 0.780, 64 dimensions: tiny",
    ]
