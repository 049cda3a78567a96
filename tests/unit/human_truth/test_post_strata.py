import pytest

from vibe_photos.human_truth.inclusion import SMALL_STRATA, post_stratify


def test_weights_of_a_stratum_add_up_to_its_photos() -> None:
    probabilities = {"a": 0.5, "b": 0.25, "c": 0.2}
    strata = {"a": "food", "b": "food", "c": "people"}
    found = post_stratify(probabilities, strata, {"food": 12, "people": 20}, {"food": 9, "people": 9})
    # food weighs 2 + 4 = 6 and has 12 photos; people weighs 5 and has 20.
    assert found == {"a": ("food", 2.0), "b": ("food", 2.0), "c": ("people", 4.0)}


def test_strata_of_which_the_sample_had_few_are_scaled_together() -> None:
    probabilities = dict.fromkeys("abc", 0.5)
    strata = {"a": "food", "b": "people", "c": "animals"}
    photos = {"food": 10, "people": 6, "animals": 2, "other": 4}
    found = post_stratify(probabilities, strata, photos, {"food": 9, "people": 4, "animals": 3})
    # people, animals and other (nothing audited) have 12 photos; the two audited ones weigh 4.
    assert found == {"a": ("food", 5.0), "b": (SMALL_STRATA, 3.0), "c": (SMALL_STRATA, 3.0)}


def test_few_even_together_take_in_the_next() -> None:
    strata = {"a": "food", "b": "people"}
    found = post_stratify(dict.fromkeys("ab", 0.5), strata, {"food": 10, "people": 6}, {"food": 9})
    assert found == {"a": (SMALL_STRATA, 4.0), "b": (SMALL_STRATA, 4.0)}


def test_a_photo_of_a_stratum_that_is_gone_keeps_its_weight() -> None:
    found = post_stratify({"a": 0.5}, {"a": "gone"}, {"food": 10}, {"food": 9})
    assert found == {"a": ("gone", pytest.approx(1.0))}
