"""Thresholds that look best on the photos that chose them, and are not proposed; every figure is by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from vibe_photos.cli import main
from vibe_photos.configuration import RESOLVED, read_resolved
from vibe_photos.heads.out_of_fold import write_out_of_fold
from vibe_photos.human_truth.labels import AUDITED_FILE
from vibe_photos.human_truth.sample import MeasuredSample, StratumCount
from vibe_photos.records.label_tables import ScoreTable, write_scores
from vibe_photos.records.splits import Membership
from vibe_photos.settings import Paths, Settings
from vibe_photos.split.stage import write_splits
from vibe_photos.storage.files import write_json
from vibe_photos.thresholds.proposals import TOO_FEW, Choice, find_covered, tune_thresholds
from vibe_photos.thresholds.sweep import Aim

F1 = Aim("f1")
PERSON = "attr.has_person"

Photo = tuple[int, dict[str, float], set[str]]
"""Fold, scores and people's labels of a photo of the tune half."""


@pytest.fixture
def run(tmp_path: Path, repository: Path) -> Settings:
    """Return settings whose files lie in `tmp_path`; every threshold in use is 0.5."""
    settings = read_resolved(repository)
    places = {name: tmp_path / getattr(settings.paths, name) for name in Paths.__struct_fields__}
    return msgspec.structs.replace(settings, paths=Paths(**places))


def write_library(
    run: Settings, measured: Sequence[Photo], others: Sequence[Mapping[str, float]] = ()
) -> None:
    """Write a library: its tune half, drawn uniformly, and the scores of the photos nobody measured."""
    scores = [*(scores for _, scores, _ in measured), *others]
    ids, keys = [f"{number:032x}" for number in range(len(scores))], sorted(scores[0])
    probability = np.array([[one[key] for key in keys] for one in scores])
    write_scores(
        run.paths.probabilities, ScoreTable(ids, keys, probability, probability, probability * np.nan)
    )
    members = {i: Membership(group=i, fold=0, role="train", number=0.9) for i in ids}
    records = []
    for image_id, (fold, _, labels) in zip(ids, measured, strict=False):
        members[image_id] = Membership(group=image_id, fold=fold, role="reserved", number=0.1, half="tune")
        record = {
            "image_id": image_id,
            "scene": ["scene.other"],
            "attributes": {PERSON: PERSON in labels},
            "objects": sorted(labels - {PERSON}),
            "inclusion_probability": len(measured) / len(ids),
        }
        records.append(record)
    write_splits(run.paths.splits, members)
    write_json(run.paths.human / AUDITED_FILE, records)


def persons(fold: int, score: float, is_person: bool, count: int = 1) -> list[Photo]:
    return [(fold, {PERSON: score}, {PERSON} if is_person else set())] * count


def choose_person(run: Settings, aim: Aim = F1) -> Choice:
    return tune_thresholds(run, aim).choices[PERSON]


