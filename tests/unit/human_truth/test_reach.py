import pytest

from vibe_photos.human_truth.reach import measure_reach


@pytest.mark.parametrize(
    ("states", "reach"),
    [
        ([], 0),
        ([True, True, True], 3),
        ([True, True, False, True], 2),
        ([True] * 9 + [False, True], 11),
        ([True] * 9 + [False, False, True], 9),
        ([False] + [True] * 9, 10),
        ([True, True, None, None, False, None], 4),
        ([False, None, True], 0),
    ],
)
def test_an_order_is_followed_as_far_as_nine_in_ten(states, reach) -> None:
    assert measure_reach(states) == reach
