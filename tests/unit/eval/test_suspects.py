"""Suspected teacher errors: by hand, against cleanlab, and on planted errors."""

import json

import numpy as np

from vibe_photos.eval.suspects import (
    Suspect,
    find_suspects,
    format_suspects,
    guess_true_labels,
    suspects_json,
)
from vibe_photos.heads.out_of_fold import OutOfFold


def out_of_fold(probabilities: np.ndarray, given: np.ndarray) -> OutOfFold:
    classes = probabilities.shape[1]
    ids = [f"p{number:03d}" for number in range(len(given))]
    labels = [f"scene.{name}" for name in ("food", "people", "other", "document")[:classes]]
    y = (given[:, None] == np.arange(classes)).astype(np.int8)
    return OutOfFold(ids, labels, probabilities.astype(np.float32), y)


def test_confidence_is_a_class_own_mean() -> None:
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
    given = np.array([0, 0, 1, 1, 1])
    # Thresholds: (0.9 + 0.5) / 2 = 0.7, (0.8 + 0.4 + 0.7) / 3 = 0.633. p001 and p003 are confidently nothing.
    assert guess_true_labels(probabilities, given).tolist() == [0, -1, 1, -1, 1]
    assert find_suspects(out_of_fold(probabilities, given)) == []
    swapped = np.array([1, 0, 1, 1, 1])
    # Now 0.5 and (0.1 + 0.8 + 0.4 + 0.7) / 4 = 0.5: p000 and p003 are confidently food.
    found = find_suspects(out_of_fold(probabilities, swapped))
    assert [(suspect.image_id, suspect.teacher, suspect.student) for suspect in found] == [
        ("p000", "people", "food"),
        ("p003", "people", "food"),
    ]


def make_noisy(seed: int) -> tuple[OutOfFold, np.ndarray]:
    """600 photos of four scenes, a head that is mostly right and often unsure, 10 % of the labels wrong."""
    rng = np.random.default_rng(seed)
    true = rng.choice(4, 600, p=[0.5, 0.3, 0.15, 0.05])
    logits = rng.normal(0, 1, (600, 4))
    logits[np.arange(600), true] += 2.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    is_wrong = rng.random(600) < 0.1
    given = np.where(is_wrong, (true + rng.integers(1, 4, 600)) % 4, true)
    return out_of_fold(probabilities, given), is_wrong


def test_it_agrees_with_cleanlab() -> None:
    from cleanlab.filter import find_label_issues

    scenes, _ = make_noisy(0)
    probabilities = scenes.probabilities.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    theirs = find_label_issues(
        scenes.y.argmax(axis=1),
        probabilities,
        filter_by="confident_learning",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    assert [suspect.image_id for suspect in find_suspects(scenes)] == [scenes.image_ids[i] for i in theirs]


def test_planted_errors_are_found() -> None:
    scenes, is_wrong = make_noisy(1)
    wrong = {scenes.image_ids[row] for row in np.flatnonzero(is_wrong)}
    first = [suspect.image_id in wrong for suspect in find_suspects(scenes)[:30]]
    assert np.mean(first) >= 0.8


def test_nothing_to_accuse_anyone_with() -> None:
    given = np.array([0, 1])
    assert find_suspects(out_of_fold(np.full((2, 2), np.nan), given)) == []
    assert find_suspects(OutOfFold([], [], np.zeros((0, 0), np.float32), np.zeros((0, 0), np.int8))) == []
    assert format_suspects([], 20, {}) == "no scene of the teacher's is suspected"


def test_the_list_for_people_and_for_programs() -> None:
    suspects = [Suspect("a", "food", "people", 0.02, 0.9), Suspect("b", "other", "food", 0.1, 0.6)]
    assert format_suspects(suspects, 1, {"a": "2019/a.jpg"}).splitlines() == [
        "2 suspected scenes among the photos that trained, the least likely first:",
        "  1  2019/a.jpg: teacher food (0.02), student people (0.90)",
        "...",
    ]
    assert [record["image_id"] for record in json.loads(suspects_json(suspects, 50))] == ["a", "b"]
