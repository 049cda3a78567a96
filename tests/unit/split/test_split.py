from hypothesis import given, settings
from hypothesis import strategies as st

from vibe_photos.records.splits import read_splits
from vibe_photos.settings import Split
from vibe_photos.split.stage import assign_roles, write_splits

SPLIT = Split(seed=7, folds=5, holdout_share=0.2, max_hash_distance=6)
IDS = [f"photo-{i}" for i in range(1000)]
GROUPS = {image_id: IDS[i - i % 2] for i, image_id in enumerate(IDS)}


def test_a_near_duplicate_of_an_audited_photo_is_reserved_too():
    places = assign_roles(GROUPS, {"photo-11"}, SPLIT)
    assert places["photo-10"].role == places["photo-11"].role == "reserved"
    assert sum(place.role == "reserved" for place in places.values()) == 2


@settings(deadline=None, max_examples=50)
@given(st.sets(st.sampled_from(IDS), max_size=50), st.integers(0, 2**31))
def test_groups_never_straddle_and_what_people_audit_never_trains(reserved, seed):
    places = assign_roles(GROUPS, reserved, Split(seed=seed, folds=3, holdout_share=0.3, max_hash_distance=6))
    by_group = {}
    for place in places.values():
        by_group.setdefault(place.group, set()).add((place.role, place.fold, place.half))
    assert all(len(kinds) == 1 for kinds in by_group.values())
    assert all(places[image_id].role == "reserved" for image_id in reserved)
    assert all((place.half is not None) == (place.role == "reserved") for place in places.values())


def test_auditing_a_sampled_photo_changes_nothing():
    sampled = {"photo-3", "photo-8"}
    assert assign_roles(GROUPS, sampled, SPLIT) == assign_roles(GROUPS, sampled | {"photo-3"}, SPLIT)


def test_roles_of_others_stay_when_photos_come():
    before = assign_roles(GROUPS, set(), SPLIT)
    after = assign_roles({**GROUPS, "new": "new"}, set(), SPLIT)
    assert {image_id: after[image_id] for image_id in before} == before


def test_shares_are_as_configured():
    places = assign_roles({image_id: image_id for image_id in IDS}, set(IDS[:400]), SPLIT)
    holdout = sum(place.role == "holdout" for place in places.values())
    tune = sum(place.half == "tune" for place in places.values())
    # Binomial(600, 0.2): mean 120, sd 9.8; Binomial(400, 0.5): mean 200, sd 10; 4 sd either way.
    assert 120 - 40 < holdout < 120 + 40
    assert 200 - 40 < tune < 200 + 40


def test_photos_that_are_not_in_the_library_are_passed_over():
    assert "gone" not in assign_roles(GROUPS, {"gone"}, SPLIT)


def test_the_file_reads_back(tmp_path):
    places = assign_roles(GROUPS, {"photo-1"}, SPLIT)
    write_splits(tmp_path / "splits.json", places)
    assert read_splits(tmp_path / "splits.json") == places
    write_splits(tmp_path / "splits.json", {})
    assert read_splits(tmp_path / "splits.json") == {}


def test_another_seed_leaves_the_halves_alone():
    other = Split(seed=8, folds=5, holdout_share=0.2, max_hash_distance=6)
    halves = [
        {image_id: place.half for image_id, place in assign_roles(GROUPS, set(IDS), split).items()}
        for split in (SPLIT, other)
    ]
    assert halves[0] == halves[1]
