import json
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.unit.hand_made_library import write_truth

from vibe_photos.errors import InputError
from vibe_photos.evaluate.stage import evaluate_labels
from vibe_photos.human_truth.draws import Draw, make_stratum, write_draw
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.splits import Membership
from vibe_photos.settings import Settings
from vibe_photos.split.stage import write_splits

LABELS = {
    "a": {
        "scene.food": (0.8, 1), "scene.people": (0.2, 0), "attr.has_text": (0.9, 1),
        "object.electronics": (0.9, 1), "object.electronics.phone": (0.8, 1), "object.food": (0.3, 0),
    },
    "b": {
        "scene.food": (0.6, 1), "scene.people": (0.4, 0), "attr.has_text": (0.4, 0),
        "object.electronics": (0.7, 1), "object.electronics.phone": (0.1, 0), "object.food": (0.2, 0),
    },
    "c": {"attr.has_text": (0.7, 1)},
}  # fmt: skip
ROLES = {"a": "reserved", "b": "reserved", "c": "holdout", "d": "train"}


@pytest.fixture
def records(make_truth: Callable[..., GroundTruth]) -> list[GroundTruth]:
    return [
        make_truth("a", "food", ("electronics.phone",), has_text=True, has_person=False),
        make_truth("b", "people", ("electronics", "drink"), has_text=True),
        make_truth("c", "people", has_text=False),
        make_truth("d", "food"),
        make_truth("elsewhere", "food"),
    ]


def measure(
    library: Settings,
    truth: str,
    records: list[GroundTruth],
    tuned_on: str = "none",
    drawn: float | None = 0.5,
) -> dict:
    """Evaluate against records of people or of the teacher; return `metrics.json`."""
    write_truth(library, **{"people" if truth == "human" else "teacher": records}, drawn=drawn)
    classify = msgspec.structs.replace(library.classify, tuned_on=tuned_on)
    evaluate_labels(msgspec.structs.replace(library, truth=truth, classify=classify))
    return json.loads((library.paths.eval / truth / "metrics.json").read_text())


@pytest.fixture
def run(
    library: Settings, write_table: Callable[..., Path], write_roles: Callable[..., Path]
) -> Callable[..., dict]:
    def run(truth: str, records: list[GroundTruth]) -> dict:
        write_table(LABELS), write_roles(ROLES)
        return measure(library, truth, records)

    return run


def test_human_truth_counts_every_audited_photo_of_the_library(
    run: Callable, records: list[GroundTruth]
) -> None:
    figures = run("human", records)
    assert (figures["n"], figures["missing"], figures["not_in_library"], figures["trained_on"]) == (
        4,
        1,
        1,
        0,
    )
    # a is right; b is food for people; c has no scene; d has no label at all.
    scene = figures["scene"]
    assert (scene["accuracy"], scene["support"], scene["missing"]) == (0.25, 4, 2)
    assert scene["accuracy_interval"] == "n < 20"
    assert scene["confusion"] == [
        {"actual": actual, "predicted": predicted, "photos": 1}
        for actual, predicted in (("food", "missing"), ("people", "food"), ("people", "missing"))
    ]
    # food: 1 hit of 2 said, of 2 true: F1 1/2; people: never said: 0. Macro-F1 1/4.
    assert scene["per_class"] == [
        {"scene": "food", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2},
        {"scene": "people", "precision": None, "recall": 0.0, "f1": 0.0, "support": 2},
    ]
    assert scene["macro_f1"] == 0.25


def test_a_photo_trained_where_it_may_and_the_teacher_answered(
    library: Settings,
    write_table: Callable[..., Path],
    write_roles: Callable[..., Path],
    records: list[GroundTruth],
) -> None:
    write_table(LABELS), write_roles({**ROLES, "a": "train"})
    write_truth(library, records, records[3:])
    evaluate_labels(library)
    figures = json.loads((library.paths.eval / "human" / "metrics.json").read_text())
    assert figures["trained_on"] == 1  # d, and not a


