"""Figures in which no two definitions agree, so that none can be taken for another."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.unit.hand_made_library import write_truth

from vibe_photos.agreement.stage import measure_agreement
from vibe_photos.evaluate.stage import evaluate_labels
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.settings import Settings

RANKED = ["object.document.book", "object.drink", "object.food", "object.electronics"]
"""The objects of every photo but e, by falling score; the first is predicted."""


def test_precision_is_not_recall_and_the_third_guess_counts(
    library: Settings,
    write_table: Callable[..., Path],
    write_roles: Callable[..., Path],
    make_truth: Callable[..., GroundTruth],
) -> None:
    objects = {key: (0.9 - 0.2 * place, int(place == 0)) for place, key in enumerate(RANKED)}
    texts = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.2, "e": 0.1}
    labels = {i: objects | {"attr.has_text": (score, int(score > 0.5))} for i, score in texts.items()}
    labels["e"] = {"attr.has_text": labels["e"]["attr.has_text"]}
    write_table(labels)
    people = [
        make_truth("a", "food", ("food",), has_text=True),
        make_truth("b", "food", ("electronics",), has_text=False),
        make_truth("c", "food", ("document.book", "drink"), has_text=True),
        make_truth("d", "food", ("drink",), has_text=True),
        make_truth("e", "food", has_text=True),
    ]
    write_roles(dict.fromkeys(texts, "reserved"))
    write_truth(library, people)
    evaluate_labels(library)
    figures = json.loads((library.paths.eval / "human" / "metrics.json").read_text())
    # has_text: predicted for a, b, c; true for a, c, d, e; two hits. By score a b c d e: average precision
    # 1/4 * (1 + 2/3 + 3/4 + 4/5) = 0.8042.
    text = figures["attributes"]["has_text"]
    assert (text["precision"], text["recall"], text["f1"]) == (0.6667, 0.5, 0.5714)
    assert (text["average_precision"], text["support"], text["positives"]) == (0.8042, 5, 4)
    # Objects of the four photos that have any: c's first guess is right, d's second, a's third, b's fourth.
    found = figures["objects"]
    assert (found["top1"], found["top3"]) == (0.25, 0.75)
    # Of the labels that they got, the book alone, only c's is right.
    assert (found["top1_given"], found["top3_given"]) == (0.25, 0.25)
    # The book is predicted for four photos and true of one; five objects are true.
    assert (found["precision"], found["recall"], found["f1"]) == (0.25, 0.2, 0.2222)


def test_precision_of_the_teacher_is_not_its_recall(
    library: Settings, write_roles: Callable[..., Path], make_truth: Callable[..., GroundTruth]
) -> None:
    people = [make_truth(i, "food", has_text=i in "acde") for i in "abcde"]
    teacher = [make_truth(i, "food", has_text=i in "abc") for i in "abcde"]
    write_roles(dict.fromkeys("abcde", "reserved"))
    write_truth(library, people, teacher)
    measure_agreement(library)
    figures = json.loads((library.paths.eval / "teacher" / "metrics.json").read_text())
    text = figures["attributes"]["has_text"]
    assert (text["precision"], text["recall"], text["f1"]) == (0.6667, 0.5, 0.5714)
