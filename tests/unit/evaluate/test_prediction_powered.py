"""Prediction-powered means: against the package ppi-python, their limits, and how often they cover."""

import os

import numpy as np
import pytest

from vibe_photos.evaluate import library_estimates as prediction_powered
from vibe_photos.evaluate.library_estimates import (
    PoweredEstimate,
    ProxyMean,
    estimate_powered,
    mean_proxy,
    tune_trust,
)
from vibe_photos.statistics.design import Design, simple_design

ALONE = simple_design(np.arange(120))
I = np.arange(120)  # noqa: E741
Y = (I * 7 % 10 < 4).astype(float)
PROXY = np.where(I % 11 == 0, 1 - Y, Y)
OTHERS = (np.arange(900) * 13 % 17 < 8).astype(float)
KNOWN = ProxyMean(float(OTHERS.mean()), float(OTHERS.var() / 900))


@pytest.mark.parametrize(
    ("trust", "weights", "value", "low", "high"),
    [
        # ppi-python 0.2.3: ppi_mean_pointestimate and ppi_mean_ci(Y, PROXY, OTHERS, alpha=0.05, lam=trust).
        (1.0, np.ones(120), 0.46166667, 0.39845705, 0.52487628),
        (0.6, np.ones(120), 0.43700000, 0.37904232, 0.49495768),
        # The same with w=weights; there the interval is of weights that are not normed, so only its value.
        (1.0, 1.0 + I % 3, 0.43666667, None, None),
        (0.6, 1.0 + I % 3, 0.42200000, None, None),
    ],
)
def test_it_agrees_with_ppi_python(
    monkeypatch: pytest.MonkeyPatch,
    trust: float,
    weights: np.ndarray,
    value: float,
    low: float | None,
    high: float | None,
) -> None:
    monkeypatch.setattr(prediction_powered, "tune_trust", lambda *_: trust)
    design = Design(weights, np.zeros(120), ALONE.groups, ALONE.strata, True)
    found = estimate_powered(Y, PROXY, design, KNOWN, 0.95)
    assert found.value == pytest.approx(value, abs=1e-8)
    if low is not None and high is not None:
        # Two added photos and Student's t make ours a few percent wider.
        assert 1.0 < (found.interval.high - found.interval.low) / (high - low) < 1.08


def test_trust_is_tuned_as_ppi_python_tunes_it() -> None:
    # Its estimate with lam=None is 0.44263627; from 0.46166667 at 1 and 0.437 at 0.6 that is lam = 0.6914.
    # It pools the proxy's variance over both parts, which moves the second decimal.
    assert tune_trust(Y, PROXY, ALONE, KNOWN) == pytest.approx(0.6914, abs=0.02)


def test_a_teacher_who_knows_nothing_is_not_trusted() -> None:
    useless = (I // 2 % 2).astype(float)
    assert tune_trust(Y, useless, ALONE, KNOWN) < 0.1
    assert tune_trust(Y, 1 - Y, ALONE, KNOWN) == 0.0
    assert tune_trust(Y, np.zeros(120), ALONE, ProxyMean(0.0, 0.0)) == 0.0


def test_a_perfect_teacher_is_trusted_but_leaves_no_certainty() -> None:
    known = ProxyMean(0.45, 0.0)
    assert tune_trust(Y, Y, ALONE, known) == pytest.approx(1.0)
    found = estimate_powered(Y, Y, ALONE, known, 0.95)
    assert found.value == pytest.approx(0.45)
    assert found.interval.low < 0.45 < found.interval.high


def test_an_interval_holds_its_value_where_all_agree() -> None:
    everyone = np.ones(120)
    found = estimate_powered(everyone, everyone, ALONE, ProxyMean(1.0, 0.0), 0.95)
    assert found.value == pytest.approx(1.0)
    assert found.interval.low < found.value <= found.interval.high


def test_few_photos_have_no_interval() -> None:
    few = simple_design(np.arange(19))
    assert estimate_powered(Y[:19], PROXY[:19], few, KNOWN, 0.95).interval.reason == "n < 20"
    together = simple_design(np.zeros(120, np.int64))
    assert estimate_powered(Y, PROXY, together, KNOWN, 0.95).interval.reason == "one group"


def test_the_mean_of_a_proxy() -> None:
    audited, others = np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0, 1.0])
    alone = np.arange(4)
    # Everyone known: 4 of 7, for certain.
    assert mean_proxy(audited, others, alone, np.ones(4)) == ProxyMean(pytest.approx(4 / 7), 0.0)
    # Four stand for eight: (2 + 2 * 2) / 11. Deviations are 1/2 each, so the spread is 4/3 * 4 * 1/4, and the
    # variance 2^2 * (1 - 1/2) * 4/3 / 11^2.
    assert mean_proxy(audited, others, alone, np.full(4, 2.0)) == ProxyMean(
        pytest.approx(6 / 11), pytest.approx(8 / 3 / 121)
    )
    # In two groups of alike deviations 1 and -1 the spread is 2/1 * 2 * 1.
    pairs = np.array([0, 1, 1, 0])
    assert mean_proxy(audited, others, pairs, np.full(4, 2.0)) == ProxyMean(
        pytest.approx(6 / 11), pytest.approx(8 / 121)
    )
    assert mean_proxy(audited, others[:0], alone[:0], np.ones(0)) == ProxyMean(pytest.approx(2 / 3), 0.0)
    assert mean_proxy(audited, others[:1], alone[:1], np.full(1, 8.0)) is None


