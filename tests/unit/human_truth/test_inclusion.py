import numpy as np
import pytest

from vibe_photos.human_truth.inclusion import split_by_hand, weigh_audited
from vibe_photos.human_truth.rounds import Candidates, Round, build_round, draw_round
from vibe_photos.human_truth.sample_design import DESIGN_FIELDS, read_sampled
from vibe_photos.records.ground_truth import GroundTruth, truth_object
from vibe_photos.sample.stage import sample_for_review
from vibe_photos.settings import Sample
from vibe_photos.storage.jsonl import write_jsonl

SCENES = {f"p{n:03}": "scene.food" if n < 40 else "scene.people" for n in range(240)}


def take_sample(folder, size: int = 60, seed: int = 1, strategy: str = "stratified") -> list[GroundTruth]:
    """Draw a sample and return its records as audited, in the order to be audited."""
    auto = folder / "auto.jsonl"
    write_jsonl(auto, [truth_object(GroundTruth(image_id=i, scene=[scene])) for i, scene in SCENES.items()])
    sample = Sample(size=size, seed=seed, strategy=strategy, min_per_stratum=20)
    sample_for_review(auto, folder / "to_review.json", folder, sample)
    drawn = read_sampled(folder / "to_review.json")
    return [
        GroundTruth(image_id=i, extra={name: row[name] for name in DESIGN_FIELDS}) for i, row in drawn.items()
    ]


def take_round(number: int = 1, measures: np.ndarray | None = None) -> Round:
    size = np.ones(240) if measures is None else measures
    library = Candidates(list(SCENES), list(SCENES.values()), size)
    head, order = draw_round(library, number, 3, 30, set())
    return build_round(head, order, library, {i: ["why"] for i in SCENES})


def bare(*image_ids: str) -> list[GroundTruth]:
    return [GroundTruth(image_id=image_id) for image_id in image_ids]


def probabilities(records: list[GroundTruth]) -> dict[str, float]:
    return {r.image_id: r.extra["inclusion_probability"] for r in split_by_hand(records)[0]}


def test_half_of_the_sample_weighs_by_what_was_audited_of_each_stratum(tmp_path) -> None:
    half = take_sample(tmp_path)[:30]
    weighed = weigh_audited(half, [])
    # Of 60 photos food has its floor of 20 (of 40) and people 40 (of 200); taking turns, half is 10 and 20.
    found = {(r.extra["stratum"], r.extra["inclusion_probability"]) for r in weighed}
    assert found == {("scene.food", 10 / 40), ("scene.people", 20 / 200)}
    assert sum(1 / r.extra["inclusion_probability"] for r in weighed) == pytest.approx(240)


def test_a_stratum_of_which_nothing_was_audited_is_not_spoken_for(tmp_path) -> None:
    people = [r for r in take_sample(tmp_path) if r.extra["stratum"] == "scene.people"]
    assert set(probabilities(weigh_audited(people, [])).values()) == {40 / 200}


def test_a_photo_picked_by_hand_is_left_out_and_moves_no_other(tmp_path) -> None:
    sample = take_sample(tmp_path)
    turn, later = sample[:30], sample[-1]
    by_hand = [*bare("p007" if "p007" not in {r.image_id for r in sample} else "p008"), later]
    weighed = weigh_audited([*turn, *by_hand], [])
    left_out = split_by_hand(weighed)[1]
    assert [r.image_id for r in left_out] == [r.image_id for r in by_hand]
    assert probabilities(weighed) == probabilities(weigh_audited(turn, []))


def test_what_was_audited_under_another_seed_and_size_adds_up(tmp_path) -> None:
    first, second = take_sample(tmp_path, seed=1), take_sample(tmp_path, size=40, seed=2)
    by_id = {record.image_id: record for record in [*second, *first]}
    weighed = weigh_audited(list(by_id.values()), [])
    assert len(weighed) == len(by_id)
    for stratum, photos in (("scene.food", 40), ("scene.people", 200)):
        mine = [r for r in weighed if r.extra["stratum"] == stratum]
        assert {r.extra["inclusion_probability"] for r in mine} == {len(mine) / photos}


