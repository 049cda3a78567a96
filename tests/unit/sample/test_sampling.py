import json
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibe_photos.configuration import read_resolved
from vibe_photos.errors import InputError
from vibe_photos.human_truth.draws import Draw, find_strata, make_stratum, read_draws, write_draw
from vibe_photos.human_truth.sample import read_sampled
from vibe_photos.records.photos import permanent_number
from vibe_photos.review.draw_record import record_draw
from vibe_photos.sample.stage import allocate, sample_for_review
from vibe_photos.settings import Sample

UNANSWERED = "has no answer"
SAMPLE = Sample(size=10, seed=42, strategy="stratified", min_per_stratum=2)


def write_library(folder, scenes):
    """Write the manifest and the teacher's truth of photos by scene."""
    (folder / "auto").mkdir(exist_ok=True)
    photos = [{"image_id": i, "rel_path": f"{i}.jpg", "bytes": 1, "format": "JPEG"} for i in scenes]
    records = [{"image_id": i, "scene": [scene] if scene else []} for i, scene in scenes.items()]
    records = [record for record in records if record["scene"] != [UNANSWERED]]
    for path, lines in (
        (folder / "photos.jsonl", photos),
        (folder / "auto/ground_truth_auto.jsonl", records),
    ):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def draw(tmp_path, repository):
    """A function that runs the stage on photos by scene and returns what it wrote."""
    base = read_resolved(repository)

    def draw(scenes, sample=SAMPLE, name="to_review.json", recorded=False):
        write_library(tmp_path, scenes)
        places = {
            "raw_annotations": tmp_path / "raw.jsonl",
            "photos": tmp_path / "photos.jsonl",
            "auto": tmp_path / "auto",
            "sample": tmp_path / name,
            "human": tmp_path / "human",
        }
        paths = msgspec.structs.replace(base.paths, **places)
        settings = msgspec.structs.replace(base, sample=sample, paths=paths)
        sample_for_review(settings)
        if recorded:
            record_draw(settings)
        return read_sampled(tmp_path / name)

    return draw


LIBRARY = {f"p{i:03}": "scene.food" if i % 10 == 0 else "scene.people" for i in range(100)}


def test_every_stratum_gets_its_floor_and_the_probabilities_say_so(draw):
    drawn = draw(LIBRARY).values()
    food = [record for record in drawn if record["stratum"] == "scene.food"]
    # 10 of 100 photos are food: the exact share of 10 is 1, the floor lifts it to 2 of 10.
    assert len(drawn) == 10
    assert [record["inclusion_probability"] for record in food] == [0.2, 0.2]
    people = [record for record in drawn if record["stratum"] == "scene.people"]
    assert {record["inclusion_probability"] for record in people} == {round(8 / 90, 6)}


def test_the_weights_of_a_sample_add_up_to_the_library(draw):
    drawn = draw(LIBRARY).values()
    assert sum(1 / record["inclusion_probability"] for record in drawn) == pytest.approx(100, rel=1e-4)


def test_one_more_photo_does_not_reshuffle_the_sample(draw):
    before = set(draw(LIBRARY, name="before.json"))
    after = set(draw(LIBRARY | {"new": "scene.people"}, name="after.json"))
    assert len(before & after) >= 9


def test_a_larger_sample_contains_the_smaller(draw):
    random = Sample(size=10, seed=1, strategy="random", min_per_stratum=0)
    larger = Sample(size=30, seed=1, strategy="random", min_per_stratum=0)
    small = list(draw(LIBRARY, random, "small.json"))
    assert list(draw(LIBRARY, larger, "large.json"))[:10] == small


def test_another_seed_draws_others(draw):
    other = Sample(size=10, seed=43, strategy="stratified", min_per_stratum=2)
    assert set(draw(LIBRARY, name="a.json")) != set(draw(LIBRARY, other, "b.json"))


def test_random_draws_uniformly_over_ids():
    # Samples of 100 of 400 under 200 seeds: each photo is expected 50 times, sd = sqrt(200*.25*.75) = 6.1.
    ids = [f"photo-{i}" for i in range(400)]
    counts = dict.fromkeys(ids, 0)
    for seed in range(200):
        for image_id in sorted(ids, key=lambda image_id: permanent_number(seed, image_id))[:100]:
            counts[image_id] += 1
    assert 50 - 5 * 6.2 < min(counts.values()) <= max(counts.values()) < 50 + 5 * 6.2