REPETITIONS = 1000 if os.environ.get("VIBE_PHOTOS_PROVE") else 300
LIBRARY = 2001


def draw_and_estimate(
    rng: np.random.Generator, share: float, errs: float, known_share: float, cluster: int
) -> tuple[float, PoweredEstimate]:
    """140 photos drawn without replacement, by four strata and unequal chances, from 2,001 in groups."""
    y = np.repeat(rng.random(LIBRARY // cluster) < share, cluster).astype(float)
    proxy = np.where(rng.random(len(y)) < errs, 1 - y, y)
    stratum = np.where(rng.random(len(y)) < 0.5, proxy, rng.integers(0, 4, len(y))).astype(int)
    members = [np.flatnonzero(stratum == s) for s in range(4)]
    sizes = [max(15, round(140 * len(ids) / len(y))) for ids in members]
    audited = np.concatenate([rng.choice(m, k, replace=False) for m, k in zip(members, sizes, strict=True)])
    drawn = np.repeat([k / len(m) for m, k in zip(members, sizes, strict=True)], sizes)
    groups = np.unique(audited // cluster, return_inverse=True)[1]
    design = Design(1 / drawn, drawn, groups, np.repeat(np.arange(4), sizes), True)
    others = np.setdiff1d(np.arange(len(y)), audited)
    others = others[rng.random(len(others)) < known_share]
    other_groups = np.unique(others // cluster, return_inverse=True)[1]
    weights = np.full(len(others), (len(y) - len(audited)) / len(others))
    known = mean_proxy(proxy[audited], proxy[others], other_groups, weights)
    assert known is not None
    return float(y.mean()), estimate_powered(y[audited], proxy[audited], design, known, 0.95)


@pytest.mark.parametrize(
    ("share", "errs", "known_share", "cluster"),
    [(0.3, 0.12, 1.0, 1), (0.75, 0.12, 0.15, 1), (0.4, 0.45, 1.0, 1), (0.4, 0.15, 0.3, 3)],
    ids=["prevalence", "accuracy", "bad teacher", "near-duplicates"],
)
def test_intervals_cover_the_truth_at_their_rate(
    share: float, errs: float, known_share: float, cluster: int
) -> None:
    rng = np.random.default_rng(6)
    drawn = [draw_and_estimate(rng, share, errs, known_share, cluster) for _ in range(REPETITIONS)]
    covered = np.mean([found.interval.low <= truth <= found.interval.high for truth, found in drawn])
    # 2.2 % is 3.2 standard deviations at 1,000 repetitions; 4 % at 300.
    reach = 3.2 * np.sqrt(0.95 * 0.05 / REPETITIONS)
    assert 0.95 - reach <= covered <= 0.95 + reach
    assert abs(np.mean([found.value - truth for truth, found in drawn])) < 0.005