def test_a_threshold_that_labels_the_whole_library_is_refused(run, tmp_path, repository, monkeypatch, capsys):
    """347 photos score 0.274 at least; of 50 that people measured 40 show a person.

    The only division lies half-way to 0, at 0.137: F1 = 2 * 40 / (50 + 40) instead of 0. It labels 347 of 347
    photos; Wilson's interval of 40 of 50, with 50 / (1 - 50/347) = 58.4 photos, is 0.680 to 0.883.
    """
    measured = [
        p for fold in range(5) for p in persons(fold, 0.274, True, 8) + persons(fold, 0.274, False, 2)
    ]
    write_library(run, measured, [{PERSON: 0.274}] * 297)
    choice = choose_person(run)
    assert (choice.trial.threshold, choice.trial.share) == (0.137, 1.0)
    assert choice.trial.cross_validated.f1 == pytest.approx(80 / 90)
    assert (choice.active, choice.is_new) == (0.5, False)
    assert choice.reason == (
        "would label 100.0% of the library, but by people's measurements 68.0% to 88.3% have it"
    )
    # Who asks for recall alone accepts it; who asks for precision does not.
    assert choose_person(run, Aim("recall", 0.9)).active == 0.137
    assert choose_person(run, Aim("precision", 0.7)).active == 0.5

    (tmp_path / RESOLVED).parent.mkdir(parents=True)
    (tmp_path / RESOLVED).write_bytes((repository / RESOLVED).read_bytes())
    (tmp_path / "conf").symlink_to(repository / "conf")
    (tmp_path / "params.yaml").write_bytes((repository / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert main(["thresholds", "--write"]) == 0
    out = capsys.readouterr().out
    assert "tried, and not proposed:\nhas_person 0.137: would label 100.0% of the library" in out
    assert "there is no proposal, and nothing to write" in out
    assert (tmp_path / "params.yaml").read_bytes() == (repository / "params.yaml").read_bytes()


def test_the_teacher_chooses_no_threshold(run):
    """Nine of 20 measured photos show a person, one too few; the teacher's answers would choose 0.137.

    At 0.5 people's F1 is 2 * 8 / (10 + 9) = 0.84; at 0.137 every photo has a person, and it is
    2 * 9 / (20 + 9) = 0.62.
    """
    right = persons(0, 0.9, True, 8) + persons(2, 0.2, False, 9)
    wrong = persons(1, 0.6, False, 2) + persons(3, 0.2, True)
    write_library(run, right + wrong, [{PERSON: 0.2}] * 327)
    y = np.repeat(np.array([[1], [0]], np.int8), 20, axis=0)
    probabilities = np.where(y == 1, 0.174, 0.1)
    run.paths.models.mkdir()
    ids = [f"t{number}" for number in range(40)]
    for head, labels in (("attribute", [PERSON]), ("object", ["object.drink"])):
        nobody = np.zeros(y.shape, bool)
        write_out_of_fold(run.paths.models, head, ids, labels, y, nobody, probabilities, probabilities)
    choice = choose_person(run)
    assert (choice.positives, choice.trial, choice.active, choice.reason) == (9, None, 0.5, TOO_FEW)


def test_a_threshold_that_one_photo_chose_is_a_tie_and_the_current_one_stays(run):
    """Nine persons score 0.9, the tenth 0.3, the others 0.2: 0.25 finds all, and 0.5 nine of ten.

    Without the tenth 0.55 is best, and does not find it: in cross-validation F1 is 18/19, as with 0.5.
    """
    photos = persons(0, 0.3, True) + [p for fold in range(1, 4) for p in persons(fold, 0.9, True, 3)]
    write_library(run, [*photos, *(p for fold in range(5) for p in persons(fold, 0.2, False, 2))])
    choice = choose_person(run)
    assert (choice.trial.threshold, choice.trial.in_sample.f1) == (0.25, 1.0)
    assert choice.trial.cross_validated.f1 == choice.trial.now.f1 == pytest.approx(18 / 19)
    assert choice.active == 0.5
    assert choice.reason == "no better in cross-validation: F1 0.95, with the current threshold 0.95"


def test_a_threshold_that_near_duplicates_chose_is_worse_and_refused(run):
    """Two near-duplicates score 0.3, a photo of nobody 0.35; eight persons 0.9, the others 0.2.

    At 0.5 F1 is 2 * 8 / (8 + 10) = 16/18, at 0.25 20/21. Without the duplicates' fold 0.625 is best, which
    misses both; without the photo of nobody 0.25 is, which labels it: F1 is 2 * 8 / (9 + 10) = 16/19.
    """
    photos = persons(0, 0.3, True, 2) + persons(1, 0.35, False) + persons(2, 0.9, True, 4)
    photos += persons(3, 0.9, True, 4) + [p for fold in range(5) for p in persons(fold, 0.2, False, 2)]
    write_library(run, photos)
    choice = choose_person(run)
    assert choice.trial.threshold == 0.25
    figures = [choice.trial.now.f1, choice.trial.in_sample.f1, choice.trial.cross_validated.f1]
    assert figures == pytest.approx([16 / 18, 20 / 21, 16 / 19])
    assert choice.active == 0.5
    assert choice.reason == "no better in cross-validation: F1 0.84, with the current threshold 0.89"


def test_a_threshold_that_makes_a_label_above_it_worse_is_refused(run):
    """Ten desserts and five photos without food score 0.3 as dessert: 0.175 is best, with F1 20/25.

    Food is found without error so far; with dessert's new threshold the five are food too.
    """
    dessert, food = "object.food.dessert", "object.food"
    kinds = [
        (10, {PERSON: 0.1, dessert: 0.3, food: 0.9}, {dessert}),
        (5, {PERSON: 0.1, dessert: 0.3, food: 0.1}, set()),
        (10, {PERSON: 0.1, dessert: 0.05, food: 0.1}, set()),
    ]
    write_library(run, [(n % 5, scores, labels) for count, scores, labels in kinds for n in range(count)])
    choices = tune_thresholds(run, F1).choices
    assert choices[dessert].trial.threshold == 0.175
    assert choices[dessert].trial.cross_validated.f1 == pytest.approx(20 / 25)
    assert choices[dessert].reason == "makes food worse in cross-validation: F1 0.80, now 1.00"
    assert choices[food].reason == "the current threshold is the best"


def test_a_threshold_of_a_label_below_counts_in_the_one_above(run):
    """Dessert's new threshold 0.175 finds ten desserts that food's own score misses, not five other dishes.

    Food at 0.5 then has F1 2 * 10 / (10 + 15) = 0.8; at 0.15 it finds these dishes (0.2) too.
    """
    dessert, food = "object.food.dessert", "object.food"
    kinds = [
        (10, {PERSON: 0.1, dessert: 0.3, food: 0.1}, {dessert}),
        (5, {PERSON: 0.1, dessert: 0.05, food: 0.2}, {food}),
        (10, {PERSON: 0.1, dessert: 0.05, food: 0.1}, set()),
    ]
    write_library(run, [(n % 5, scores, labels) for count, scores, labels in kinds for n in range(count)])
    choices = tune_thresholds(run, F1).choices
    assert (choices[dessert].active, choices[food].active) == (0.175, 0.15)
    assert choices[food].trial.now.f1 == pytest.approx(0.8)
    assert choices[food].trial.cross_validated.f1 == 1.0
    assert choices[food].trial.share == 15 / 25


def test_the_share_is_of_the_photos_for_which_people_speak():
    members = {
        name: Membership(group=name, fold=0, role="train", number=0.9, stratum=stratum)
        for name, stratum in (("a", "scene.food"), ("b", "scene.other"), ("late", None))
    }
    strata = {"scene.food": StratumCount(1, 1), "scene.other": StratumCount(1, 0)}
    tune = MeasuredSample(strata=strata)
    assert find_covered(["a", "b", "late", "gone"], members, tune).tolist() == [True, False, True, False]
    tune.strata["not in a draw yet"] = StratumCount(1, 0)
    assert find_covered(["a", "b", "late"], members, tune).tolist() == [True, False, False]
