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
        "a": Membership(group="a", fold=0, role="holdout", number=0.0),
        "c": Membership(group="a", fold=0, role="holdout", number=0.0),
    }
    design = read_design(records, members)
    # d was not drawn but chosen: it stands for itself alone, in a stratum of its own.
    assert design.weights.tolist() == [4, 2, 4, 1]
    assert design.drawn_share.tolist() == [0.25, 0.5, 0.25, 1]
    assert design.groups.tolist() == [0, 1, 0, 2]
    assert design.strata.tolist() == [0, 1, 0, 2]
    assert design.is_weighted


def test_without_any_probability_all_photos_count_the_same_and_stand_for_more() -> None:
    design = read_design([drawn("a", stratum="x"), drawn("b")], {})
    assert design.weights.tolist() == [1, 1]
    assert design.drawn_share.tolist() == [0, 0]
    assert design.groups.tolist() == [0, 1]
    assert not design.is_weighted
