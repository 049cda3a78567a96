"""A library whose labels are tuned on half of its measured photos."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from vibe_photos.classify.stage import classify_photos
from vibe_photos.cli import main
from vibe_photos.configuration import RESOLVED, read_resolved
from vibe_photos.errors import ConfigurationError, InputError
from vibe_photos.evaluate.stage import evaluate_labels
from vibe_photos.human_truth.labels import AUDITED_FILE
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth, truth_object
from vibe_photos.records.label_tables import ScoreTable, read_scores, write_scores
from vibe_photos.records.splits import Membership
from vibe_photos.settings import Paths, Settings
from vibe_photos.split.stage import write_splits
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import write_jsonl
from vibe_photos.thresholds.proposals import TOO_FEW, tune_thresholds
from vibe_photos.thresholds.sweep import Aim, LabelScores

F1 = Aim("f1")
COUNT = 160
KEYS = [
    "attr.has_person", "attr.has_text", "attr.is_document",
    "object.drink", "object.food", "object.food.dessert", "scene.document", "scene.food",
]  # fmt: skip


def half_of(number: int) -> str:
    return "tune" if number % 2 == 0 else "score"


def draw_truth(number: int) -> dict[str, bool]:
    """Of each half a quarter shows a person, half text, a quarter food (some of it dessert), 3 a drink."""
    return {
        "attr.has_person": number % 8 < 2,
        "attr.has_text": number % 4 < 2,
        "attr.is_document": False,
        "object.food": number % 8 in (2, 3),
        "object.food.dessert": number % 32 in (2, 3),
        "object.drink": number < 6,
    }


def make_records(change: Callable[[int, str, bool], bool]) -> list[GroundTruth]:
    """Return the audited records; `change` says what stands in one for a photo, a key and its truth."""
    records = []
    for number in range(COUNT):
        said = {key: change(number, key, value) for key, value in draw_truth(number).items()}
        objects = [key for key in ("object.drink", "object.food.dessert") if said[key]]
        objects += ["object.food"] if said["object.food"] and not said["object.food.dessert"] else []
        attributes = {key: value for key, value in said.items() if key.startswith("attr.")}
        records.append(
            GroundTruth(
                image_id=f"{number:032x}", scene=["scene.food"], attributes=attributes, objects=objects
            )
        )
    return records


def as_drawn(number: int, key: str, value: bool) -> bool:
    return value


def write_audited(run: Settings, change: Callable[[int, str, bool], bool] = as_drawn) -> None:
    drawn = {"inclusion_probability": 0.5}
    write_json(
        run.paths.human / AUDITED_FILE, [truth_object(record) | drawn for record in make_records(change)]
    )


def draw_probabilities() -> np.ndarray:
    """Return timid scores: what is shown has about 0.3, what is not about 0.1; nothing reaches 0.5."""
    generator = np.random.default_rng(0)
    probability = np.zeros((COUNT, len(KEYS)))
    for column, key in enumerate(KEYS):
        for number in range(COUNT):
            centre = 0.3 if draw_truth(number).get(key) else 0.1
            probability[number, column] = np.clip(centre + generator.normal(0, 0.04), 0.001, 0.499)
    return probability.round(6)


@pytest.fixture
def run(tmp_path: Path, repository: Path) -> Settings:
    settings = read_resolved(repository)
    places = {name: tmp_path / getattr(settings.paths, name) for name in Paths.__struct_fields__}
    settings = msgspec.structs.replace(settings, paths=Paths(**places))
    paths, probability = settings.paths, draw_probabilities()
    ids = [f"{number:032x}" for number in range(COUNT)]
    write_scores(paths.probabilities, ScoreTable(ids, KEYS, probability, probability, probability * np.nan))
    members = {
        i: Membership(group=i, fold=n % 5, role="reserved", number=n / COUNT, half=half_of(n))
        for n, i in enumerate(ids)
    }
    write_splits(paths.splits, members)
    write_audited(settings)
    return settings


def test_every_label_that_a_threshold_decides_is_judged(run):
    choices = tune_thresholds(run, F1).choices
    # The configuration lets the scene decide is_document and is_screenshot.
    assert [key for key in choices if key.startswith("attr.")] == [
        "attr.has_animal", "attr.has_person", "attr.has_text",
    ]  # fmt: skip
    assert choices["attr.has_animal"].reason == TOO_FEW
    assert choices["attr.has_animal"].active == choices["attr.has_animal"].current == 0.5
    # Of the tune half 20 of 80 show a person, 20 food, 5 of them dessert, and 3 a drink.
    assert {key: choice.positives for key, choice in choices.items() if choice.is_new} == {
        "attr.has_person": 20, "attr.has_text": 40, "object.food": 20,
    }  # fmt: skip
    for key, positives in (("object.food.dessert", 5), ("object.drink", 3)):
        assert (choices[key].positives, choices[key].reason) == (positives, TOO_FEW)


def test_what_it_is_worth_is_told_for_both_halves(run):
    tuning = tune_thresholds(run, F1)
    assert (tuning.tune_photos, tuning.score_photos) == (80, 80)
    trial = tuning.choices["attr.has_person"].trial
    assert trial.now == LabelScores(None, 0.0, 0.0)
    assert trial.in_sample == LabelScores(1.0, 1.0, 1.0)
    assert 0.9 < trial.cross_validated.f1 <= 1.0
    assert trial.share == pytest.approx(0.25, abs=0.02)
    assert tuning.scored_now["attr.has_person"].recall == 0.0
    assert tuning.scored_then["attr.has_person"].recall > 0.9


def evaluate(run: Settings, tuned_on: str) -> dict:
    """Return what `evaluate` says of the labels against people; the teacher has answered nothing."""
    write_jsonl(run.paths.auto / ALL_LABELS, [])
    classify = msgspec.structs.replace(run.classify, tuned_on=tuned_on)
    evaluate_labels(msgspec.structs.replace(run, truth="human", classify=classify))
    return json.loads((run.paths.eval / "human" / "metrics.json").read_text())


def test_scores_are_what_evaluation_says_of_the_same_thresholds(run):
    tuning = tune_thresholds(run, Aim("recall", 0.8))
    changes = tuning.list_changes()
    classify = msgspec.structs.replace(
        run.classify,
        attribute_threshold=run.classify.attribute_threshold | changes["attribute_threshold"],
        object_threshold=run.classify.object_threshold | changes["object_threshold"],
    )
    classify_photos(msgspec.structs.replace(run, classify=classify))
    figures = evaluate(run, "human_tune_half")
    assert (figures["n"], figures["scored_on"]) == (80, "score half, thresholds were tuned on the other")
    for name in ("has_person", "has_text"):
        told, scores = figures["attributes"][name], tuning.scored_then[f"attr.{name}"]
        assert (told["precision"], told["recall"]) == pytest.approx(
            (scores.precision, scores.recall), abs=1e-4
        )


def test_half_of_a_library_that_was_audited_whole_has_an_interval(run):
    classify_photos(run)
    drawn = [truth_object(record) | {"inclusion_probability": 1.0} for record in make_records(as_drawn)]
    write_json(run.paths.human / AUDITED_FILE, drawn)
    ends = {
        tuned_on: evaluate(run, tuned_on)["scene"]["accuracy_interval"]
        for tuned_on in ("none", "human_tune_half")
    }
    # Whole, nothing is left to chance; the half that is scored is a sample of the library.
    assert ends["none"][0] == ends["none"][1]
    assert ends["human_tune_half"][1] - ends["human_tune_half"][0] > 0.05


def test_the_half_that_is_scored_decides_nothing(run):
    tuning = tune_thresholds(run, F1)
    write_audited(run, lambda number, key, value: value != (half_of(number) == "score"))
    other = tune_thresholds(run, F1)
    assert other.choices == tuning.choices
    assert other.scored_then != tuning.scored_then


def test_the_half_that_is_tuned_on_decides(run):
    tuning = tune_thresholds(run, F1)
    write_audited(run, lambda number, key, value: value != (half_of(number) == "tune"))
    assert tune_thresholds(run, F1).choices["attr.has_person"] != tuning.choices["attr.has_person"]


def test_a_label_is_asserted_with_what_stands_below_it(run):
    """Where dessert has the threshold 0 every photo shows dessert, and so food: no threshold is precise."""
    classify = msgspec.structs.replace(run.classify, object_threshold={"default": 0.5, "dessert": 0.0})
    choice = tune_thresholds(msgspec.structs.replace(run, classify=classify), Aim("precision", 0.5)).choices
    assert choice["object.food.dessert"].reason == TOO_FEW
    assert choice["object.food"].reason == "no threshold reaches a precision of at least 0.5"
    assert choice["object.food"].active == 0.5


def test_labels_that_share_a_name_share_a_threshold_and_get_none(run):
    taxonomy = msgspec.structs.replace(
        run.taxonomy, objects=run.taxonomy.objects | {"toy_food": "object.toy.food"}
    )
    choices = tune_thresholds(msgspec.structs.replace(run, taxonomy=taxonomy), F1).choices
    assert choices["object.food"].reason == "another label is called food too, and shares its threshold"


def test_nothing_measured_yet_leaves_all_as_they_are(run):
    (run.paths.human / AUDITED_FILE).unlink()
    tuning = tune_thresholds(run, F1)
    assert {choice.reason for choice in tuning.choices.values()} == {TOO_FEW}
    assert tuning.scored_then["attr.has_person"].recall is None


def test_what_is_missing_is_named(run):
    wrong = msgspec.structs.replace(run.classify, object_threshold={"default": 0.5, "keybord": 0.5})
    with pytest.raises(ConfigurationError, match="keybord"):
        tune_thresholds(msgspec.structs.replace(run, classify=wrong), F1)
    run.paths.probabilities.unlink()
    with pytest.raises(InputError, match="probabilities"):
        tune_thresholds(run, F1)


@pytest.fixture
def folder(run: Settings, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with that library, the repository's configuration and params."""
    (tmp_path / RESOLVED).parent.mkdir(parents=True)
    (tmp_path / RESOLVED).write_bytes((repository / RESOLVED).read_bytes())
    (tmp_path / "conf").symlink_to(repository / "conf")
    (tmp_path / "params.yaml").write_bytes((repository / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_shows_and_writes_nothing(folder, capsys):
    params = (folder / "params.yaml").read_bytes()
    assert main(["thresholds"]) == 0
    out = capsys.readouterr().out
    row = next(line.split() for line in out.splitlines() if line.startswith("has_person"))
    assert row[1:3] == ["20", "0.5"]
    assert row[4] == "0.00"
    assert "has_animal (0)" in out
    assert "nothing is written yet: run again with --write" in out
    assert (folder / "params.yaml").read_bytes() == params


def test_the_command_writes_and_says_what_follows(folder, capsys):
    assert main(["thresholds", "--aim", "recall=0.9", "--write"]) == 0
    assert "score half, thresholds were tuned on the other" in capsys.readouterr().out
    written = msgspec.yaml.decode((folder / "params.yaml").read_bytes())["classify"]
    assert written["tuned_on"] == "human_tune_half"
    assert written["attribute_threshold"]["has_person"] < 0.4
    assert written["object_threshold"].keys() == {"default", "keyboard", "food"}


def test_a_wrong_aim_is_a_sentence(folder, capsys):
    assert main(["thresholds", "--aim", "recall=90"]) == 1
    assert "error: no such aim: recall=90" in capsys.readouterr().err


def make_sure(run: Settings) -> None:
    """Let the student say 0.6 or 0.4 of attributes, right about nine of ten; of objects, their share."""
    scores = read_scores(run.paths.probabilities)
    scores.probability[:, 3:6] = 3 / 80, 1 / 4, 1 / 16
    truth = np.column_stack([np.arange(160) % 8 < 2, np.arange(160) % 4 < 2])
    wrong = np.random.default_rng(0).random(truth.shape) < 0.1
    scores.probability[:, :2] = np.where(truth != wrong, 0.6, 0.4)
    write_scores(run.paths.probabilities, scores)


def test_the_command_writes_what_helps_and_says_why_the_rest_does_not(run, folder, capsys):
    make_sure(run)
    assert main(["calibrate"]) == 0
    said = capsys.readouterr().out
    assert "nothing is written yet: run again with --write" in said
    refused = said.partition("not proposed:")[2]
    assert "object: it makes the log loss larger on photos that it was not fitted to" in refused
    assert "attribute: " not in refused
    row = next(line.split() for line in said.splitlines() if line.startswith("attribute"))
    assert row[1:3] == ["80", "1"]
    error_now, error_then = map(float, row[-2:])
    assert error_then < error_now / 2
    assert main(["calibrate", "--write"]) == 0
    assert "written to params.yaml under classify: 2 in temperature; now" in capsys.readouterr().out
    written = msgspec.yaml.decode((folder / "params.yaml").read_bytes())["classify"]
    assert written["temperature"].keys() == {"scene", "attribute"}
    assert written["temperature"]["attribute"] == float(row[3])
    assert written["tuned_on"] == "human_tune_half"
    assert 0.05 < written["temperature"]["attribute"] < 0.5
    assert set(written["attribute_threshold"].values()) == {0.5}
