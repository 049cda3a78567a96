import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibe_photos.errors import InputError
from vibe_photos.statistics.design import simple_design
from vibe_photos.thresholds.measured_half import MeasuredHalf
from vibe_photos.thresholds.sweep import (
    Aim,
    LabelScores,
    find_threshold,
    parse_aim,
    sweep_thresholds,
)

F1 = Aim("f1")


def sweep(*photos: tuple[float, int] | tuple[float, int, float]):
    """Sweep photos of `(score, truth)` or `(score, truth, weight)`."""
    return sweep_thresholds(
        np.array([photo[1] for photo in photos], np.int8),
        np.array([photo[0] for photo in photos], np.float64),
        np.array([photo[2] if len(photo) > 2 else 1.0 for photo in photos]),
    )


FIVE = ((0.9, 1), (0.8, 0), (0.6, 1), (0.3, 1), (0.1, 0))


def test_every_division_is_measured():
    # Half-way between neighbours, from below: 5, 4, 3, 2, 1 photos asserted, of which 3, 3, 2, 1, 1 true.
    found = sweep(*FIVE)
    assert found.threshold.tolist() == [0.05, 0.2, 0.45, 0.7, 0.85]
    assert found.precision == pytest.approx([3 / 5, 3 / 4, 2 / 3, 1 / 2, 1])
    assert found.recall == pytest.approx([1, 1, 2 / 3, 1 / 3, 1 / 3])
    # 2 * hits / (asserted + true): 6/8, 6/7, 4/6, 2/5, 2/4.
    assert found.f1 == pytest.approx([3 / 4, 6 / 7, 2 / 3, 2 / 5, 1 / 2])


@pytest.mark.parametrize(
    ("aim", "threshold"),
    [
        (F1, 0.2),
        (Aim("precision", 0.7), 0.2),
        (Aim("precision", 0.9), 0.85),
        (Aim("recall", 0.6), 0.2),
        (Aim("recall", 1.0), 0.2),
        (Aim("recall", 0.3), 0.85),
    ],
)
def test_each_aim_finds_its_threshold(aim, threshold):
    assert find_threshold(sweep(*FIVE), aim) == threshold


def test_a_photo_counts_with_its_weight():
    # Asserting all: 3 of 6 true. From 0.45: 1 of 4. From 0.7: 1 of 1; recall is of a total of 3.
    found = sweep((0.9, 1, 1.0), (0.5, 0, 3.0), (0.4, 1, 2.0))
    assert found.precision == pytest.approx([1 / 2, 1 / 4, 1])
    assert found.recall == pytest.approx([1, 1 / 3, 1 / 3])
    assert find_threshold(found, F1) == 0.2


def test_of_equal_f1_the_more_precise_wins():
    # At the top 1 of 1 true and half of the true found, over all 2 of 4 and everything found: both F1 2/3.
    found = sweep((0.9, 1), (0.8, 0), (0.7, 0), (0.6, 1))
    assert found.f1[0] == found.f1[-1] == pytest.approx(2 / 3)
    assert find_threshold(found, F1) == 0.85


def test_of_what_is_equal_the_highest_threshold_wins():
    # 0.25015 and 0.50035 become 0.25 and 0.5, which both assert both photos.
    found = sweep((0.5004, 0), (0.5003, 1))
    assert found.threshold.tolist() == [0.25, 0.5]
    assert find_threshold(found, F1) == 0.5


def test_rounding_never_leaves_a_threshold_that_asserts_nothing():
    # Half-way between 0.5005 and 0.5007 is 0.5006, which becomes 0.501, above both.
    found = sweep((0.5007, 1), (0.5005, 0))
    assert found.threshold.tolist() == [0.25]
    assert found.precision.tolist() == [0.5]


def test_small_thresholds_have_more_decimals():
    assert sweep((0.0123456, 1), (0.0011111, 0)).threshold.tolist() == [0.000556, 0.006728]


def test_a_floor_that_cannot_be_reached_gives_none():
    found = sweep((0.9, 0), (0.5, 1))
    assert find_threshold(found, Aim("precision", 0.6)) is None
    # A true photo without a score is never found.
    half_scored = sweep((0.9, 1), (np.nan, 1))
    assert half_scored.recall.tolist() == [0.5]
    assert find_threshold(half_scored, Aim("recall", 0.6)) is None


def test_without_scored_photos_there_is_nothing_to_find():
    assert find_threshold(sweep(), F1) is None
    assert find_threshold(sweep((np.nan, 1), (np.nan, 0)), F1) is None


def test_unjudged_photos_do_not_count():
    assert sweep(*FIVE, (0.95, -1)).f1.tolist() == sweep(*FIVE).f1.tolist()
    truth, score = np.array([1, 0, -1, 1], np.int8), np.array([0.5, 0.5, 0.5, np.nan])
    design = simple_design(np.arange(4))
    half = MeasuredHalf(["attr.has_text"], truth[:, None], score[:, None], np.zeros(4, np.int64), design)
    assert half.count("attr.has_text") == (1, 1)


