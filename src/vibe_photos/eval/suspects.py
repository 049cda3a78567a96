"""Where the teacher probably erred: confident learning on probabilities of photos that a head has not seen.

A scene is suspected where the head is confident of another one (Northcutt, Jiang and Chuang 2021, "Confident
learning: estimating uncertainty in dataset labels", section 3.1): a photo counts as truly of the scene j when
its probability of j reaches the mean of that probability over the photos that the teacher calls j, so that a
head which is unsure of a scene altogether accuses nobody. It is a list for people to look through, the least
likely scenes of the teacher first ("self-confidence" there). Nothing is changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.labels.taxonomy import label_name


@dataclass(frozen=True, slots=True)
class Suspect:
    """A photo of which the head is confident that its scene is not the teacher's; probabilities in 0..1."""

    image_id: str
    teacher: str
    student: str
    teacher_probability: float
    student_probability: float


def find_suspects(scenes: OutOfFold) -> list[Suspect]:
    """Return the suspected scenes, the least likely first; none where all photos are in one fold.

    Args:
        scenes: what the scene head says of its training photos, each by a fit that had not seen it.
    """
    if not len(scenes.y) or not scenes.labels or np.isnan(scenes.probabilities).any():
        return []
    probabilities, given = scenes.probabilities.astype(np.float64), scenes.y.argmax(axis=1)
    guess = guess_true_labels(probabilities, given)
    rows = np.flatnonzero((guess >= 0) & (guess != given) & (probabilities.argmax(axis=1) != given))
    suspects = [
        Suspect(
            image_id=scenes.image_ids[row],
            teacher=label_name(scenes.labels[given[row]]),
            student=label_name(scenes.labels[guess[row]]),
            teacher_probability=float(probabilities[row, given[row]]),
            student_probability=float(probabilities[row, guess[row]]),
        )
        for row in rows
    ]
    return sorted(suspects, key=lambda suspect: (suspect.teacher_probability, suspect.image_id))


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


def format_suspects(suspects: Sequence[Suspect], top: int, names: Mapping[str, str]) -> str:
    """Return the first suspects for a terminal; `names` gives a photo's path by its id where it is known."""
    if not suspects:
        return "no scene of the teacher's is suspected"
    lines = [
        f"{rank:>3}  {names.get(suspect.image_id, suspect.image_id)}: "
        f"teacher {suspect.teacher} ({suspect.teacher_probability:.2f}), "
        f"student {suspect.student} ({suspect.student_probability:.2f})"
        for rank, suspect in enumerate(suspects[:top], start=1)
    ]
    head = f"{len(suspects)} suspected scenes among the photos that trained, the least likely first:"
    return "\n".join([head, *lines, *(["..."] if len(suspects) > top else [])])


def suspects_json(suspects: Sequence[Suspect], top: int) -> str:
    """Return the first suspects as an indented JSON list, probabilities rounded to 4 decimals."""
    listed = [
        {
            "image_id": suspect.image_id,
            "teacher": suspect.teacher,
            "student": suspect.student,
            "teacher_probability": round(suspect.teacher_probability, 4),
            "student_probability": round(suspect.student_probability, 4),
        }
        for suspect in suspects[:top]
    ]
    return msgspec.json.format(msgspec.json.encode(listed), indent=2).decode()
