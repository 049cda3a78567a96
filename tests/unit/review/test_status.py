import json
from pathlib import Path

import msgspec
import pytest
from tests.unit.reviewed_library import IDS, TRAINED, audit, write_memberships, write_reviewed_library

from vibe_photos.human_truth.labels import DECISIONS_FOLDER
from vibe_photos.human_truth.sample import read_measured_sample, read_sampled
from vibe_photos.records.ground_truth import Decision
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.review.draw_record import record_draw
from vibe_photos.review.status import (
    FigureStatus,
    count_leaving,
    describe_status,
    expect_shrinkage,
    measure_status,
)
from vibe_photos.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, repository: Path) -> Settings:
    return write_reviewed_library(tmp_path, repository)


def read_blocks(settings: Settings) -> tuple[list[str], list[str]]:
    """Return the lines of the two blocks."""
    measuring, teaching = describe_status(settings).split("\n\n")
    return measuring.splitlines(), teaching.splitlines()


def read_figures(settings: Settings) -> dict[str, FigureStatus]:
    paths = settings.paths
    sample = read_measured_sample(paths.human, settings.taxonomy, read_splits(paths.splits))
    return {figure.name: figure for figure in measure_status(settings, sample)}


def decide(settings: Settings, lines: list[Decision]) -> None:
    """Write ada's log."""
    path = settings.paths.human / DECISIONS_FOLDER / "ada.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def make_decision(number: int, image_id: str, **said: object) -> Decision:
    time = f"2026-01-02T10:{number // 60:02}:{number % 60:02}.000000Z"
    return msgspec.convert({"image_id": image_id, "decided_at": time, **said}, Decision)


def test_before_anybody_checks_both_queues_wait_and_there_is_no_figure(settings: Settings) -> None:
    measuring, teaching = read_blocks(settings)
    assert measuring == [
        "MEASURE: photos drawn at random, for the figures about the library. They never train.",
        "  0 of 24 photos of the sample are checked, 0 skipped.",
        "  There are no figures about the library yet.",
        "  Next: vibe-photos review",
    ]
    # Worth a look is p59 alone: the student calls it food, and is sure; it agrees on the other nineteen.
    assert teaching == [
        "TEACH: chosen photos, for the student. It learns your answers instead of the teacher's.",
        "  Taught so far: 0 photos. Worth a look: 1 photo.",
        "  Next: vibe-photos review, Teach at the top of the page; then dvc repro",
    ]


def test_photos_of_the_sample_are_told_from_ones_own(settings: Settings) -> None:
    queue = list(read_sampled(settings.paths.sample))
    own = next(image_id for image_id in IDS if image_id not in queue)
    audit(settings, [*queue[:12], own])
    measuring, _ = read_blocks(settings)
    assert measuring[1:3] == [
        "  12 of 24 photos of the sample are checked, 0 skipped.",
        "  Your own set, in no figure about the library: 1 photo.",
    ]
    assert measuring[-1] == "  Next: vibe-photos review"


def test_what_was_checked_out_of_turn_waits_and_skips_are_counted(settings: Settings) -> None:
    record_draw(settings)
    write_memberships(settings)
    members = read_splits(settings.paths.splits)
    strata: dict[str, list[str]] = {}
    for image_id in sorted(IDS, key=lambda one: members[one].number):
        strata.setdefault(str(members[image_id].stratum), []).append(image_id)
    food, people = strata["scene.food"], strata["scene.people"]
    truth = {"scene": ["scene.food"], "attributes": {"attr.has_text": False}}
    decide(
        settings,
        [
            make_decision(0, food[0], after=truth),
            make_decision(1, food[1], kind="skip", reason="too dark"),
            make_decision(2, food[2], after=truth),
            make_decision(3, people[1], after=truth),
        ],
    )
    measuring, _ = read_blocks(settings)
    assert measuring[1:4] == [
        "  3 of 24 photos of the sample are checked, 1 skipped.",
        "  Checked out of order: 1 photo. They count once those before them are shown.",
        "  The figures do not cover: People (40 photos). Check the next photos of the sample.",
    ]


