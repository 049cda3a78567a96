"""Which human records speak for the library: hand-derived weights, and a simulation of skips."""

import numpy as np
import pytest

from vibe_photos.errors import InputError
from vibe_photos.human_truth.labels import HumanTruth
from vibe_photos.human_truth.sample import weigh_drawn, weigh_stated, weigh_untrained
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.photos import permanent_number
from vibe_photos.records.splits import Membership


def record(image_id, **extra):
    return GroundTruth(image_id=image_id, scene=["scene.food"], extra=extra)


def member(number, stratum=None, half=None):
    return Membership(group="g", fold=0, role="reserved", number=number, stratum=stratum, half=half)


def truth(*ids, skipped=()):
    return HumanTruth({i: record(i) for i in ids}, {}, dict.fromkeys(skipped, ""))


# Two strata: food with ten photos f0..f9, people with four p0..p3, in the order of their numbers.
LIBRARY = {f"f{n}": member(n / 10, "scene.food") for n in range(10)} | {
    f"p{n}": member(n / 10, "scene.people") for n in range(4)
}


def test_each_photo_stands_for_its_share_of_the_stratum():
    sample = weigh_drawn(truth("f0", "f1", "p0"), LIBRARY, set())
    weights = {one.image_id: one.extra["inclusion_probability"] for one in sample.records}
    assert weights == {"f0": 2 / 10, "f1": 2 / 10, "p0": 1 / 4}
    assert sum(1 / weight for weight in weights.values()) == 14


def test_photos_count_up_to_the_first_that_was_never_shown():
    sample = weigh_drawn(truth("f0", "f2", "f5", skipped=["f1"]), LIBRARY, set())
    assert [one.image_id for one in sample.records] == ["f0", "f2"]
    assert sample.waiting == ["f5"]
    assert (sample.strata["scene.food"].counted, sample.strata["scene.food"].skipped) == (2, 1)
    assert sample.unmeasured_strata == {"scene.people": 4}


def test_a_skipped_first_photo_does_not_make_a_stratum_vanish():
    sample = weigh_drawn(truth("p1", "p2", skipped=["p0"]), LIBRARY, set())
    assert [one.extra["inclusion_probability"] for one in sample.records] == [2 / 4, 2 / 4]


def test_photos_drawn_uniformly_elsewhere_count_wherever_they_stand():
    sample = weigh_drawn(truth("f0", "f7"), LIBRARY, {"f7"})
    assert [one.extra["inclusion_probability"] for one in sample.records] == [2 / 10, 2 / 10]
    assert sample.waiting == []


def test_a_uniform_draw_alone_speaks_for_the_whole_library():
    library = {f"x{n}": member(n / 8) for n in range(8)}
    sample = weigh_drawn(truth("x3", "x6"), library, {"x3", "x6"})
    assert [one.extra["inclusion_probability"] for one in sample.records] == [2 / 8, 2 / 8]
    assert sample.unmeasured_strata == {}


def test_what_no_draw_knows_is_your_own_set():
    library = LIBRARY | {"later": member(0.5)}
    sample = weigh_drawn(truth("f0", "later"), library, set())
    assert [one.image_id for one in sample.own_set] == ["later"]
    assert [one.image_id for one in sample.records] == ["f0"]
    assert sample.unmeasured_strata == {"scene.people": 4, "not in a draw yet": 1}


def test_photos_that_come_after_a_random_draw_are_not_in_its_stratum():
    library = {f"x{n}": member(n / 8, "all") for n in range(8)} | {"later": member(0.01)}
    sample = weigh_drawn(truth("x0", "x1"), library, set())
    # The number of the later photo is between theirs, and nobody was asked about it.
    assert [one.extra["inclusion_probability"] for one in sample.records] == [2 / 8, 2 / 8]
    assert sample.unmeasured_strata == {"not in a draw yet": 1}


def test_the_teacher_counts_in_each_stratum_up_to_the_first_photo_that_trains():
    roles = {
        "f0": "reserved",
        "f1": "holdout",
        "f2": "train",
        "f3": "reserved",
        "p0": "train",
        "p1": "holdout",
    }
    library = {
        i: Membership(
            group=i, fold=0, role=role, number=int(i[1]) / 10, stratum="scene.food" if i != "f1" else None
        )
        for i, role in roles.items()
        if i[0] == "f"
    } | {i: Membership(group=i, fold=0, role=roles[i], number=int(i[1]) / 10) for i in ("p0", "p1")}
    answers = [
        GroundTruth(image_id=i, scene=["scene.food" if i[0] == "f" else "scene.people"])
        for i in ("p1", "f3", "f2", "f1", "f0", "p0", "gone")
    ]
    sample = weigh_untrained(answers, library)
    # f1, which no draw knows, is food by what the teacher says. f0 and f1 come before f2: two of four. Of
    # people the first photo trains.
    assert {one.image_id: one.extra["inclusion_probability"] for one in sample.records} == {
        "f0": 0.5,
        "f1": 0.5,
    }
    assert (sample.unmeasured_strata, sample.not_in_library) == ({"scene.people": 2}, 1)