def test_attributes_count_where_they_are_judged(run: Callable, records: list[GroundTruth]) -> None:
    attributes = run("human", records)["attributes"]
    # has_text: true a, b; said a, c. One hit: precision 1/2, recall 1/2. By score: a 0.9 true, c 0.7 not,
    # b 0.4 true: average precision 1/2 * 1 + 1/2 * 2/3 = 5/6.
    assert attributes["has_text"] == {
        "precision": 0.5, "precision_interval": "n < 20", "recall": 0.5, "recall_interval": "n < 20",
        "f1": 0.5, "f1_interval": "n < 20",
        "average_precision": 0.8333, "average_precision_interval": "n < 20",
        "support": 3, "positives": 2, "given": 2, "missing": 0,
    }  # fmt: skip
    assert attributes["has_person"]["missing"] == 1
    assert attributes["has_animal"]["support"] == 0
    assert attributes["has_animal"]["f1"] is None


def test_objects_are_ranked_by_what_is_most_specific(run: Callable, records: list[GroundTruth]) -> None:
    objects = run("human", records)["objects"]
    # a: phone 0.8, food 0.3, electronics 0.9 - 0.8 = 0.1: the phone is on top. b: electronics 0.7 - 0.1 = 0.6
    # on top, and true. Of the three true keys drink is given to no photo: coverage 2/3.
    assert (objects["n"], objects["top1"], objects["top3"], objects["coverage"]) == (2, 1.0, 1.0, 0.6667)
    assert objects["top1_hierarchical"] == 1.0
    assert objects["labels_given"] == 2
    assert len(objects["labels_never_given"]) == 23
    assert "object.drink" in objects["labels_never_given"]
    # Said, with ancestors: a phone and electronics, b electronics; all true, and so is drink: 3 of 4.
    assert (objects["precision"], objects["recall"], objects["f1"]) == (1.0, 0.75, 0.8571)
    # Most specific: a phone, b electronics; both true, of three true.
    exact = [objects[f"exact_{name}"] for name in ("precision", "recall", "f1")]
    assert exact == [1.0, 0.6667, 0.8]


def test_a_general_guess_is_right_of_a_more_specific_object(
    library: Settings,
    write_table: Callable[..., Path],
    write_roles: Callable[..., Path],
    make_truth: Callable[..., GroundTruth],
) -> None:
    phone, mouse = "object.electronics.phone", "object.electronics.peripheral.mouse"
    electronics = "object.electronics"
    write_roles({"a": "reserved", "b": "reserved"})
    # a: 0.9 - 0.1 - 0.1 leaves electronics 0.7; b: 0.9 - 0.5 - 0.2 leaves it 0.2, and the phone is the guess.
    write_table(
        {
            "a": {electronics: (0.9, 1), phone: (0.1, 0), mouse: (0.1, 0)},
            "b": {electronics: (0.9, 1), phone: (0.5, 1), mouse: (0.2, 0)},
        }
    )
    people = [make_truth("a", objects=("electronics.phone",)), make_truth("b", objects=("food",))]
    objects = measure(library, "human", people)["objects"]
    assert (objects["top1"], objects["top1_hierarchical"], objects["top3"]) == (0.0, 0.5, 0.5)
    # Said: electronics of a, which is right; electronics and phone of b, which are not. True: phone with
    # electronics, and food.
    assert (objects["precision"], objects["recall"]) == (0.3333, 0.3333)
    assert (objects["exact_precision"], objects["exact_recall"]) == (0.0, 0.0)


def test_auto_truth_counts_what_never_trained_by_the_teachers_scenes(
    run: Callable, records: list[GroundTruth]
) -> None:
    figures = run("auto", records)
    assert (figures["n"], figures["trained_on"], figures["truth"]) == (3, 0, "auto")
    assert (figures["library"], figures["speaks_for"], figures["scene"]["missing"]) == (4, 4, 1)
    # a stands for the two photos that the teacher calls food, b and c for themselves; only a is right.
    assert figures["scene"]["accuracy"] == 0.5