def test_figures_have_their_interval_and_what_a_hundred_more_would_give(settings: Settings) -> None:
    audit(settings, list(read_sampled(settings.paths.sample)))
    figures = read_figures(settings)
    text = figures["Text share"]
    # 40 of 60 photos have text, and so says the sample, since people agree with the teacher who stratified.
    assert text.value == pytest.approx(2 / 3)
    assert text.interval.low < 2 / 3 < text.interval.high
    assert text.width_after == 0  # 24 and a hundred are more than the 60 there are
    assert figures["Animal share"].interval.reason == "n < 20"
    measuring, _ = read_blocks(settings)
    assert measuring[1] == "  24 of 24 photos of the sample are checked, 0 skipped."
    assert any(
        line.startswith("  Student's scene accuracy ") and line.endswith("0.000") for line in measuring
    )


def test_a_finished_sample_says_what_a_larger_one_takes_from_training(settings: Settings) -> None:
    audit(settings, list(read_sampled(settings.paths.sample)))
    # The library has 36 more: all twenty photos that trained the heads are among them.
    assert read_blocks(settings)[0][-1] == (
        "  For 36 more, set sample.size to 60 in params.yaml and run dvc repro: "
        "about 20 of them leave training."
    )


def test_a_larger_sample_takes_from_the_holdout_first() -> None:
    def member(role: str, number: float) -> Membership:
        return msgspec.convert({"group": "", "fold": 0, "role": role, "number": number}, Membership)

    numbers = {"a": ("reserved", 0.01), "b": ("holdout", 0.05), "c": ("holdout", 0.09), "d": ("train", 0.11)}
    members = {image_id: member(*one) for image_id, one in numbers.items()} | {"e": member("train", 0.5)}
    # e may train, but no head learnt from it: the teacher did not answer.
    assert [count_leaving(members, {"d"}, more) for more in (1, 2, 3, 4, 100)] == [0, 0, 1, 1, 1]


def test_teaching_says_what_was_changed_and_how_good_the_heads_are(settings: Settings) -> None:
    decide(settings, [make_decision(0, "p59", purpose="teach", after={"scene": ["scene.food"]})])
    metric = settings.paths.eval / "teach.json"
    metric.parent.mkdir(parents=True, exist_ok=True)
    changed = {"scene": 1, "attribute": 0, "object": 2}
    counts = {head: {"labels_changed": count} for head, count in changed.items()}
    metric.write_text(json.dumps({"photos_taught": 1, **counts}))
    quality = {"cross_validation": {"accuracy": 0.8125}}
    (metric.parent / "train_scene.json").write_text(json.dumps(quality))
    _, teaching = read_blocks(settings)
    assert teaching[1:] == [
        "  Taught so far: 1 photo. Worth a look: 0 photos.",
        "  At the last dvc repro 1 photo taught, of which you changed 1 scene label, 0 attribute labels, "
        "2 object labels.",
        "  Student's agreement with the scene labels of photos it had not learned from: 0.812",
        "  Next: vibe-photos review, Teach at the top of the page; then dvc repro",
    ]


def test_teaching_moves_no_figure_about_the_library(settings: Settings) -> None:
    audit(settings, list(read_sampled(settings.paths.sample))[:22])
    before = read_figures(settings)
    taught = [i for i in TRAINED if i not in read_sampled(settings.paths.sample)]
    wrong = {"scene": ["scene.food"], "attributes": {"attr.has_text": False}}
    decide(settings, [make_decision(n, i, purpose="teach", after=wrong) for n, i in enumerate(taught)])
    assert read_figures(settings) == before


def test_intervals_narrow_as_the_part_not_seen_does() -> None:
    # 1/100 - 1/1000 = 0.009 becomes 1/200 - 1/1000 = 0.004: a width of 2/3.
    assert expect_shrinkage(100, 1000, 100) == pytest.approx(2 / 3)
    assert expect_shrinkage(950, 1000, 100) == 0
    assert expect_shrinkage(1000, 1000, 100) == 0


def test_shares_rest_on_both_halves_of_the_sample(settings: Settings) -> None:
    sampled = list(read_sampled(settings.paths.sample))
    audit(settings, sampled)
    halves = {i: "tune" if place % 3 else "score" for place, i in enumerate(sampled)}
    memberships = {
        i: msgspec.structs.replace(one, half=halves.get(i))
        for i, one in read_splits(settings.paths.splits).items()
    }
    halved, whole = (
        read_measured_sample(settings.paths.human, settings.taxonomy, memberships, half)
        for half in ("score", None)
    )
    found = {one.name: one for one in measure_status(settings, halved, whole)}
    assert (len(halved.records), len(whole.records)) == (8, 24)
    assert found["Text share"] == read_figures(settings)["Text share"]
    assert found["Student's scene accuracy"].interval.reason == "n < 20"  # of the eight of one half
