"""What the student gets wrong, by kind: what was said, what is true, and the worst photos of each kind."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vibe_photos.records.taxonomy import absence_name, label_name
from vibe_photos.statistics.opinions import most_specific
from vibe_photos.statistics.summary import Comparison

MOST_KINDS_OF_A_LEVEL = 9
MOST_PHOTOS_OF_A_KIND = 6


@dataclass(frozen=True, slots=True)
class Mistake:
    """One photo's mistake. `score` is how sure the student was of what it said, 0..1, None if unknown."""

    image_id: str
    said: str
    true: str
    score: float | None


@dataclass(frozen=True, slots=True)
class MistakeKind:
    """All mistakes of a kind: how many there are, and the worst of them, surest first."""

    title: str
    count: int
    worst: list[Mistake]


def find_mistakes(comparison: Comparison) -> dict[str, list[MistakeKind]]:
    """Return the kinds of mistakes by level (`Scenes`, `Attributes`, `Objects`), frequent ones first."""
    return {
        "Scenes": _group(_scene_mistakes(comparison)),
        "Attributes": _group(_flag_mistakes(comparison, "attribute")),
        "Objects": _group(_flag_mistakes(comparison, "object")),
    }


def _group(mistakes: Iterator[tuple[str, Mistake]]) -> list[MistakeKind]:
    by_title: dict[str, list[Mistake]] = defaultdict(list)
    for title, mistake in mistakes:
        by_title[title].append(mistake)
    kinds = [
        MistakeKind(title, len(found), sorted(found, key=_surest_first)[:MOST_PHOTOS_OF_A_KIND])
        for title, found in by_title.items()
    ]
    return sorted(kinds, key=lambda kind: (-kind.count, kind.title))


def _scene_mistakes(comparison: Comparison) -> Iterator[tuple[str, Mistake]]:
    names = [label_name(key) for key in comparison.keys.scene]
    truth, prediction = comparison.truth.scene, comparison.prediction
    for row in np.flatnonzero((truth >= 0) & (truth != prediction.scene)):
        true = names[truth[row]]
        said = names[prediction.scene[row]] if prediction.scene[row] >= 0 else "no scene"
        score = _score(prediction.scene_score[row])
        yield f"{true} taken for {said}", Mistake(comparison.image_ids[row], said, true, score)


def _flag_mistakes(comparison: Comparison, head: str) -> Iterator[tuple[str, Mistake]]:
    """Yield wrong assertions, oversights (scored by the label's absence) and what there is no label for."""
    if head == "attribute":
        keys, scores = comparison.keys.attribute, comparison.prediction.attribute_scores
        y_true, y_pred = comparison.truth.attributes, comparison.prediction.attributes
    else:
        keys, scores = comparison.keys.object, comparison.prediction.object_scores
        y_true = most_specific(comparison.truth.objects, keys)
        y_pred = most_specific(comparison.prediction.objects, keys)
    for column, key in enumerate(keys):
        name, absence = label_name(key), absence_name(key)
        for row in np.flatnonzero((y_true[:, column] == 0) & (y_pred[:, column] == 1)):
            said = Mistake(comparison.image_ids[row], name, absence, _score(scores[row, column]))
            yield f"{name} said, not there", said
        for row in np.flatnonzero((y_true[:, column] == 1) & (y_pred[:, column] != 1)):
            unsaid = _score(1 - scores[row, column])
            title = f"no label for {name}" if unsaid is None else f"{name} overlooked"
            yield title, Mistake(comparison.image_ids[row], absence, name, unsaid)


def _score(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _surest_first(mistake: Mistake) -> tuple[float, str]:
    return (-(mistake.score if mistake.score is not None else -1.0), mistake.image_id)
