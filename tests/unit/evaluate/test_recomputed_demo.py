"""The demo's figures, computed again from its files by pandas and scikit-learn: an independent path.

Nothing of the package is used but the stage that is checked. The weights too come from the files: the photos
of each stratum in the order of their permanent numbers, up to the first that nobody judged.
"""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_recall_fscore_support,
)
from sklearn.preprocessing import MultiLabelBinarizer

from vibe_photos.configuration import read_resolved
from vibe_photos.evaluate.stage import evaluate_labels

ATTRIBUTES = ("has_animal", "has_person", "has_text", "is_document", "is_screenshot")
HALF_A_DIGIT = 5.1e-5
"""Figures have four decimals."""


@pytest.fixture(scope="module")
def files(repository: Path) -> Path:
    if not (repository / "data" / "labels" / "labels.sqlite").exists():
        pytest.skip("the demo's labels are not here: dvc repro")
    return repository / "data"


@pytest.fixture(scope="module")
def figures(files: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Return what stage `evaluate` says of the files as they are."""
    settings = read_resolved(repository)
    places = {"eval": tmp_path_factory.mktemp("eval"), "labels": files / "labels" / "labels.sqlite"}
    places |= {"splits": files / "ground_truth" / "splits.json", "human": files / "human"}
    places |= {"auto": files / "ground_truth" / "auto"}
    paths = msgspec.structs.replace(settings.paths, **places)
    evaluate_labels(msgspec.structs.replace(settings, paths=paths, truth="human"))
    return json.loads((places["eval"] / "human" / "metrics.json").read_text())


@pytest.fixture(scope="module")
def photos(files: Path) -> pd.DataFrame:
    """Return a row a measured photo: its weight, what people say and what the student says."""
    splits = pd.read_json(files / "ground_truth" / "splits.json", orient="index", convert_axes=False)
    said = pd.DataFrame(json.loads((files / "human" / "ground_truth_human.audited.json").read_text()))
    said = said.set_index("image_id")
    splits["judged"] = splits.index.isin(said.index)
    in_order = splits.sort_values("number")
    in_order["counts"] = in_order.groupby("stratum")["judged"].cummin()
    by_stratum = in_order.groupby("stratum")["counts"]
    weights = (by_stratum.transform("size") / by_stratum.transform("sum"))[in_order["counts"]]
    truth = said["attributes"].apply(pd.Series).add_prefix("true ").loc[weights.index]
    with sqlite3.connect(files / "labels" / "labels.sqlite") as database:
        labels = pd.read_sql("SELECT image_id, label_key, score, value FROM label_assignment", database)
    table = labels.pivot(index="image_id", columns="label_key").loc[weights.index]
    scenes = table["value"].filter(like="scene.")
    return truth.assign(
        weight=weights,
        scene=said["scene"].str[0],
        student=scenes.idxmax(axis=1),
        scene_score=table["score"].filter(like="scene.").max(axis=1),
        **{f"says {name}": table["value"][f"attr.{name}"] for name in ATTRIBUTES},
        **{f"score {name}": table["score"][f"attr.{name}"] for name in ATTRIBUTES},
    )


@pytest.fixture(scope="module")
def objects(files: Path, photos: pd.DataFrame) -> pd.DataFrame:
    """Return a row a measured photo: its objects by people and by the student, and their scores."""
    said = pd.DataFrame(json.loads((files / "human" / "ground_truth_human.audited.json").read_text()))
    with sqlite3.connect(files / "labels" / "labels.sqlite") as database:
        query = "SELECT image_id, label_key, score, value FROM label_assignment WHERE level = 'object'"
        labels = pd.read_sql(query, database)
    given = labels[labels["value"] == 1].groupby("image_id")["label_key"].agg(set)
    return pd.DataFrame(
        {
            "weight": photos["weight"],
            "true": said.set_index("image_id")["objects"].map(set).loc[photos.index],
            "said": [given.get(image_id, set()) for image_id in photos.index],
        }
    ).join(labels.pivot(index="image_id", columns="label_key", values="score"))


@pytest.fixture(scope="module")
def keys(files: Path) -> list[str]:
    with sqlite3.connect(files / "labels" / "labels.sqlite") as database:
        return sorted(key for (key,) in database.execute("SELECT key FROM label WHERE level = 'object'"))


def list_prefixes(key: str) -> list[str]:
    """Return `object.a.b` and `object.a` of `object.a.b`."""
    parts = key.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 1, -1)]


def close(found: set[str], keys: list[str]) -> set[str]:
    return {prefix for key in found for prefix in list_prefixes(key) if prefix in keys}


def sharpen(found: set[str], _: list[str]) -> set[str]:
    return {key for key in found if not any(key in list_prefixes(other)[1:] for other in found)}


@pytest.mark.parametrize(("prefix", "rule"), [("", close), ("exact_", sharpen)])
def test_objects_with_their_ancestors_and_exactly(
    objects: pd.DataFrame,
    keys: list[str],
    figures: dict,
    prefix: str,
    rule: Callable[[set[str], list[str]], set[str]],
) -> None:
    binarizer = MultiLabelBinarizer(classes=keys)
    true, said = (
        binarizer.fit_transform([rule(s, keys) for s in objects[name]]) for name in ("true", "said")
    )
    *expected, _ = precision_recall_fscore_support(
        true, said, average="micro", sample_weight=objects["weight"]
    )
    ours = [figures["objects"][prefix + name] for name in ("precision", "recall", "f1")]
    assert ours == pytest.approx(expected, abs=HALF_A_DIGIT)


def test_guesses_of_objects(objects: pd.DataFrame, keys: list[str], figures: dict) -> None:
    shown = objects[objects["true"].map(bool)]
    own = shown[keys].copy()
    for key in keys:
        parents = [prefix for prefix in list_prefixes(key)[1:] if prefix in keys]
        if parents:
            own[parents[0]] -= shown[key]

    def share(scores: pd.DataFrame, rule: Callable[[set[str], list[str]], set[str]], guesses: int) -> float:
        ranked = [
            row.sort_values(ascending=False, kind="stable").index[:guesses] for _, row in scores.iterrows()
        ]
        hits = [bool(set(best) & rule(true, keys)) for best, true in zip(ranked, shown["true"], strict=True)]
        return float(np.average(hits, weights=shown["weight"]))

    ours = figures["objects"]
    assert ours["n"] == len(shown)
    expected = [share(own, sharpen, 1), share(own, sharpen, 3), share(shown[keys], close, 1)]
    found = [ours[name] for name in ("top1", "top3", "top1_hierarchical")]
    assert found == pytest.approx(expected, abs=HALF_A_DIGIT)


def test_labels_that_no_photo_has(files: Path, objects: pd.DataFrame, keys: list[str], figures: dict) -> None:
    with sqlite3.connect(files / "labels" / "labels.sqlite") as database:
        view = pd.read_sql("SELECT objects FROM photo_labels", database)["objects"].dropna()
    given = set(",".join(view).split(","))
    assert figures["objects"]["labels_never_given"] == [key for key in keys if key not in given]
    assert figures["objects"]["labels_given"] == len(given)
    exact = objects["true"].map(lambda true: sharpen(true, keys))
    known = exact.map(lambda true: len(true & given))
    coverage = (known * objects["weight"]).sum() / (exact.map(len) * objects["weight"]).sum()
    assert figures["objects"]["coverage"] == pytest.approx(coverage, abs=HALF_A_DIGIT)


def test_weights_add_up_to_the_library(photos: pd.DataFrame, figures: dict) -> None:
    assert photos["weight"].sum() == pytest.approx(figures["speaks_for"])
    assert len(photos) == figures["n"]


def test_scenes(photos: pd.DataFrame, figures: dict) -> None:
    truth, student, weights = photos["scene"], photos["student"], photos["weight"]
    found = accuracy_score(truth, student, sample_weight=weights)
    assert figures["scene"]["accuracy"] == pytest.approx(found, abs=HALF_A_DIGIT)
    classes = sorted(truth.unique())
    macro = f1_score(truth, student, labels=classes, average="macro", sample_weight=weights)
    assert figures["scene"]["macro_f1"] == pytest.approx(macro, abs=HALF_A_DIGIT)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes(photos: pd.DataFrame, figures: dict, name: str) -> None:
    judged = photos.dropna(subset=[f"true attr.{name}"])
    truth, weights = judged[f"true attr.{name}"].astype(int), judged["weight"]
    said, scores, ours = judged[f"says {name}"], judged[f"score {name}"], figures["attributes"][name]
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, said, average="binary", sample_weight=weights
    )
    average = average_precision_score(truth, scores, sample_weight=weights)
    names = ("precision", "recall", "f1", "average_precision")
    expected = (precision, recall, f1, average)
    assert [ours[one] for one in names] == pytest.approx(expected, abs=HALF_A_DIGIT)
    of_library = figures["prediction_powered"]["attributes"][name]
    share = np.average(truth, weights=weights)
    right = accuracy_score(truth, said, sample_weight=weights)
    assert of_library["prevalence"] == pytest.approx(share, abs=HALF_A_DIGIT)
    assert of_library["accuracy"] == pytest.approx(right, abs=HALF_A_DIGIT)


def test_calibration_errors(photos: pd.DataFrame, figures: dict) -> None:
    pairs = {"scene": (photos["scene_score"], photos["scene"] == photos["student"])}
    pairs |= {name: (photos[f"score {name}"], photos[f"true attr.{name}"]) for name in ATTRIBUTES}
    for name, (score, is_true) in pairs.items():
        gaps = (score - is_true.astype(float)) * photos["weight"]
        bins = np.minimum((score * 15).astype(int), 14)
        error = gaps.groupby(bins).sum().abs().sum() / photos["weight"].sum()
        assert figures["calibration_error"][name] == pytest.approx(error, abs=HALF_A_DIGIT), name
