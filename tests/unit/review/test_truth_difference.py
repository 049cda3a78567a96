import msgspec
import pytest

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.review.decision_index import describe_difference

FOOD = GroundTruth(image_id="a", scene=["scene.food"], attributes={"attr.has_text": False}, objects=None)


@pytest.mark.parametrize(
    ("was", "is_now", "said"),
    [
        (None, None, ""),
        (None, FOOD, "new: scene.food attr.has_text=no"),
        (None, GroundTruth(image_id="a", objects=None), "new: (no label)"),
        (FOOD, msgspec.structs.replace(FOOD, objects=[]), "+objects=none"),
        (FOOD, FOOD, ""),
        (FOOD, None, "-scene.food -attr.has_text=no"),
        (
            FOOD,
            GroundTruth(image_id="a", scene=["scene.food"], objects=["object.food"]),
            "-attr.has_text=no +object.food",
        ),
    ],
)
def test_only_what_differs_is_said(was, is_now, said):
    assert describe_difference(was, is_now) == said