photos = st.lists(
    st.tuples(
        st.integers(0, 100).map(lambda n: n / 100), st.sampled_from([0, 1]), st.sampled_from([1.0, 2.5])
    ),
    min_size=1,
    max_size=30,
).filter(lambda drawn: any(truth for _, truth, _ in drawn))


@given(photos, st.sampled_from([F1, Aim("precision", 0.6), Aim("recall", 0.8)]))
def test_no_division_does_better(drawn, aim):
    score, truth, weight = (np.array(column) for column in zip(*drawn, strict=True))

    def measure(threshold: float) -> dict[str, float]:
        asserted = score >= threshold
        found = weight[asserted & (truth == 1)].sum()
        total = weight[truth == 1].sum()
        return {
            "precision": found / weight[asserted].sum(),
            "recall": found / total,
            "f1": 2 * found / (weight[asserted].sum() + total),
        }

    threshold = find_threshold(sweep(*drawn), aim)
    everything = [measure(cut) for cut in np.unique(score)]
    allowed = [figures for figures in everything if aim.kind == "f1" or figures[aim.kind] >= aim.floor - 1e-9]
    goal = {"f1": "f1", "precision": "recall", "recall": "precision"}[aim.kind]
    if threshold is None:
        assert not allowed
    else:
        assert measure(threshold)[goal] == pytest.approx(max(figures[goal] for figures in allowed))


@pytest.mark.parametrize(
    ("text", "aim"), [("f1", F1), ("precision=0.9", Aim("precision", 0.9)), ("recall=1", Aim("recall", 1.0))]
)
def test_an_aim_is_read(text, aim):
    assert parse_aim(text) == aim


@pytest.mark.parametrize(
    "text", ["f2", "f1=0.9", "precision", "recall=", "recall=0", "recall=90", "x=0.5", ""]
)
def test_no_aim_is_guessed(text):
    with pytest.raises(InputError, match=r"no such aim.*recall=0\.9"):
        parse_aim(text)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("aim", [F1, Aim("recall", 0.97)])
def test_a_rare_class_that_the_default_misses_is_found(seed, aim):
    """A 3 % class whose head is too timid: right order, all probabilities far below 0.5."""
    generator = np.random.default_rng(seed)
    truth = (generator.random(6000) < 0.03).astype(np.int8)
    logits = generator.normal(np.where(truth == 1, -2.2, -5.5), 0.5)
    score, is_tuned_on = 1 / (1 + np.exp(-logits)), generator.random(6000) < 0.5
    assert not (score[truth == 1] >= 0.5).any()

    weights = np.ones(is_tuned_on.sum())
    threshold = find_threshold(sweep_thresholds(truth[is_tuned_on], score[is_tuned_on], weights), aim)
    others = (truth == 1) & ~is_tuned_on
    assert threshold is not None
    assert (score[others] >= threshold).mean() >= 0.9


def scores(precision: float | None, recall: float | None, f1: float | None = None) -> LabelScores:
    return LabelScores(precision, recall, f1)


def test_scores_are_ranked_by_the_aim():
    assert F1.rank(scores(1.0, 0.1, 0.2)) < F1.rank(scores(0.3, 0.3, 0.3))
    assert F1.rank(scores(None, 0.0, 0.1 + 0.2)) == F1.rank(scores(0.5, 0.5, 0.3))  # but for the last bit
    precise = Aim("precision", 0.8)
    # Nearer to the floor is better; on the floor and above it recall decides.
    ranks = [
        precise.rank(scores(p, r)) for p, r in ((None, 0.0), (0.7, 0.9), (0.79, 0.1), (0.95, 0.2), (0.8, 0.3))
    ]
    assert ranks == sorted(ranks)
    assert precise.rank(scores(0.9, 0.3)) == precise.rank(scores(0.8, 0.3))
    assert Aim("recall", 0.8).rank(scores(0.3, 0.9)) > Aim("recall", 0.8).rank(scores(0.2, 1.0))


@pytest.mark.parametrize(
    ("aim", "fitting"),
    [(F1, (0.4, 0.6)), (Aim("precision", 0.9), (0.3, 0.4, 0.6)), (Aim("recall", 0.9), (0.4, 0.6, 0.7))],
)
def test_the_share_of_the_library_fits_peoples_interval(aim, fitting):
    """A precise threshold may label fewer photos than have the label, one that finds most may label more."""
    assert tuple(share for share in (0.3, 0.4, 0.6, 0.7) if aim.fits(share, 0.4, 0.6)) == fitting


def test_figures_are_shown_by_the_aim():
    assert F1.format(scores(0.5, 0.25, 1 / 3)) == "0.33"
    assert Aim("recall", 0.9).format(scores(None, 0.0, 0.0)) == "-/0.00"
    assert F1.format_gain(scores(0.5, 0.5, 0.5), scores(0.7, 0.4, 0.625)) == "+0.12"
    assert Aim("precision", 0.9).format_gain(scores(0.5, None), scores(0.25, 0.4)) == "-0.25/-"
