import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibe_photos.pixels.perceptual_hash import HASHES_PER_PHOTO
from vibe_photos.records.photos import HashRecord, Photo, permanent_number
from vibe_photos.records.pictures import KnownPicture, Pictures
from vibe_photos.records.splits import find_current_ids, read_splits
from vibe_photos.settings import Split
from vibe_photos.split.stage import (
    NearDuplicates,
    assign_roles,
    find_holdout_limit,
    find_lost_to_duplicates,
    find_reserved,
    read_near_duplicates,
    write_splits,
)
from vibe_photos.storage.jsonl import write_jsonl

SPLIT = Split(seed=7, folds=5, holdout_share=0.2, max_hash_distance=6)
IDS = [f"photo-{i}" for i in range(1000)]
SEED = 42
GROUPS = {image_id: IDS[i - i % 2] for i, image_id in enumerate(IDS)}


@given(st.sets(st.sampled_from(IDS), max_size=50), st.integers(0, 2**31))
def test_what_people_measure_never_trains_and_groups_share_fold_and_half(reserved, seed):
    split = Split(seed=seed, folds=3, holdout_share=0.3, max_hash_distance=6)
    places = assign_roles(GROUPS, reserved, split, SEED)
    folds, halves, roles = {}, {}, {}
    for place in places.values():
        folds.setdefault(place.group, set()).add(place.fold)
        if place.role == "reserved":
            halves.setdefault(place.group, set()).add(place.half)
        else:
            roles.setdefault(place.group, set()).add(place.role)
    assert all(len(found) == 1 for kinds in (folds, halves, roles) for found in kinds.values())
    assert {i for i, place in places.items() if place.role == "reserved"} == reserved
    assert all((place.half is not None) == (place.role == "reserved") for place in places.values())


def test_the_holdout_is_the_groups_with_the_lowest_numbers():
    places = assign_roles(GROUPS, set(), SPLIT, SEED)
    for image_id, group in GROUPS.items():
        partners = [one for one, its in GROUPS.items() if its == group]
        lowest = min(permanent_number(SEED, one) for one in partners)
        assert places[image_id].role == ("holdout" if lowest < 0.2 else "train")
        assert places[image_id].number == permanent_number(SEED, image_id)


def test_a_larger_sample_takes_from_the_holdout_and_leaves_training_alone():
    alone = {image_id: image_id for image_id in IDS}
    order = sorted(IDS, key=lambda image_id: permanent_number(SEED, image_id))

    def train(size):
        places = assign_roles(alone, set(order[:size]), SPLIT, SEED)
        return {image_id for image_id, place in places.items() if place.role == "train"}

    below = sum(permanent_number(SEED, image_id) < 0.2 for image_id in IDS)
    assert train(50) == train(below)
    assert train(below) - train(below + 30) == set(order[below : below + 30])


def test_auditing_a_sampled_photo_changes_nothing():
    sampled = {"photo-3", "photo-8"}
    assert assign_roles(GROUPS, sampled, SPLIT, SEED) == assign_roles(
        GROUPS, sampled | {"photo-3"}, SPLIT, SEED
    )


def test_roles_of_others_stay_when_photos_come():
    before = assign_roles(GROUPS, set(), SPLIT, SEED)
    after = assign_roles({**GROUPS, "new": "new"}, set(), SPLIT, SEED)
    assert {image_id: after[image_id] for image_id in before} == before


def test_shares_are_as_configured():
    places = assign_roles({image_id: image_id for image_id in IDS}, set(IDS[:400]), SPLIT, SEED)
    holdout = sum(place.role == "holdout" for place in places.values())
    tune = sum(place.half == "tune" for place in places.values())
    # Binomial(600, 0.2): mean 120, sd 9.8; Binomial(400, 0.5): mean 200, sd 10; 4 sd either way.
    assert 120 - 40 < holdout < 120 + 40
    assert 200 - 40 < tune < 200 + 40


def test_a_recorded_stratum_is_kept():
    places = assign_roles(GROUPS, set(), SPLIT, SEED, {"photo-1": "scene.food"})
    assert (places["photo-1"].stratum, places["photo-2"].stratum) == ("scene.food", None)


def test_scenes_of_which_near_duplicates_take_a_tenth_are_named():
    strata = {image_id: "scene.food" if i < 20 else "scene.other" for i, image_id in enumerate(IDS)}
    # photo-0 and photo-2 are measured; photo-1 and photo-3 are reserved only as their near-duplicates.
    reserved = {"photo-0", "photo-1", "photo-2", "photo-3"}
    split = Split(seed=7, folds=5, holdout_share=0.0, max_hash_distance=6)
    places = assign_roles(GROUPS, reserved, split, SEED, strata)
    assert find_lost_to_duplicates(places, {"photo-0", "photo-2"}, 0.0) == {"scene.food": (2, 20)}
    assert find_lost_to_duplicates(places, reserved, 0.0) == {}


def test_photos_that_are_not_in_the_library_are_passed_over():
    assert "gone" not in assign_roles(GROUPS, {"gone"}, SPLIT, SEED)


def test_the_file_reads_back(tmp_path):
    places = assign_roles(GROUPS, {"photo-1"}, SPLIT, SEED)
    write_splits(tmp_path / "splits.json", places)
    assert read_splits(tmp_path / "splits.json") == places
    write_splits(tmp_path / "splits.json", {})
    assert read_splits(tmp_path / "splits.json") == {}


