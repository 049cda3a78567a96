from pathlib import Path

import pytest
from tests.unit.annotate.small_library import make_library

from vibe_photos.annotate.estimate import COMPLETION_TOKENS, Estimate, estimate_run, image_tokens
from vibe_photos.annotate.question import build_question
from vibe_photos.annotate.run import Progress
from vibe_photos.settings import Rates, Taxonomy, Teacher


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((1321, 991), 41 * 31),  # a photo of 4000 x 3000 px as it is sent
        ((991, 1321), 31 * 41),
        ((640, 480), 20 * 15),
        ((256, 256), 8 * 8),  # the smallest that is not enlarged
        ((64, 64), 8 * 8),
        ((1, 1), 8 * 8),
        ((64, 48), 10 * 7),  # times sqrt(65,536 / 3,072) = 4.619: 295.6 x 221.7 px, rounded up
        ((240, 320), 8 * 10),  # 7.5 rounds to the even 8
        ((200, 300), 7 * 10),  # 6 x 9 tokens are too few: times 1.0451, 209.0 x 313.5 px, rounded up
        ((6000, 6000), 128 * 128),  # times sqrt(16,777,216 / 36,000,000): 4096 px
    ],
)
def test_tokens_of_an_image(size: tuple[int, int], tokens: int) -> None:
    """As `smart_resize` of Qwen3-VL's processor computes them, worked out by hand."""
    assert image_tokens(*size) == tokens


def test_paid_and_unreadable_photos_cost_nothing(
    tmp_path: Path, teacher: Teacher, taxonomy: Taxonomy
) -> None:
    """Each photo is 64 x 48 px: 70 tokens. The chat template has 15, the prompt one for 3.8 characters."""
    photos = make_library(tmp_path, 5)
    (tmp_path / "photos" / photos[0].rel_path).write_bytes(b"no image")
    (tmp_path / "photos" / photos[1].rel_path).unlink()
    question = build_question(teacher, taxonomy)
    unanswered = {photo.image_id for photo in photos} - {photos[2].image_id}
    estimate = estimate_run(photos, unanswered, tmp_path / "photos", question)
    text = 15 + round((len(question.system) + len(question.user)) / 3.8)
    assert estimate == Estimate(
        photos=5,
        paid=1,
        requests=2,
        unreadable=2,
        prompt_tokens=2 * (70 + text),
        completion_tokens=2 * COMPLETION_TOKENS,
    )


def test_hours_and_cost_follow_from_the_rates() -> None:
    """7.2 M prompt tokens at 2000/s are one hour, 3.6 M completion tokens at 1000/s another: 5 EUR at 2.5."""
    rates = Rates(
        prompt_tokens_per_second=2000.0,
        completion_tokens_per_second=1000.0,
        price_per_hour=2.5,
        currency="EUR",
    )
    estimate = Estimate(9, 2, 7, 0, 7_200_000, 3_600_000)
    assert rates.hours(estimate.prompt_tokens, estimate.completion_tokens) == pytest.approx(2.0)
    assert "about 2.00 hours and 5.00 EUR" in estimate.describe(rates)


def test_where_tokens_are_paid_no_hour_is() -> None:
    rates = Rates(
        prompt_tokens_per_second=100,
        completion_tokens_per_second=10,
        price_per_hour=5.0,
        currency="EUR",
        prompt_price_per_million=2.0,
        completion_price_per_million=8.0,
    )
    said = Estimate(1, 0, 1, 0, 1_000_000, 250_000).describe(rates)
    assert "4.00 EUR at annotate.rates (100 and 10 tokens/s, 2 and 8 EUR for a million)" in said
    ran = Progress(total=1, prompt_tokens=1_000_000, completion_tokens=250_000)
    assert ran.describe_run(rates).endswith(", 4.00 EUR")
    assert "1250000 tokens" in ran.describe_run(rates)