def test_more_than_there_is_takes_all(draw):
    drawn = draw(LIBRARY, Sample(size=1000, seed=1, strategy="stratified", min_per_stratum=2))
    assert len(drawn) == 100
    assert {record["inclusion_probability"] for record in drawn.values()} == {1.0}


def test_running_again_gives_the_same_bytes(draw, tmp_path):
    draw(LIBRARY)
    before = (tmp_path / "to_review.json").read_bytes()
    draw(LIBRARY)
    assert (tmp_path / "to_review.json").read_bytes() == before


def test_truth_as_a_json_list_is_sampled_alike(draw, tmp_path, repository):
    expected = draw(LIBRARY)
    auto = tmp_path / "auto" / "ground_truth_auto.jsonl"
    auto.write_text(json.dumps([json.loads(line) for line in auto.read_text().splitlines()], indent=1))
    base = read_resolved(repository)
    places = {name: tmp_path / name for name in ("auto", "human")} | {"photos": tmp_path / "photos.jsonl"}
    paths = msgspec.structs.replace(base.paths, sample=tmp_path / "again.json", **places)
    sample_for_review(msgspec.structs.replace(base, sample=SAMPLE, paths=paths))
    assert read_sampled(tmp_path / "again.json") == expected


def test_an_edited_file_stops_the_stage_with_the_way_out(draw, tmp_path):
    draw(LIBRARY)
    path = tmp_path / "to_review.json"
    edited = path.read_text().replace("scene.people", "scene.animals", 1)
    path.write_text(edited)
    with pytest.raises(InputError, match=r"was edited(.|\n)*ground_truth_human\.audited\.json"):
        draw(LIBRARY)
    assert path.read_text() == edited


def test_strata_stay_those_of_the_recorded_draw(draw, tmp_path):
    first = draw(LIBRARY)
    strata = {
        scene: make_stratum([i for i, of_photo in LIBRARY.items() if of_photo == scene])
        for scene in ("scene.food", "scene.people")
    }
    write_draw(tmp_path / "human", Draw(number=1, how="stratified", seed=42, strata=strata))
    another_teacher = dict.fromkeys(LIBRARY, "scene.animals")
    again = draw(another_teacher)
    assert list(again) == list(first)
    assert [one["stratum"] for one in again.values()] == [one["stratum"] for one in first.values()]


def test_photos_that_came_after_a_draw_are_strata_of_the_next(draw, tmp_path):
    before = draw(LIBRARY)
    strata = {
        scene: make_stratum([i for i, of_photo in LIBRARY.items() if of_photo == scene])
        for scene in ("scene.food", "scene.people")
    }
    write_draw(tmp_path / "human", Draw(number=1, how="stratified", seed=42, strata=strata))
    later = {f"new{n}": "scene.food" for n in range(50)}
    larger = Sample(size=20, seed=42, strategy="stratified", min_per_stratum=2)
    after = draw(LIBRARY | later, larger)
    new = [one for one in after.values() if one["stratum"] == "scene.food (draw 2)"]
    assert {one["stratum_photos"] for one in new} == {50}
    assert set(before) <= set(after)


def test_photos_that_left_the_library_are_not_drawn(draw, tmp_path):
    write_library(tmp_path, LIBRARY)
    gone = set(list(LIBRARY)[:50])
    kept = {i: scene for i, scene in LIBRARY.items() if i not in gone}
    assert not gone & set(draw(kept, Sample(size=100, seed=1, strategy="random", min_per_stratum=0)))


def budgeted(scenes, budget):
    """The library when the teacher was asked about the photos with the `budget` lowest numbers."""
    asked = sorted(scenes, key=lambda image_id: permanent_number(42, image_id))[:budget]
    return {i: scene if i in asked else UNANSWERED for i, scene in scenes.items()}


def names(drawn):
    return {image_id: record["stratum"] for image_id, record in drawn.items()}