def test_another_seed_leaves_the_halves_alone():
    other = Split(seed=8, folds=5, holdout_share=0.2, max_hash_distance=6)
    halves = [
        {image_id: place.half for image_id, place in assign_roles(GROUPS, set(IDS), split, SEED).items()}
        for split in (SPLIT, other)
    ]
    assert halves[0] == halves[1]


class Folder:
    """A library of 60 pictures in pairs that differ in one bit, and 30 that are all the same."""

    def __init__(self, path):
        self.path, bits = path, random.Random(3)
        self.hashes = {f"{n:03}": bits.getrandbits(64) for n in bits.sample(range(900), 30)}
        self.hashes |= {f"{n + 900:03}": value ^ 1 for n, value in enumerate([*self.hashes.values()])}
        self.hashes |= dict.fromkeys((f"{n}" for n in range(10, 40)), bits.getrandbits(64))
        self.known = [KnownPicture(image_id=i, picture=i) for i in self.hashes]

    def split(self, measured=(), order=None):
        """Return where each photo is if a scan finds the files in this order."""
        photos, hashes = self.path / "photos.jsonl", self.path / "hashes.jsonl"
        ids = order or list(self.hashes)
        write_jsonl(photos, [Photo(image_id=i, rel_path=i, bytes=1, format="JPEG") for i in ids])
        write_jsonl(hashes, [HashRecord(i, f"{self.hashes[i]:016x}") for i in ids])
        pictures = Pictures(self.known)
        near = read_near_duplicates(photos, hashes, pictures, 6, SPLIT.folds)
        assert near.cut == 30
        return assign_roles(near.groups, set(measured), SPLIT, SEED, pictures=pictures)

    def add(self, image_id, like, picture=None):
        self.hashes[image_id] = self.hashes[like]
        self.known.append(KnownPicture(image_id=image_id, picture=picture or image_id))


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_renaming_and_rating_move_no_photo(folder, seed):
    chance, ids = random.Random(seed), list(folder.hashes)
    measured = set(chance.sample(ids, 30))
    before = folder.split(measured)
    rated = {i: f"{chance.randrange(1000)}-{i}" for i in chance.sample(ids, 30)}
    for image_id, new in rated.items():
        folder.add(new, image_id, picture=image_id)
        del folder.hashes[image_id]
    now = {image_id: rated.get(image_id, image_id) for image_id in ids}
    after = folder.split({now[i] for i in measured}, order=chance.sample(list(now.values()), len(ids)))
    assert len({place.group for place in before.values()}) == 30 + 2  # the thirty are cut, by age
    assert find_current_ids(after) == rated
    for image_id, old in before.items():
        new = after[now[image_id]]
        assert (new.group, new.fold, new.half, new.role) == (old.group, old.fold, old.half, old.role)
        assert new.number == old.number


def test_a_turned_copy_of_a_measured_photo_does_not_train():
    ids = ["measured", "turned", "other"]
    hashes = np.array([[1], [2**64 - 2], [2**32 - 1]], np.uint64).repeat(HASHES_PER_PHOTO, axis=1)
    near = NearDuplicates({one: one for one in ids}, ids, hashes, max_distance=6)
    known = Pictures(KnownPicture(image_id=i, picture="p", rendering=i) for i in ids[:2])
    assert find_reserved(near, {"measured"}, Pictures()) == {"measured"}
    assert find_reserved(near, {"measured"}, known) == {"measured", "turned"}


def test_what_is_two_steps_from_a_measured_photo_does_not_train_but_three_steps_do():
    ids = ["measured", "one", "two", "three"]
    row = np.array([2 ** (20 + 5 * step) - 1 for step in range(4)], np.uint64)  # five more bits at each step
    hashes = row[:, None].repeat(HASHES_PER_PHOTO, axis=1)
    near = NearDuplicates(dict.fromkeys(ids, "measured"), ids, hashes, max_distance=6)
    assert near.with_neighbours({"measured"}) == {"measured", "one"}
    assert find_reserved(near, {"measured"}, Pictures()) == {"measured", "one", "two"}


def test_a_near_duplicate_that_comes_later_moves_no_group(folder):
    everything = list(folder.hashes)
    before = folder.split(everything)
    for n, image_id in enumerate(everything[:60]):
        folder.add(f"{n:02}-new", image_id)
    after = folder.split(folder.hashes, order=sorted(folder.hashes))
    for n, image_id in enumerate(everything[:60]):
        for one in (image_id, f"{n:02}-new"):
            new, old = after[one], before[image_id]
            assert (new.group, new.fold, new.half) == (old.group, old.fold, old.half)


def test_the_holdout_is_a_share_of_what_is_asked_about_and_not_too_large():
    ids = [f"p{n}" for n in range(20_000)]
    numbers = sorted(permanent_number(SEED, image_id) for image_id in ids)
    assert find_holdout_limit([0.5] * 1000, SPLIT, None) == 0.2
    for budget, held_out in ((100, 20), (5_000, 1_000), (15_000, 2_000), (None, 2_000), (10**6, 2_000)):
        assert find_holdout_limit(numbers, SPLIT, budget) == numbers[held_out]
    places = assign_roles({i: i for i in ids}, set(), SPLIT, SEED, budget=5_000)
    assert sum(place.role == "holdout" for place in places.values()) == 1_000
