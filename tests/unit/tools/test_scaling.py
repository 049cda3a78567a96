import re

import pytest
from tools.scaling.__main__ import PAGE, TABLES, fill_page
from tools.scaling.figures import StageCost, fit_growth
from tools.scaling.rates import Rates
from tools.scaling.tables import tell_duration


def test_the_page_holds_what_the_script_prints() -> None:
    page = PAGE.read_text()
    assert fill_page(page) == page, "run `python -m tools.scaling --write`"
    assert sorted(re.findall(r"<!-- (\w+) -->\n[|R]", page)) == sorted(TABLES)


def test_a_stage_grows_along_the_line_through_its_two_largest_libraries() -> None:
    # (23 - 5) s / 9,000 photos is 2 ms a photo, which leaves 3 s for none; (400 - 130) MB is 30 kB a photo.
    costs = [
        StageCost("split", 10_000, 23.0, 400.0),
        StageCost("split", 100, 4.0, 99.0),
        StageCost("split", 1_000, 5.0, 130.0),
    ]
    growth = fit_growth(costs)
    assert growth.cpu_seconds(10_000_000) == pytest.approx(3 + 20_000)
    assert growth.peak_mb(10_000_000) == pytest.approx(100 + 300_000)


def test_a_stage_that_took_less_for_more_photos_is_not_said_to_shrink() -> None:
    growth = fit_growth([StageCost("sample", 1_000, 2.0, 50.0), StageCost("sample", 10_000, 1.0, 40.0)])
    assert growth.cpu_seconds(10_000_000) == 1.0
    assert growth.peak_mb(10_000_000) == 40.0


def test_a_gpu_answers_as_fast_as_it_reads_and_writes_in_turn() -> None:
    # 1470 tokens at 24,700 a second and 160 at 4,150: 59.5 and 38.6 ms.
    assert Rates.read().teacher("8b") == pytest.approx(1 / (0.059514 + 0.038554), rel=1e-4)


def test_a_client_asks_from_one_core_and_prepares_on_all() -> None:
    rates = Rates.read()
    assert rates.client(2) == pytest.approx(2 / (0.1 + 0.0009))
    assert rates.client(1_000) == pytest.approx(1 / 0.0009)


def test_machines_share_one_mount() -> None:
    rates = Rates.read()
    # 16 cores at 63 + 153 ms a photo; 1 GB/s of photos of 3.5 MB.
    assert rates.embed(1, has_gpu=False) == pytest.approx(74.07, rel=1e-3)
    assert rates.embed(8, has_gpu=True) == rates.mount() == pytest.approx(285.7, rel=1e-3)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.2 s"), (40, "40 s"), (300, "5.0 min"), (7200, "2.0 h"), (100_000, "28 h"), (1.6e6, "19 days")],
)
def test_durations_are_said_in_the_unit_that_people_use(seconds: float, text: str) -> None:
    assert tell_duration(seconds) == text