@pytest.mark.parametrize(
    ("truth", "halves", "n"),
    [("human", {"a": "score", "b": "tune"}, 1), ("human", {"a": "tune", "b": "tune"}, 0), ("auto", {}, 3)],
)
def test_photos_that_chose_thresholds_are_not_scored(
    library: Settings,
    write_table: Callable[..., Path],
    records: list[GroundTruth],
    truth: str,
    halves: dict[str, str],
    n: int,
) -> None:
    members = {
        image_id: Membership(group=image_id, fold=0, role=role, number=place / 4, half=halves.get(image_id))
        for place, (image_id, role) in enumerate(ROLES.items())
    }
    write_splits(library.paths.splits, members)
    write_table(LABELS)
    figures = measure(library, truth, records, "human_tune_half")
    assert figures["n"] == n
    said = "score half, thresholds were tuned on the other" if truth == "human" else None
    assert figures.get("scored_on") == said
    assert ("thresholds were tuned on all photos" in figures.get("how_to_begin", "")) == (n == 0)


def test_plot_files_for_dvc(run: Callable, records: list[GroundTruth], tmp_path: Path) -> None:
    run("human", records)
    plots = tmp_path / "eval" / "human" / "plots"
    assert (plots / "confusion.csv").read_text() == (
        "actual,predicted\nfood,food\npeople,food\npeople,missing\nfood,missing\n"
    )
    assert (plots / "precision_recall" / "has_text.csv").read_text() == (
        "recall,precision,threshold\n0.5000,1.0000,0.9000\n0.5000,0.5000,0.7000\n1.0000,0.6667,0.4000\n"
    )
    assert sorted(path.stem for path in (plots / "precision_recall").iterdir()) == [
        "has_animal", "has_person", "has_text", "is_document", "is_screenshot",
    ]  # fmt: skip
    # Said of a, c and b with 0.9, 0.7 and 0.4: 2/3 on average, and true of a and b; too few for more points.
    assert (plots / "calibration" / "has_text.csv").read_text().splitlines()[:2] == [
        "probability,frequency,low,high,statements",
        "0.6667,0.6667,0.2077,0.9385,3",
    ]


