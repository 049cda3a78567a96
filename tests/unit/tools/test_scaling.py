import re

import pytest
from tools.scaling.__main__ import PAGE, TABLES, fill_page
from tools.scaling.figures import Figure, StageCost, fit_growth
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


def rates(**values: float) -> Rates:
    figures = {name: Figure("", value, "", "assumed", "") for name, value in values.items()}
    return Rates(figures)


def test_a_gpu_answers_as_fast_as_it_reads_and_writes_in_turn() -> None:
    # 1500 tokens at 25,000 a second and 160 at 4,000: 60 and 40 ms.
    gpu = rates(
        prompt_tokens=1500,
        answer_tokens=160,
        prompt_tokens_per_second_8b=25_000,
        answer_tokens_per_second_8b=4_000,
    )
    assert gpu.teacher("8b") == pytest.approx(10)


def test_a_client_asks_from_one_core_and_prepares_on_all() -> None:
    client = rates(ask_core_seconds=0.001, prepare_request_core_seconds=0.099)
    assert client.client(2) == pytest.approx(20)
    assert client.client(1_000) == pytest.approx(1_000)


def test_machines_share_one_mount() -> None:
    # 16 cores at 40 + 120 ms a photo, with a GPU at 40 ms; 1 GB/s of photos of 2.5 MB.
    machines = rates(
        machine_cores=16,
        prepare_embedding_core_seconds=0.04,
        encode_core_seconds=0.12,
        encode_photos_per_second_gpu=35_000,
        mount_bytes_per_second=1e9,
        photo_bytes=2.5e6,
    )
    assert machines.embed(1, has_gpu=False) == pytest.approx(100)
    assert machines.embed(1, has_gpu=True) == pytest.approx(400)
    assert machines.embed(8, has_gpu=False) == machines.mount() == pytest.approx(400)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.2 s"), (40, "40 s"), (300, "5.0 min"), (7200, "2.0 h"), (100_000, "28 h"), (1.6e6, "19 days")],
)
def test_durations_are_said_in_the_unit_that_people_use(seconds: float, text: str) -> None:
    assert tell_duration(seconds) == text
