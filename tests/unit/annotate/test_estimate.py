from pathlib import Path

import pytest
from tests.unit.annotate.small_library import make_library

from vibe_photos.annotate.estimate import COMPLETION_TOKENS, Estimate, estimate_run, image_tokens
from vibe_photos.annotate.question import build_question
from vibe_photos.settings import Rates, SentImage, Taxonomy, Teacher

SENT = SentImage(max_edge_px=1536, max_pixels=1310720, jpeg_quality=88)


def test_tokens_of_an_image() -> None:
    """4000 x 3000 is sent at most 1310720 px large: 1321 x 991, that is 41 x 31 tokens of 32 x 32 px."""
    assert image_tokens(4000, 3000, SENT) == 41 * 31
    assert image_tokens(3000, 4000, SENT) == 41 * 31
    assert image_tokens(64, 64, SENT) == 4
    assert image_tokens(1, 1, SENT) == 1


def test_paid_and_unreadable_photos_cost_nothing(
    tmp_path: Path, teacher: Teacher, taxonomy: Taxonomy
) -> None:
    """Each photo is 64 x 48 px: 2 x round(1.5) = 2 x 2 tokens, and a quarter of the prompt's characters."""
    photos = make_library(tmp_path, 5)
    (tmp_path / "photos" / photos[0].rel_path).write_bytes(b"no image")
    (tmp_path / "photos" / photos[1].rel_path).unlink()
    question = build_question(teacher, taxonomy)
    estimate = estimate_run(photos, {photos[2].image_id}, tmp_path / "photos", question)
    text = (len(question.system) + len(question.user)) // 4
    assert estimate == Estimate(
        photos=5,
        paid=1,
        requests=2,
        unreadable=2,
        prompt_tokens=2 * (4 + text),
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
    assert estimate.hours(rates) == pytest.approx(2.0)
    assert "about 2.00 hours and 5.00 EUR" in estimate.describe(rates)