def test_asked_photos_stand_for_those_not_asked_yet(draw):
    drawn = draw(budgeted(LIBRARY, 40))
    assert {record["asked_share"] for record in drawn.values()} == {0.4}
    assert sum(1 / record["inclusion_probability"] for record in drawn.values()) == pytest.approx(
        100, rel=1e-3
    )
    assert set(names(drawn).values()) == {"scene.food", "scene.people"}


def test_photos_that_lack_an_answer_for_another_reason_are_a_stratum(draw, tmp_path):
    ranked = sorted(LIBRARY, key=lambda image_id: permanent_number(42, image_id))
    library = budgeted(LIBRARY, 40) | dict.fromkeys(ranked[3:6], UNANSWERED)
    represented = {"kind": "represented", "rel_path": "", "detail": "", "represented_by": ranked[0]}
    failure = {"kind": "refused", "rel_path": "", "detail": ""}
    lines = [{"image_id": ranked[3], **represented}, {"image_id": ranked[40], **failure}]
    (tmp_path / "failures.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    drawn = draw(library, Sample(size=100, seed=42, strategy="stratified", min_per_stratum=2))
    assert set(drawn) == set(ranked[:41])
    assert {i for i, name in names(drawn).items() if name == "no answer"} == {ranked[i] for i in (4, 5, 40)}
    assert names(drawn)[ranked[3]] == LIBRARY[ranked[0]]


def test_a_recorded_draw_grows_with_the_budget(draw, tmp_path):
    first = draw(budgeted(LIBRARY, 20), recorded=True)
    again = draw(budgeted(LIBRARY, 60), recorded=True)
    assert list(again) == list(first)  # ten photos are enough: nothing new is shown, and nothing recorded
    assert read_draws(tmp_path / "human")[0].strata["not asked"].photos == 80
    larger = Sample(size=50, seed=42, strategy="stratified", min_per_stratum=2)
    grown = draw(budgeted(LIBRARY, 60), larger, recorded=True)
    (recorded,) = read_draws(tmp_path / "human")
    assert set(first) <= set(grown)
    assert {name: stratum.photos for name, stratum in recorded.strata.items()} == {
        "not asked": 40,
        **Counter(scene for scene in budgeted(LIBRARY, 60).values() if scene != UNANSWERED),
    }


def test_a_draw_does_not_grow_by_what_another_teacher_says_until_all_of_it_was_shown(draw, tmp_path):
    draw(budgeted(LIBRARY, 20), recorded=True)
    other = budgeted({i: f"scene.{i[-1]}" for i in LIBRARY}, 60)
    larger = Sample(size=50, seed=42, strategy="stratified", min_per_stratum=2)
    small = draw(other, larger, recorded=True)
    assert len(small) == 20
    assert set(names(small).values()) == {"scene.food", "scene.people"}
    truth = [{"image_id": i, "scene": ["scene.food"]} for i in small]
    (tmp_path / "human/ground_truth_human.audited.json").write_text(json.dumps(truth))
    grown = draw(other, larger, recorded=True)
    assert len(grown) == 50
    assert all(name == f"scene.{i[-1]}" for i, name in names(grown).items())
    ranked = sorted(LIBRARY, key=lambda image_id: permanent_number(42, image_id))
    strata = find_strata(read_draws(tmp_path / "human"), ranked, {})
    assert [strata[i] for i in ranked] == [f"scene.{i[-1]}" for i in ranked[:60]] + ["not asked"] * 40


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 500), min_size=1, max_size=12),
    st.integers(0, 800),
    st.integers(0, 30),
)
def test_a_larger_size_takes_nothing_away(population, size, floor):
    smaller, larger = allocate(population, size, floor), allocate(population, size + 1, floor)
    assert all(smaller[name] <= larger[name] for name in population)


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 500), min_size=1, max_size=12),
    st.integers(0, 800),
    st.integers(0, 30),
)
def test_allocation_spends_exactly_the_size_and_never_more_than_there_is(population, size, floor):
    taken = allocate(population, size, floor)
    assert sum(taken.values()) == min(size, sum(population.values()))
    assert all(0 <= taken[name] <= population[name] for name in population)
    if floor * len(population) <= size:
        assert all(taken[name] >= min(floor, population[name]) for name in population)
