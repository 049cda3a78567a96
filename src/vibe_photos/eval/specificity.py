"""The label tree in figures: a parent that only stands above its child is no statement of its own.

The object head learns parents along with their children, so that `object.electronics` is at least as
likely as `object.electronics.phone`. Taken as it is, a parent would win every ranking and be a false
assertion beside every right one.
"""

from collections.abc import Sequence

import numpy as np

from vibe_photos.eval.metrics import UNJUDGED, Flags, Floats
from vibe_photos.labels.taxonomy import with_ancestors


def most_specific(values: Flags, keys: Sequence[str]) -> Flags:
    """Return `values` (int8 [n, keys]) with 0 for a key of which a descendant is asserted as well."""
    kept = values.copy()
    for column, below in enumerate(_descendants(keys)):
        if below:
            kept[(values[:, column] == 1) & (values[:, below] == 1).any(axis=1), column] = 0
    return kept


def own_scores(scores: Floats, keys: Sequence[str]) -> Floats:
    """Return scores (float [n, keys]) of "this and nothing more specific": p(key) - max p(descendants)."""
    own = scores.copy()
    for column, below in enumerate(_descendants(keys)):
        if below:
            own[:, column] -= np.nan_to_num(scores[:, below], nan=0.0).max(axis=1)
    return own


def with_parents(values: Flags, keys: Sequence[str]) -> Flags:
    """Return `values` (int8 [n, keys]) with 1 for every ancestor of a key that is 1."""
    closed = values.copy()
    for column, below in enumerate(_descendants(keys)):
        if below:
            closed[(values[:, below] == 1).any(axis=1) & (values[:, column] != UNJUDGED), column] = 1
    return closed


def _descendants(keys: Sequence[str]) -> list[list[int]]:
    """Return, for each key, the columns of the keys below it in the tree."""
    above = [with_ancestors([key], keys) - {key} for key in keys]
    return [[column for column, ancestors in enumerate(above) if key in ancestors] for key in keys]
