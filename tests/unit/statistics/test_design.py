import pytest

from vibe_photos.errors import InputError
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.splits import Membership
from vibe_photos.statistics.design import read_design


def drawn(image_id: str, **extra: object) -> GroundTruth:
    return GroundTruth(image_id=image_id, extra=extra)


def test_weights_strata_and_groups_come_from_the_records_and_the_splits() -> None:
    records = [
        drawn("a", inclusion_probability=0.25, stratum="scene.food"),
        drawn("b", inclusion_probability=0.5, stratum="scene.people"),
        drawn("c", inclusion_probability=0.25, stratum="scene.food"),
        drawn("d"),
    ]
    members = {
        "a": Membership(group="a", fold=0, role="holdout"),
        "c": Membership(group="a", fold=0, role="holdout"),
    }
    design = read_design(records, members)
    # d was not drawn but chosen: it stands for itself alone, in a stratum of its own.
    assert design.weights.tolist() == [4, 2, 4, 1]
    assert design.drawn_share.tolist() == [0.25, 0.5, 0.25, 1]
    assert design.groups.tolist() == [0, 1, 0, 2]
    assert design.strata.tolist() == [0, 1, 0, 2]
    assert design.is_weighted


def test_half_of_what_was_drawn_is_a_sample_of_every_stratum() -> None:
    records = [drawn("a", inclusion_probability=0.5), drawn("b", inclusion_probability=1.0)]
    design = read_design(records, {}, kept_share=0.5)
    assert design.drawn_share.tolist() == [0.25, 0.5]
    assert design.weights.tolist() == [4, 2]
    assert read_design([drawn("a"), drawn("b")], {}, kept_share=0.5).drawn_share.tolist() == [0, 0]


def test_without_any_probability_all_photos_count_the_same_and_stand_for_more() -> None:
    design = read_design([drawn("a", stratum="x"), drawn("b")], {})
    assert design.weights.tolist() == [1, 1]
    assert design.drawn_share.tolist() == [0, 0]
    assert design.groups.tolist() == [0, 1]
    assert not design.is_weighted


@pytest.mark.parametrize("value", [0, 1.5, -1, "0.5", None, True, float("nan")])
def test_an_impossible_probability_names_the_photo(value: object) -> None:
    with pytest.raises(InputError, match=r"photo b: inclusion_probability .* to_review.json"):
        read_design([drawn("a", inclusion_probability=0.5), drawn("b", inclusion_probability=value)], {})