def test_no_truth_yet_says_how_to_begin(
    run: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        figures = run("human", [])
    assert figures["n"] == 0
    assert "vibe-photos review" in figures["how_to_begin"]
    assert figures["how_to_begin"] in caplog.text
    plots = tmp_path / "eval" / "human" / "plots"
    assert (plots / "confusion.csv").read_text() == "actual,predicted\n"
    assert (plots / "precision_recall" / "has_text.csv").read_text() == "recall,precision,threshold\n"
    assert (plots / "calibration" / "scene.csv").read_text() == "probability,frequency,low,high,statements\n"


def test_weights_reach_the_figures(run: Callable, make_truth: Callable[..., GroundTruth]) -> None:
    right, wrong = make_truth("a", "food"), make_truth("b", "people")
    right.extra["inclusion_probability"] = 0.25
    wrong.extra["inclusion_probability"] = 1.0
    figures = run("human", [right, wrong])
    # The right photo stands for four, the wrong one for itself: 4 / 5.
    assert figures["weights"] == "inclusion_probability"
    assert figures["scene"]["accuracy"] == 0.8


def write_recorded_draw(library: Settings) -> None:
    """Record a draw of five photos of food and two of people; `later` came after it."""
    strata = {"scene.food": [f"f{n}" for n in range(5)], "scene.people": ["p0", "p1"]}
    draw = Draw(number=1, how="stratified", strata={name: make_stratum(i) for name, i in strata.items()})
    write_draw(library.paths.human, draw)
    members = {
        image_id: Membership(group=image_id, fold=0, role="reserved", number=place / 10, stratum=name)
        for name, ids in strata.items()
        for place, image_id in enumerate(ids)
    }
    members["f3"] = msgspec.structs.replace(members["f3"], role="train")
    members["later"] = Membership(group="later", fold=0, role="reserved", number=0.05)
    write_splits(library.paths.splits, members)


def write_log(library: Settings, lines: list[dict]) -> None:
    times = (f"2026-01-02T10:00:{second:02}.000000Z" for second in range(60))
    log = library.paths.human / "decisions" / "ada.jsonl"
    log.parent.mkdir(exist_ok=True)
    log.write_text("".join(json.dumps({"decided_at": next(times), **line}) + "\n" for line in lines))


def test_what_counts_waits_is_skipped_or_is_ones_own_is_told_apart(
    library: Settings, write_table: Callable[..., Path], make_truth: Callable[..., GroundTruth]
) -> None:
    write_recorded_draw(library)
    write_table({i: {"scene.food": (0.9, 1)} for i in ("f0", "f1", "f2", "f3", "f4", "p0", "p1", "later")})
    food, people = {"scene": ["scene.food"]}, {"scene": ["scene.people"]}
    write_log(
        library,
        [
            {"image_id": "f0", "purpose": "measure", "after": food},
            {"image_id": "f1", "purpose": "measure", "kind": "skip", "reason": "unclear"},
            {"image_id": "f2", "purpose": "measure", "after": people},
            {"image_id": "f3", "purpose": "teach", "after": people},
            {"image_id": "f4", "purpose": "measure", "after": food},
        ],
    )
    figures = measure(library, "human", [make_truth("later", "food"), make_truth("gone", "food")], drawn=None)
    # f0 and f2 stand for the five photos of food: f1 was shown, f3 was not (it teaches), and so f4 waits.
    assert (figures["n"], figures["weights"], figures["scene"]["accuracy"]) == (
        2, "inclusion_probability", 0.5,
    )  # fmt: skip
    counts = ("library", "speaks_for", "skipped", "waiting", "not_in_library", "trained_on")
    assert {name: figures[name] for name in counts} == {
        "library": 8, "speaks_for": 5, "skipped": 1, "waiting": 1, "not_in_library": 1, "trained_on": 0,
    }  # fmt: skip
    assert figures["unmeasured_strata"] == {"not in a draw yet": 1, "scene.people": 2}
    assert figures["about"] == "the library of today without the 1 photo that came after the last draw"
    assert figures["to_speak_for_all"] == (
        "run dvc repro and vibe-photos review, which shows photos of each of these: "
        "not in a draw yet (1 photo), people (2 photos)"
    )
    own = figures["own_set"]
    assert (own["n"], own["weights"], own["scene"]["accuracy"]) == (1, "none", 1.0)


def test_an_own_set_alone_says_nothing_about_the_library(
    library: Settings,
    write_table: Callable[..., Path],
    write_roles: Callable[..., Path],
    records: list[GroundTruth],
) -> None:
    write_table(LABELS), write_roles(ROLES)
    figures = measure(library, "human", records, drawn=None)
    assert (figures["n"], figures["speaks_for"], figures["library"]) == (0, 0, 4)
    assert "scene" not in figures
    assert "prediction_powered" not in figures
    # As above, with the same weight for all: only a of four is right.
    assert (figures["own_set"]["n"], figures["own_set"]["scene"]["accuracy"]) == (4, 0.25)


def test_missing_splits_are_named(library: Settings, write_table: Callable[..., Path]) -> None:
    write_table(LABELS)
    with pytest.raises(InputError, match=r"splits\.json does not exist"):
        evaluate_labels(library)


def test_same_inputs_same_bytes(run: Callable, records: list[GroundTruth], tmp_path: Path) -> None:
    run("human", records)
    first = {path: path.read_bytes() for path in (tmp_path / "eval").rglob("*") if path.is_file()}
    run("human", records)
    assert {path: path.read_bytes() for path in first} == first
