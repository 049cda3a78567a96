from pathlib import Path

import pytest
from tests.unit.reviewed_library import IDS, audit, write_reviewed_library

from vibe_photos.human_truth.sample import read_sampled
from vibe_photos.review.next_round import refresh_round
from vibe_photos.review.status import (
    AuditCount,
    count_audited,
    describe_status,
    expect_shrinkage,
    measure_status,
)
from vibe_photos.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, repository: Path) -> Settings:
    return write_reviewed_library(tmp_path, repository)


def test_before_anybody_audits_there_is_a_queue_and_no_figure(settings: Settings) -> None:
    assert describe_status(settings) == (
        "0 of 60 photos are audited, 24 wait in the queue.\n"
        "Nothing can be said of the library yet: audit the queue from its beginning."
    )


def test_sample_and_rounds_wait_and_photos_out_of_turn_are_told_apart(settings: Settings) -> None:
    queue = list(read_sampled(settings.paths.sample))
    elsewhere = next(image_id for image_id in IDS if image_id not in queue)
    audit(settings, [*queue[:12], elsewhere])
    assert count_audited(settings) == AuditCount(photos=60, audited=13, representative=12, waiting=12)
    assert "\n1 were audited out of turn" in describe_status(settings)
    refresh_round(settings, 60)
    assert count_audited(settings).waiting == 60 - 13


def test_figures_have_their_interval_and_what_a_hundred_more_would_give(settings: Settings) -> None:
    audit(settings, list(read_sampled(settings.paths.sample)))
    figures = {figure.name: figure for figure in measure_status(settings)}
    text = figures["has_text share"]
    # 40 of 60 photos have text, and so says the sample, since people agree with the teacher who stratified.
    assert text.value == pytest.approx(2 / 3)
    assert text.interval.low < 2 / 3 < text.interval.high
    assert text.width_after == 0  # 24 and a hundred are more than the 60 there are
    assert figures["has_animal share"].interval.reason == "n < 20"
    lines = describe_status(settings).splitlines()
    assert lines[0] == "24 of 60 photos are audited, 0 wait in the queue."
    assert any(line.startswith("scene accuracy ") and line.endswith("0.000") for line in lines)


def test_intervals_narrow_as_the_part_not_seen_does() -> None:
    # 1/100 - 1/1000 = 0.009 becomes 1/200 - 1/1000 = 0.004: a width of 2/3.
    assert expect_shrinkage(100, 1000, 100) == pytest.approx(2 / 3)
    assert expect_shrinkage(950, 1000, 100) == 0
    assert expect_shrinkage(1000, 1000, 100) == 0
