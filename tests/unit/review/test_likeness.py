import numpy as np
import pytest

from vibe_photos.review.api import Refusal
from vibe_photos.review.likeness import lies_within


def test_a_lasso_holds_what_lies_within_it() -> None:
    """A U: the middle of its upper half is outside; a photo without a place is never inside."""
    places = np.array([[0.1, 0.5], [0.5, 0.2], [0.5, 0.9], [0.9, 0.5], [np.nan, np.nan]], np.float32)
    inside = lies_within(places, "0,0;0.3,0;0.3,0.7;0.7,0.7;0.7,0;1,0;1,1;0,1")
    assert inside.tolist() == [True, False, True, True, False]
    assert not lies_within(places, "").any()
    with pytest.raises(Refusal, match="lasso"):
        lies_within(places, "0.1;0.2")
