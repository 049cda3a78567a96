"""Labels that the teacher probably got wrong: confident learning on out-of-fold probabilities.

A label is suspected where the head is confident in another one (Northcutt, Jiang and Chuang 2021, "Confident
learning: estimating uncertainty in dataset labels", section 3.1): a photo counts as truly of class j when its
probability of j reaches the mean of that probability over the photos that the teacher calls j; so if a head
is never confident in a class, no photo is suspected of it. That class must also be the photo's likeliest one:
the mean of a rare class can be so low that any photo reaches it. Scenes are the classes of one question; an
attribute or object is a question of its own, with the classes absent and present. Suspects are sorted by the
probability of the teacher's label ("self-confidence" there), lowest first, for people to look through.

The method assumes that labels are more often right than wrong (assumption 2 there). An attribute or object
that the head confidently denies as often as it finds it is not examined: there the head knows too little.

A label that a person gave is not the teacher's, so it is no suspect; it counts among the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.records.taxonomy import absence_name, label_name
from vibe_photos.settings import HeadName
from vibe_photos.statistics.metrics import UNJUDGED, Bools, Floats, Indices


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


def find_suspects(held_out: OutOfFold, head: HeadName) -> Suspicion:
    """Return a head's suspects among its training photos; none where all photos are in one fold."""
    suspects: list[Suspect] = []
    not_examined: list[str] = []
    for image_ids, probabilities, given, by_people, names, keys in _list_questions(held_out, head):
        guess, likeliest = guess_true_labels(probabilities, given), probabilities.argmax(axis=1)
        is_suspected = (guess == likeliest) & (guess != given)
        finds = (given == 1) & (guess == 1) & (likeliest == 1)
        if head != "scene" and finds.sum() <= (is_suspected & (given == 1)).sum():
            not_examined.append(keys[0])
            continue
        for row in np.flatnonzero(is_suspected & ~by_people):
            teacher, student = int(given[row]), int(guess[row])
            suspects.append(
                Suspect(
                    image_id=image_ids[row],
                    head=head,
                    keys=tuple(dict.fromkeys((keys[teacher], keys[student]))),
                    teacher=names[teacher],
                    student=names[student],
                    teacher_probability=float(probabilities[row, teacher]),
                    student_probability=float(probabilities[row, student]),
                )
            )
    suspects.sort(key=lambda suspect: (suspect.teacher_probability, suspect.image_id, suspect.keys))
    return Suspicion(head, suspects, not_examined)


def guess_true_labels(probabilities: Floats, given: Indices) -> Indices:
    """Return each photo's confident class, the likeliest if there are several, -1 if none: int64 [n].

    `probabilities` are out of fold, float64 [n, classes]; `given` are the classes in doubt, int64 [n].
    """
    classes = probabilities.shape[1]
    counts = np.bincount(given, minlength=classes)
    sums = np.bincount(given, probabilities[np.arange(len(given)), given], classes)
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    confident = np.where(probabilities >= thresholds, probabilities, -np.inf)
    return np.where(np.isneginf(confident).all(axis=1), -1, confident.argmax(axis=1))


def _list_questions(
    held_out: OutOfFold, head: HeadName
) -> Iterator[tuple[list[str], Floats, Indices, Bools, list[str], list[str]]]:
    """Yield photos with the classes they are divided into: all scenes, or absence and presence of a label.

    The photos' ids, their probabilities float64 [n, classes], the given class int64 [n], whether a person
    gave it bool [n], the names of the classes, and their keys (the same twice where it is one label).
    """
    image_ids, y, labels = held_out.image_ids, held_out.y, held_out.labels
    if not len(y) or not labels or np.isnan(held_out.probabilities).any():
        return
    probabilities = held_out.probabilities.astype(np.float64)
    if head == "scene":
        names, by_people = [label_name(key) for key in labels], held_out.by_people[:, 0]
        yield image_ids, probabilities, y.argmax(axis=1), by_people, names, labels
        return
    for column, key in enumerate(labels):
        rows = np.flatnonzero(y[:, column] != UNJUDGED)
        present = probabilities[rows, column]
        classes = np.column_stack([1.0 - present, present])
        names = [absence_name(key), label_name(key)]
        given, by_people = y[rows, column].astype(np.int64), held_out.by_people[rows, column]
        yield [image_ids[row] for row in rows], classes, given, by_people, names, [key, key]
