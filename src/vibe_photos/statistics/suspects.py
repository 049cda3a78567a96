"""Where the teacher probably erred: confident learning on probabilities of photos that a head has not seen.

A label is suspected where the head is confident of another one (Northcutt, Jiang and Chuang 2021, "Confident
learning: estimating uncertainty in dataset labels", section 3.1): a photo counts as truly of class j when its
probability of j reaches the mean of that probability over the photos that the teacher calls j, so that a head
which is unsure of a class altogether accuses nobody. Scenes are the classes of one question; an attribute or
object is a question of its own, with the classes present and absent. It is a list for people to look through,
the least likely answers of the teacher first ("self-confidence" there). Nothing is changed.

The method takes it that labels are more often right than wrong (assumption 2 there). An attribute or object
of which the head, confident, denies as much as it finds is left out: it is the head that knows too little.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from vibe_photos.errors import InputError
from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.records.taxonomy import absence_name, all_keys, describe_unknown_key, label_name
from vibe_photos.settings import HeadName, Taxonomy
from vibe_photos.statistics.metrics import UNJUDGED


@dataclass(frozen=True, slots=True)
class Suspect:
    """A photo of which the head is confident that the teacher's answer is wrong; probabilities in 0..1.

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
    """What one head suspects, the least likely answers of the teacher first.

    `not_examined` are attributes or objects that the head knows too little to doubt the teacher.
    """

    head: HeadName
    suspects: list[Suspect]
    not_examined: list[str]


@dataclass(frozen=True, slots=True)
class _Question:
    """Photos and the classes that they are divided into: all scenes, or absence and presence of a label.

    `probabilities` float64 [n, classes], out of fold; `given` int64 [n], the teacher's class; `names` and
    `keys` of the classes, both keys the same where it is one label.
    """

    image_ids: list[str]
    probabilities: NDArray[np.float64]
    given: NDArray[np.int64]
    names: list[str]
    keys: list[str]


def find_suspects(held_out: OutOfFold, head: HeadName) -> Suspicion:
    """Return what a head suspects; nothing where all photos are in one fold.

    Args:
        held_out: what the head says of its training photos, each by a fit that had not seen it.
        head: whose file it is.
    """
    suspects: list[Suspect] = []
    not_examined: list[str] = []
    for question in _ask(held_out, head):
        guess = guess_true_labels(question.probabilities, question.given)
        is_likelier = question.probabilities.argmax(axis=1) != question.given
        is_suspected = (guess >= 0) & (guess != question.given) & is_likelier
        if head == "scene" or _knows_label(question, guess, is_suspected):
            suspects += _list_suspects(head, question, guess, np.flatnonzero(is_suspected).tolist())
        else:
            not_examined.append(question.keys[0])
    suspects.sort(key=lambda suspect: (suspect.teacher_probability, suspect.image_id, suspect.keys))
    return Suspicion(head, suspects, not_examined)


def keep_labels(suspicions: Sequence[Suspicion], names: Sequence[str], taxonomy: Taxonomy) -> list[Suspicion]:
    """Return what is suspected of some labels, named by key or short name.

    Raises:
        InputError: the taxonomy has no label of that name.
    """
    wanted: set[str] = set()
    for name in names:
        found = {key for key in all_keys(taxonomy) if name in (key, label_name(key))}
        if not found:
            raise InputError(describe_unknown_key(name, taxonomy))
        wanted |= found
    return [
        Suspicion(
            suspicion.head,
            [suspect for suspect in suspicion.suspects if wanted & set(suspect.keys)],
            [key for key in suspicion.not_examined if key in wanted],
        )
        for suspicion in suspicions
    ]


def guess_true_labels(probabilities: NDArray[np.float64], given: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class that each photo is confidently of, the likeliest if several, -1 if none: int64 [n].

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


def _ask(held_out: OutOfFold, head: HeadName) -> Iterator[_Question]:
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


def _knows_label(question: _Question, guess: NDArray[np.int64], is_suspected: NDArray[np.bool_]) -> bool:
    """Return whether the head finds the label on more of the teacher's photos of it than it denies it."""
    is_given = question.given == 1
    finds = is_given & (guess == 1) & (question.probabilities.argmax(axis=1) == 1)
    return int(finds.sum()) > int((is_given & is_suspected).sum())


def _list_suspects(
    head: HeadName, question: _Question, guess: NDArray[np.int64], rows: Iterable[int]
) -> Iterator[Suspect]:
    for row in rows:
        given, guessed = int(question.given[row]), int(guess[row])
        yield Suspect(
            image_id=question.image_ids[row],
            head=head,
            keys=tuple(dict.fromkeys((question.keys[given], question.keys[guessed]))),
            teacher=question.names[given],
            student=question.names[guessed],
            teacher_probability=float(question.probabilities[row, given]),
            student_probability=float(question.probabilities[row, guessed]),
        )


def format_suspicion(found: Suspicion, top: int, names: Mapping[str, str]) -> str:
    """Return a head's first suspects for a terminal; `names` gives a photo's path by its id where known."""
    lines = [
        f"{rank:>3}  {names.get(suspect.image_id, suspect.image_id)}: "
        f"teacher {suspect.teacher} ({suspect.teacher_probability:.2f}), "
        f"student {suspect.student} ({suspect.student_probability:.2f})"
        for rank, suspect in enumerate(found.suspects[:top], start=1)
    ]
    more = len(found.suspects) - len(lines)
    count = f"{len(found.suspects)} suspected" if found.suspects else "nothing suspected"
    head = f"{found.head.upper()}S: {count} among the photos that trained"
    unknown = ", ".join(label_name(key) for key in found.not_examined)
    return "\n".join(
        [
            f"{head}, the least likely first:" if lines else head,
            *lines,
            *([f"     and {more} more"] if more else []),
            *([f"not examined, the head knows them too little: {unknown}"] if unknown else []),
        ]
    )


def suspects_json(suspicions: Sequence[Suspicion], top: int) -> str:
    """Return each head's first suspects as one indented JSON list, probabilities rounded to 4 decimals."""
    listed = [
        {
            "image_id": suspect.image_id,
            "head": suspect.head,
            "labels": suspect.keys,
            "teacher": suspect.teacher,
            "student": suspect.student,
            "teacher_probability": round(suspect.teacher_probability, 4),
            "student_probability": round(suspect.student_probability, 4),
        }
        for found in suspicions
        for suspect in found.suspects[:top]
    ]
    return msgspec.json.format(msgspec.json.encode(listed), indent=2).decode()
