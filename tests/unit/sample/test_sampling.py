import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibe_photos.errors import InputError
from vibe_photos.human_truth.sample_design import read_sampled
from vibe_photos.records.keyed_hash import unit_interval
from vibe_photos.sample.stage import allocate, sample_for_review
from vibe_photos.settings import Sample

SAMPLE = Sample(size=10, seed=42, strategy="stratified", min_per_stratum=2)


def write_auto(path, scenes):
    records = [
        {"image_id": image_id, "scene": [scene] if scene else [], "attributes": {}, "objects": []}
        for image_id, scene in scenes.items()
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def draw(tmp_path, scenes, sample=SAMPLE, name="to_review.json"):
    auto = write_auto(tmp_path / "auto.jsonl", scenes)
    sample_for_review(auto, tmp_path / name, tmp_path / "human", sample)
    return read_sampled(tmp_path / name)


LIBRARY = {f"p{i:03}": "scene.food" if i % 10 == 0 else "scene.people" for i in range(100)}


def test_every_stratum_gets_its_floor_and_the_probabilities_say_so(tmp_path):
    drawn = draw(tmp_path, LIBRARY).values()
    food = [record for record in drawn if record["stratum"] == "scene.food"]
    # 10 of 100 photos are food: the exact share of 10 is 1, the floor lifts it to 2 of 10.
    assert len(drawn) == 10
    assert [record["inclusion_probability"] for record in food] == [0.2, 0.2]
    people = [record for record in drawn if record["stratum"] == "scene.people"]
    assert {record["inclusion_probability"] for record in people} == {round(8 / 90, 6)}


def test_the_weights_of_a_sample_add_up_to_the_library(tmp_path):
    drawn = draw(tmp_path, LIBRARY).values()
    assert sum(1 / record["inclusion_probability"] for record in drawn) == pytest.approx(100, rel=1e-4)


def test_one_more_photo_does_not_reshuffle_the_sample(tmp_path):
    before = set(draw(tmp_path, LIBRARY, name="before.json"))
    after = set(draw(tmp_path, LIBRARY | {"new": "scene.people"}, name="after.json"))
    assert len(before & after) >= 9


def test_a_larger_sample_contains_the_smaller(tmp_path):
    random = Sample(size=10, seed=1, strategy="random", min_per_stratum=0)
    larger = Sample(size=30, seed=1, strategy="random", min_per_stratum=0)
    small = list(draw(tmp_path, LIBRARY, random, "small.json"))
    assert list(draw(tmp_path, LIBRARY, larger, "large.json"))[:10] == small


def test_another_seed_draws_others(tmp_path):
    other = Sample(size=10, seed=43, strategy="stratified", min_per_stratum=2)
    assert set(draw(tmp_path, LIBRARY, name="a.json")) != set(draw(tmp_path, LIBRARY, other, "b.json"))


def test_random_draws_uniformly_over_ids():
    # Samples of 100 of 400 under 200 seeds: each photo is expected 50 times, sd = sqrt(200*.25*.75) = 6.1.
    ids = [f"photo-{i}" for i in range(400)]
    counts = dict.fromkeys(ids, 0)
    for seed in range(200):
        for image_id in sorted(ids, key=lambda image_id: unit_interval(seed, "sample", image_id))[:100]:
            counts[image_id] += 1
    assert 50 - 5 * 6.2 < min(counts.values()) <= max(counts.values()) < 50 + 5 * 6.2


def test_more_than_there_is_takes_all(tmp_path):
    drawn = draw(tmp_path, LIBRARY, Sample(size=1000, seed=1, strategy="stratified", min_per_stratum=2))
    assert len(drawn) == 100
    assert {record["inclusion_probability"] for record in drawn.values()} == {1.0}


def test_running_again_gives_the_same_bytes(tmp_path):
    draw(tmp_path, LIBRARY)
    before = (tmp_path / "to_review.json").read_bytes()
    draw(tmp_path, LIBRARY)
    assert (tmp_path / "to_review.json").read_bytes() == before


def test_an_edited_file_stops_the_stage_with_the_way_out(tmp_path):
    draw(tmp_path, LIBRARY)
    path = tmp_path / "to_review.json"
    edited = path.read_text().replace("scene.people", "scene.animals", 1)
    path.write_text(edited)
    with pytest.raises(InputError, match=r"was edited(.|\n)*ground_truth_human\.audited\.json"):
        draw(tmp_path, LIBRARY)
    assert path.read_text() == edited


@settings(deadline=None, max_examples=200)
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