def test_samples_of_both_strategies_multiply(tmp_path) -> None:
    stratified, random = take_sample(tmp_path), take_sample(tmp_path, size=3, strategy="random")
    assert not {record.image_id for record in random} & {record.image_id for record in stratified}
    weighed = probabilities(weigh_audited([*random, *stratified], []))
    shares = {"scene.food": 20 / 40, "scene.people": 40 / 200}
    assert [weighed[r.image_id] for r in stratified] == pytest.approx(
        [1 - (1 - 3 / 240) * (1 - shares[r.extra["stratum"]]) for r in stratified]
    )


def test_older_records_without_size_and_rank_keep_the_probability_they_state() -> None:
    records = [
        GroundTruth(image_id="a", extra={"inclusion_probability": 0.25, "stratum": "x", "note": "n"}),
        GroundTruth(image_id="b", extra={"inclusion_probability": 0.5, "stratum": "x"}),
    ]
    assert probabilities(weigh_audited(records, [])) == {"a": 0.25, "b": 0.5}
    assert weigh_audited(records, [])[0].extra["note"] == "n"


def test_nothing_is_said_where_nobody_says_how_photos_were_drawn() -> None:
    records = bare("a", "b")
    assert weigh_audited(records, []) == records
    assert split_by_hand(records) == (records, [])


def test_the_beginning_of_a_round_has_the_next_ratio_for_its_threshold() -> None:
    drawn = take_round(measures=np.where(np.arange(240) < 40, 3.0, 0.6))
    brought = [photo.image_id for photo in drawn.asked[:12]]
    weighed = weigh_audited(bare(*brought), [drawn])
    expected = {p.image_id: min(1.0, p.size_measure * drawn.ratio(12)) for p in drawn.asked[:12]}
    assert probabilities(weighed) == pytest.approx(expected)
    assert sum(r.extra["weight_factor"] / r.extra["inclusion_probability"] for r in weighed) == pytest.approx(
        240
    )


def test_a_round_goes_no_further_than_its_order_was_followed() -> None:
    drawn = take_round()
    ids = [photo.image_id for photo in drawn.asked]
    weighed = weigh_audited(bare(*ids[:10], ids[14], "p000" if "p000" not in ids else "p001"), [drawn])
    assert probabilities(weighed) == probabilities(weigh_audited(bare(*ids[:10]), [drawn]))


def test_sample_and_rounds_combine_as_one_minus_the_product(tmp_path) -> None:
    sample, drawn = take_sample(tmp_path), take_round()
    inside = {record.image_id for record in sample}
    new = [photo.image_id for photo in drawn.asked if photo.image_id not in inside][:8]
    weighed = probabilities(weigh_audited([*sample, *bare(*new)], [drawn]))
    order = [photo.image_id for photo in drawn.asked]
    last, following = order.index(new[-1]), order.index(new[-1]) + 1
    while order[following] in inside:
        following += 1
    shares = {"scene.food": 20 / 40, "scene.people": 40 / 200}
    for image_id, probability in weighed.items():
        tau = drawn.ratio(following if image_id in new else last)
        assert probability == pytest.approx(1 - (1 - shares[SCENES[image_id]]) * (1 - tau))


def test_a_photo_that_came_after_a_round_had_no_chance_in_it(tmp_path) -> None:
    design = {"stratum": "scene.food", "stratum_photos": 50, "stratum_rank": 1, "inclusion_probability": 0.02}
    new = GroundTruth(image_id="new", extra=design)
    drawn = take_round()
    weighed = weigh_audited([new, *bare(drawn.asked[0].image_id)], [drawn])
    assert probabilities(weighed)["new"] == pytest.approx(1 / 50)
