"""Label keys, their short names and the tree they form. Which keys there are is data (`conf/taxonomy/`)."""

import difflib
from collections.abc import Iterable, Mapping

from vibe_photos.settings import HeadName, Taxonomy

HEADS: tuple[HeadName, ...] = ("scene", "attribute", "object")


def head_keys(taxonomy: Taxonomy, head: HeadName) -> list[str]:
    """Return the sorted, unique label keys that a head can speak of."""
    if head == "scene":
        return sorted({*taxonomy.scenes.values(), taxonomy.other_scene})
    return sorted(set((taxonomy.attributes if head == "attribute" else taxonomy.objects).values()))


def all_keys(taxonomy: Taxonomy) -> list[str]:
    """Return every label key of the taxonomy, sorted."""
    return sorted(key for head in HEADS for key in head_keys(taxonomy, head))


def describe_unknown_key(key: str, taxonomy: Taxonomy) -> str:
    """Return a phrase that names a key the taxonomy lacks, and the known keys nearest to it or named so."""
    known = all_keys(taxonomy)
    keys = {label_name(one): one for one in known} | {one: one for one in known}
    near = dict.fromkeys(keys[name] for name in difflib.get_close_matches(key, keys, n=3))
    hint = f"did you mean {' or '.join(near)}?" if near else "conf/taxonomy/ lists the known keys"
    return f"unknown label key {key!r}; {hint}"


def label_name(key: str) -> str:
    """Return a key's last part, which names it where dots cannot stand (`keyboard`, `has_person`)."""
    return key.rpartition(".")[2]


def absence_name(key: str) -> str:
    """Return what is said of a photo that lacks the label: `not has_person`, `no keyboard`."""
    return f"{'no' if key.startswith('object.') else 'not'} {label_name(key)}"


def parent_key(key: str, keys: Iterable[str] | Mapping[str, object]) -> str | None:
    """Return the nearest ancestor of `key` among `keys`, or None at the top of the tree.

    `object.electronics.peripheral.mouse` has the parent `object.electronics` where no key stands between.
    """
    known = keys if isinstance(keys, (set, frozenset, Mapping)) else set(keys)
    prefix = key
    while "." in prefix:
        prefix = prefix.rpartition(".")[0]
        if prefix in known:
            return prefix
    return None


def with_ancestors(key_set: Iterable[str], keys: Iterable[str]) -> set[str]:
    """Return `key_set` and all ancestors of its members among `keys`."""
    known = set(keys)
    found: set[str] = set()
    for key in key_set:
        current: str | None = key
        while current is not None and current not in found:
            found.add(current)
            current = parent_key(current, known)
    return found
