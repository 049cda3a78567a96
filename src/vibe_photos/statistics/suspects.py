"""Labels that the teacher probably got wrong: confident learning on out-of-fold probabilities.

A label is suspected where the head is confident in another one (Northcutt, Jiang and Chuang 2021, "Confident
learning: estimating uncertainty in dataset labels", section 3.1): a photo counts as truly of class j when its
probability of j reaches the mean of that probability over the photos that the teacher calls j; so if a head
is never confident in a class, no photo is suspected of it. Scenes are the classes of one question; an
attribute or object is a question of its own, with the classes absent and present. Suspects are sorted by the
probability of the teacher's label ("self-confidence" there), lowest first, for people to look through.

The method assumes that labels are more often right than wrong (assumption 2 there). An attribute or object
that the head confidently denies as often as it finds it is not examined: there the head knows too little.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.records.taxonomy import absence_name, label_name
from vibe_photos.settings import HeadName
from vibe_photos.statistics.metrics import UNJUDGED


@dataclass(frozen=True, slots=True)
class Suspect:
    """A photo for which the head is confident that the teacher's label is wrong; probabilities in 0..1.

    `keys` are the labels in doubt: the teacher's scene and the head's, or the attribute or object.
    """

    image_id: str
    head: HeadName
    keys: tuple[str, ...]
    teacher: str
    student: str
    teacher_probability: float
    student_probability: float


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One head's suspects, the least likely labels of the teacher first.

    `not_examined` are attributes or objects of which the head knows too little.
    """

    head: HeadName
    suspects: list[Suspect]
    not_examined: list[str]


@dataclass(frozen=True, slots=True)
class _Question:
    """Photos and the classes they are divided into: all scenes, or absence and presence of a label.

    `probabilities` float64 [n, classes], out of fold; `given` int64 [n], the teacher's class; `names` and
    `keys` of the classes, both keys the same where it is one label.
    """

    image_ids: list[str]
    probabilities: NDArray[np.float64]
    given: NDArray[np.int64]
    names: list[str]
    keys: list[str]


def find_suspects(held_out: OutOfFold, head: HeadName) -> Suspicion:
    """Return a head's suspects among its training photos; none where all photos are in one fold."""
    suspects: list[Suspect] = []
    not_examined: list[str] = []
    for question in _list_questions(held_out, head):
        given, probabilities = question.given, question.probabilities
        guess, likeliest = guess_true_labels(probabilities, given), probabilities.argmax(axis=1)
        is_suspected = (guess >= 0) & (guess != given) & (likeliest != given)
        finds = (given == 1) & (guess == 1) & (likeliest == 1)
        if head != "scene" and finds.sum() <= (is_suspected & (given == 1)).sum():
            not_examined.append(question.keys[0])
            continue
        for row in np.flatnonzero(is_suspected):
            teacher, student = int(given[row]), int(guess[row])
            suspects.append(
                Suspect(
                    image_id=question.image_ids[row],
                    head=head,
                    keys=tuple(dict.fromkeys((question.keys[teacher], question.keys[student]))),
                    teacher=question.names[teacher],
                    student=question.names[student],
                    teacher_probability=float(probabilities[row, teacher]),
                    student_probability=float(probabilities[row, student]),
                )
            )
    suspects.sort(key=lambda suspect: (suspect.teacher_probability, suspect.image_id, suspect.keys))
    return Suspicion(head, suspects, not_examined)


def guess_true_labels(probabilities: NDArray[np.float64], given: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each photo's confident class, the likeliest if there are several, -1 if none: int64 [n].

    Args:
        probabilities: float64 [n, classes], out of fold.
        given: int64 [n], the class by the labels in doubt.
    """
    classes = probabilities.shape[1]
    counts = np.bincount(given, minlength=classes)
    sums = np.bincount(given, probabilities[np.arange(len(given)), given], classes)
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    confident = np.where(probabilities >= thresholds, probabilities, -np.inf)
    return np.where(np.isneginf(confident).all(axis=1), -1, confident.argmax(axis=1))


def _list_questions(held_out: OutOfFold, head: HeadName) -> Iterator[_Question]:
    if not len(held_out.y) or not held_out.labels or np.isnan(held_out.probabilities).any():
        return
    probabilities, labels = held_out.probabilities.astype(np.float64), held_out.labels
    if head == "scene":
        names = [label_name(key) for key in labels]
        yield _Question(held_out.image_ids, probabilities, held_out.y.argmax(axis=1), names, labels)
        return
    for column, key in enumerate(labels):
        rows = np.flatnonzero(held_out.y[:, column] != UNJUDGED)
        present = probabilities[rows, column]
        yield _Question(
            image_ids=[held_out.image_ids[row] for row in rows],
            probabilities=np.column_stack([1.0 - present, present]),
            given=held_out.y[rows, column].astype(np.int64),
            names=[absence_name(key), label_name(key)],
            keys=[key, key],
        )
