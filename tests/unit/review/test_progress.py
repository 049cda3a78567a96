from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from vibe_photos.records.ground_truth import Decision, GroundTruth
from vibe_photos.review.decision_index import PhotoState
from vibe_photos.review.listings import name_judge
from vibe_photos.review.views import measure_speed

BEGIN = datetime(2026, 1, 2, 10, tzinfo=UTC)


def decide_at(*seconds: float) -> list[Decision]:
    times = [BEGIN + timedelta(seconds=second) for second in seconds]
    return [Decision(image_id="a", decided_at=time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")) for time in times]


@pytest.mark.parametrize(
    ("seconds", "per_hour"),
    [
        ([], None),
        ([0, 6, 12, 18], None),
        # Five decisions in 24 s are four steps of 6 s: 600 an hour.
        ([0, 6, 12, 18, 24], 600),
        # A pause of ten minutes begins a new sitting, of five decisions 10 s apart.
        ([0, 1, 2, 3, 603, 613, 623, 633, 643], 360),
        ([0, 6, 12, 18, 24, 1000], None),
        ([7, 7, 7, 7, 7], None),
    ],
    ids=["none", "few", "steady", "pause", "just-back", "at-once"],
)
def test_speed_is_that_of_the_last_sitting(seconds: list[float], per_hour: int | None) -> None:
    assert measure_speed(decide_at(*seconds)) == per_hour


def test_only_the_last_fifty_count() -> None:
    """A hundred at 36 s, then fifty at 9 s: 400 an hour."""
    slow = [36.0 * number for number in range(100)]
    assert measure_speed(decide_at(*slow, *(slow[-1] + 9.0 * step for step in range(1, 51)))) == 400


def test_what_was_decided_at_once_says_nothing_of_the_speed() -> None:
    at_once = [msgspec.structs.replace(line, action="x") for line in decide_at(*range(25, 45))]
    assert measure_speed(at_once) is None
    assert measure_speed([*decide_at(0, 6, 12, 18, 24), *at_once]) == 600


def test_who_decided_is_nobody_where_there_is_no_truth() -> None:
    assert name_judge(PhotoState(version=0)) == "nobody"
    assert name_judge(PhotoState(version=2, decided_by="ada")) == "nobody"
    truth = GroundTruth(image_id="x")
    assert name_judge(PhotoState(version=1, truth=truth)) == "file"
    assert name_judge(PhotoState(version=1, truth=truth, decided_by="ada")) == "ada"