def test_the_half_of_a_stratum_speaks_for_all_of_it():
    library = {f"f{n}": member(n / 10, "scene.food", "score" if n % 2 else "tune") for n in range(10)}
    sample = weigh_drawn(truth(*(f"f{n}" for n in range(6))), library, set(), half="score")
    # f1, f3 and f5 stand for all ten.
    assert [one.extra["inclusion_probability"] for one in sample.records] == [3 / 10] * 3
    assert sample.left_out == 3


def test_figures_do_not_speak_for_a_stratum_whose_measured_photos_all_chose_thresholds():
    library = {"f0": member(0.0, "scene.food", "score"), "p0": member(0.0, "scene.people", "tune")}
    sample = weigh_drawn(truth("f0", "p0"), library, set(), half="score")
    assert sample.unmeasured_strata == {"scene.people": 1}
    assert weigh_drawn(truth("f0", "p0"), library, set()).unmeasured_strata == {}


def test_records_of_photos_that_are_gone_are_counted():
    assert weigh_drawn(truth("gone", "f0"), LIBRARY, set()).not_in_library == 1


def stated(image_id, rank, photos=10, stratum="scene.food"):
    design = {"stratum": stratum, "stratum_photos": photos, "stratum_rank": rank}
    return record(image_id, inclusion_probability=0.5, **design)


def test_without_a_recorded_draw_records_say_themselves_how_they_were_drawn():
    records = [stated("a", 1), stated("b", 2), stated("c", 4), record("own")]
    library = dict.fromkeys(["a", "b", "c", "own"], member(0.1))
    sample = weigh_stated(records, library)
    assert {one.image_id: one.extra["inclusion_probability"] for one in sample.records} == {
        "a": 0.2,
        "b": 0.2,
    }
    assert sample.waiting == ["c"]
    assert [one.image_id for one in sample.own_set] == ["own"]


def test_ranks_of_two_libraries_are_not_mixed():
    records = [stated("a", 1, photos=10), stated("b", 1, photos=25), stated("c", 2, photos=25)]
    sample = weigh_stated(records, {})
    assert {one.image_id: one.extra["inclusion_probability"] for one in sample.records} == {
        "b": 0.08,
        "c": 0.08,
    }
    assert sample.waiting == ["a"]


def test_records_of_older_samples_keep_their_probability():
    sample = weigh_stated([record("a", inclusion_probability=0.25, stratum="s")], {})
    assert [one.extra["inclusion_probability"] for one in sample.records] == [0.25]


def test_of_older_samples_too_the_half_speaks_for_all():
    library = {i: member(0.1, half="tune" if i == "a" else "score") for i in "abcd"}
    records = [record(i, inclusion_probability=1.0, stratum="s") for i in "abcd"]
    sample = weigh_stated(records, library, half="score")
    # Three of four photos that were drawn for certain: each was among them with 3/4.
    assert [one.extra["inclusion_probability"] for one in sample.records] == [0.75] * 3
    assert sample.left_out == 1


@pytest.mark.parametrize("probability", [0, -1, 1.5, "0.5", None, True, float("nan")])
def test_an_impossible_probability_is_named_with_its_photo(probability):
    with pytest.raises(InputError, match="photo a: inclusion_probability"):
        weigh_stated([record("a", inclusion_probability=probability)], {})


def test_a_stratum_mean_is_unbiased_when_a_tenth_is_skipped_at_random():
    """1,000 libraries of two strata: 30 and 300 photos, true shares 0.5 and 0.1."""
    generator = np.random.default_rng(0)
    estimates = []
    for seed in range(1000):
        library, is_true = {}, {}
        for name, size, share in (("small", 30, 0.5), ("large", 300, 0.1)):
            for n in range(size):
                image_id = f"{name}{n}"
                library[image_id] = member(permanent_number(seed, image_id), name)
                is_true[image_id] = n < share * size
        order = sorted(library, key=lambda i: library[i].number)
        shown = [i for name in ("small", "large") for i in [j for j in order if j.startswith(name)][:20]]
        skipped = {i for i in shown if generator.random() < 0.1}
        sample = weigh_drawn(truth(*(set(shown) - skipped), skipped=skipped), library, set())
        weights = np.array([1 / one.extra["inclusion_probability"] for one in sample.records])
        values = np.array([is_true[one.image_id] for one in sample.records])
        estimates.append(np.average(values, weights=weights))
    # The truth is (15 + 30) / 330 = 0.13636.
    assert np.mean(estimates) == pytest.approx(45 / 330, abs=4 * np.std(estimates) / np.sqrt(1000))
