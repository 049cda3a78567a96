"""Judged labels on which two sides differ: what each said, what is true, and what became of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vibe_photos.eval.metrics import UNJUDGED
from vibe_photos.eval.specificity import most_specific
from vibe_photos.eval.summary import Comparison
from vibe_photos.labels.taxonomy import label_name

Kind = Literal["fixed", "broken", "wrong"]
"""What became of a judged label that flipped: now right, no longer right, or not right either way."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A judged label of one photo on which A and B differ; `label` is `scene`, `objects` or an attribute."""

    image_id: str
    label: str
    before: str
    after: str
    true: str
    kind: Kind


def find_flips(a: Comparison, b: Comparison) -> Iterator[Flip]:
    """Yield every flip of scenes, then attributes, then objects; both sides are of the same photos.

    Objects flip as a whole, by their most specific keys: fixed where fewer of them are wrong than before.
    """
    yield from _scene_flips(a, b)
    yield from _attribute_flips(a, b)
    yield from _object_flips(a, b)


def _scene_flips(a: Comparison, b: Comparison) -> Iterator[Flip]:
    names = [*(label_name(key) for key in a.keys.scene), "nothing"]
    truth, before, after = a.truth.scene, a.prediction.scene, b.prediction.scene
    for row in np.flatnonzero((truth >= 0) & (before != after)):
        words = (names[before[row]], names[after[row]], names[truth[row]])
        yield _flip(a.image_ids[row], "scene", *words)


def _attribute_flips(a: Comparison, b: Comparison) -> Iterator[Flip]:
    words = {1: "yes", 0: "no", UNJUDGED: "nothing"}
    truth, before, after = a.truth.attributes, a.prediction.attributes, b.prediction.attributes
    for column, key in enumerate(a.keys.attribute):
        is_flipped = (truth[:, column] != UNJUDGED) & (before[:, column] != after[:, column])
        for row in np.flatnonzero(is_flipped):
            said = (words[int(side[row, column])] for side in (before, after, truth))
            yield _flip(a.image_ids[row], label_name(key), *said)


def _object_flips(a: Comparison, b: Comparison) -> Iterator[Flip]:
    keys = a.keys.object
    sides = [
        most_specific(objects, keys) == 1
        for objects in (a.prediction.objects, b.prediction.objects, a.truth.objects)
    ]
    before, after, truth = sides
    for row in np.flatnonzero((before != after).any(axis=1)):
        words = [
            ", ".join(label_name(keys[i]) for i in np.flatnonzero(side[row])) or "none" for side in sides
        ]
        errors = [int((side[row] != truth[row]).sum()) for side in (before, after)]
        kind: Kind = "fixed" if errors[1] < errors[0] else "broken" if errors[1] > errors[0] else "wrong"
        yield Flip(a.image_ids[row], "objects", words[0], words[1], words[2], kind)


def _flip(image_id: str, label: str, before: str, after: str, true: str) -> Flip:
    kind: Kind = "fixed" if after == true else "broken" if before == true else "wrong"
    return Flip(image_id, label, before, after, true, kind)
