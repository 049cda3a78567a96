from collections.abc import Iterable

import pytest
from scipy.stats import binom
from tools.demo_library.library import plan_library
from tools.demo_library.simulated_teacher import Answer, ErrorModel, answer_library
from tools.demo_library.specs import PhotoSpec

from vibe_photos.settings import Taxonomy


@pytest.fixture(scope="module")
def pairs(answers: list[Answer]) -> list[tuple[PhotoSpec, Answer]]:
    specs = {shot.rel_path: shot.spec for shot in plan_library()}
    return [(specs[answer.rel_path], answer) for answer in answers]


def assert_rate(outcomes: Iterable[bool], rate: float) -> None:
    """The number of hits lies within the central 99.9 % of Binomial(n, rate)."""
    hits = [bool(outcome) for outcome in outcomes]
    assert hits
    low, high = binom.ppf([0.0005, 0.9995], len(hits), rate)
    assert low <= sum(hits) <= high


def test_the_model_is_made_of_probabilities(error_model: ErrorModel, taxonomy: Taxonomy) -> None:
    assert set(error_model.scene_confusion) == set(taxonomy.scenes)
    for true_word, row in error_model.scene_confusion.items():
        assert set(row) == set(taxonomy.scenes)
        assert min(row.values()) >= 0
        assert sum(row.values()) == pytest.approx(1, abs=1e-9)
        assert 0.06 <= 1 - row[true_word] <= 0.11
    assert "imulated" in error_model.about


def test_the_model_speaks_the_teachers_words(error_model: ErrorModel, taxonomy: Taxonomy) -> None:
    words = {*taxonomy.objects, "other_object", "unknown"}
    assert {*error_model.objects.mistaken_for, *error_model.objects.spurious_words} <= words
    assert all(set(mistakes) <= words for mistakes in error_model.objects.mistaken_for.values())
    assert not words & set(error_model.oddities.coarse_types)
    assert not set(taxonomy.scenes) & set(error_model.oddities.scene_words)


def test_the_answers_are_those_of_the_model_and_its_seed(
    answers: list[Answer], error_model: ErrorModel
) -> None:
    shots = {shot.rel_path: shot for shot in plan_library()}
    named = [(shots[answer.rel_path], answer.image_id) for answer in answers]
    assert answer_library(named, error_model) == answers


def test_scenes_are_mistaken_as_often_as_the_model_says(
    pairs: list[tuple[PhotoSpec, Answer]], error_model: ErrorModel
) -> None:
    odd = [answer.annotation.scene in error_model.oddities.scene_words for _, answer in pairs]
    assert_rate(odd, error_model.oddities.scene_rate)
    for true_word, row in error_model.scene_confusion.items():
        said = [answer.annotation.scene for spec, answer in pairs if spec.scene == true_word]
        for word, rate in row.items():
            assert_rate((answer == word for answer in said), rate * (1 - error_model.oddities.scene_rate))


def test_attributes_err_as_often_as_the_model_says(
    pairs: list[tuple[PhotoSpec, Answer]], error_model: ErrorModel
) -> None:
    nulls = 0
    for name, errors in error_model.attributes.items():
        judged = [(spec.attributes[name], getattr(answer.annotation, name)) for spec, answer in pairs]
        nulls += sum(said is None for _, said in judged)
        assert_rate(
            (said for is_so, said in judged if said is not None and not is_so), errors.false_positive_rate
        )
        assert_rate(
            (not said for is_so, said in judged if said is not None and is_so), errors.false_negative_rate
        )
    asked = len(pairs) * len(error_model.attributes)
    low, high = binom.ppf([0.0005, 0.9995], asked, error_model.oddities.null_attribute_rate)
    assert low <= nulls <= high


def test_things_are_missed_and_made_up_as_often_as_the_model_says(
    pairs: list[tuple[PhotoSpec, Answer]], error_model: ErrorModel
) -> None:
    bare = [answer for spec, answer in pairs if not spec.objects]
    assert_rate((len(answer.annotation.objects) == 1 for answer in bare), error_model.objects.spurious_rate)
    # A photo of one thing without any mention missed it and made nothing up.
    missed, rates = 0, []
    for spec, answer in pairs:
        if len(spec.objects) == 1:
            word = spec.objects[0].coarse_type
            rate = error_model.objects.miss_rate_by_word.get(word, error_model.objects.miss_rate)
            rates.append(rate * (1 - error_model.objects.spurious_rate))
            missed += not answer.annotation.objects
    mean = sum(rates) / len(rates)
    low, high = binom.ppf([0.0005, 0.9995], len(rates), mean)
    assert low <= missed <= high


def test_right_words_are_said_with_more_confidence_than_made_up_ones(
    pairs: list[tuple[PhotoSpec, Answer]],
) -> None:
    right, made_up = [], []
    for spec, answer in pairs:
        words = {thing.coarse_type for thing in spec.objects}
        for mention in answer.annotation.objects:
            if not spec.objects:
                made_up.append(mention.confidence)
            elif mention.coarse_type in words:
                right.append(mention.confidence)
    # Means of Beta(16, 2) and Beta(4, 5): 0.89 and 0.44; standard errors below 0.01 and 0.04.
    assert sum(right) / len(right) == pytest.approx(0.89, abs=0.03)
    assert sum(made_up) / len(made_up) == pytest.approx(0.44, abs=0.12)


def test_every_answer_says_that_it_is_simulated_and_has_a_plausible_bill(answers: list[Answer]) -> None:
    assert all(answer.simulated and "simulated" in answer.model for answer in answers)
    assert [answer.created_at for answer in answers] == sorted({answer.created_at for answer in answers})
    for answer in answers:
        assert (
            answer.usage["total_tokens"] == answer.usage["prompt_tokens"] + answer.usage["completion_tokens"]
        )


def test_the_bill_is_that_of_a_real_server(answers: list[Answer]) -> None:
    """vLLM 0.32 counted 174,238 prompt tokens for these photos, Qwen's tokenizer 29,974 in the answers.

    The six cropped near-duplicates are billed as the drawings that they are cropped from.
    """
    assert sum(answer.usage["prompt_tokens"] for answer in answers) == pytest.approx(174_238, rel=0.001)
    assert sum(answer.usage["completion_tokens"] for answer in answers) == pytest.approx(29_974, rel=0.02)
