"""Label keys, their short names and their tree. The keys themselves are data (`conf/taxonomy/`)."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from vibe_photos.settings import HeadName, Taxonomy

HEADS: tuple[HeadName, ...] = ("scene", "attribute", "object")

PREFIXES: dict[HeadName, str] = {"scene": "scene", "attribute": "attr", "object": "object"}
"""What a key of each head begins with, before the first dot."""


def head_keys(taxonomy: Taxonomy, head: HeadName) -> list[str]:
    """Return the sorted, unique label keys of a head."""
    if head == "scene":
        return sorted({*taxonomy.scenes.values(), taxonomy.other_scene})
    return sorted(set((taxonomy.attributes if head == "attribute" else taxonomy.objects).values()))


def all_keys(taxonomy: Taxonomy) -> list[str]:
    """Return every label key of the taxonomy, sorted."""
    return sorted(key for head in HEADS for key in head_keys(taxonomy, head))


def describe_unknown_key(key: str, taxonomy: Taxonomy) -> str:
    """Return a phrase that names an unknown key and the most similar known keys."""
    known = all_keys(taxonomy)
    keys = {label_name(one): one for one in known} | {one: one for one in known}
    near = dict.fromkeys(keys[name] for name in difflib.get_close_matches(key, keys, n=3))
    hint = f"did you mean {' or '.join(near)}?" if near else "conf/taxonomy/ lists the known keys"
    return f"unknown label key {key!r}; {hint}"


def describe_entry(key: str, taxonomy: Taxonomy) -> str:
    """Return a sentence that says what to add to the taxonomy if `key` is an old key."""
    level = key.partition(".")[0]
    known = [one for one in all_keys(taxonomy) if one.partition(".")[0] == level]
    new = next(iter(difflib.get_close_matches(key, known, n=1, cutoff=0.0)), "NEW_KEY")
    return (
        f"if it was renamed or removed, add `taxonomy.renamed: {{{key}: {new}}}` (or its new key) or "
        f"`taxonomy.removed: [{key}]` in {_find_file()} (docs/LABELS.md)"
    )


def _find_file() -> str:
    """Return the file that `use.taxonomy` in params.yaml chooses, for an error."""
    try:
        chosen = msgspec.yaml.decode(Path("params.yaml").read_bytes())["use"]["taxonomy"]
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return "the taxonomy's file in conf/taxonomy/"
    return f"conf/taxonomy/{chosen}.yaml"


How = Literal["known", "renamed", "removed", "lifted", "proposed", "unknown"]


class KeyHistory:
    """Finds the current key for an old key, by `taxonomy.renamed` and `.removed`."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.known: dict[HeadName, frozenset[str]] = {
            head: frozenset(head_keys(taxonomy, head)) for head in HEADS
        }
        self._renamed = taxonomy.renamed
        self._removed = frozenset(taxonomy.removed)

    def follow(self, key: str, head: HeadName) -> tuple[str | None, How]:
        """Return a label's current key, and how it was found.

        - `known`: the key itself.
        - `renamed`: the end of one or more renames.
        - `removed`: None; for an object, its nearest ancestor that is still a label.
        - `lifted`: an object neither known, renamed nor removed counts as its nearest ancestor.
        - `unknown`: None; also for a key of another head.
        """
        known = self.known[head]
        if key in known:
            return key, "known"
        seen = {key}
        while key in self._renamed and self._renamed[key] not in seen:
            key = self._renamed[key]
            seen.add(key)
            if key in known:
                return key, "renamed"
        above: str | None = None
        how: How = "unknown"
        parent = key.rpartition(".")[0]
        if head == "object" and "." in parent:
            above, how = self.follow(parent, head)
        if key in self._removed or how == "removed":
            is_here = f"{key}.".startswith(f"{PREFIXES[head]}.")
            return (above, "removed") if is_here else (None, "unknown")
        return above, "unknown" if above is None else "lifted"


def find_objects(taxonomy: Taxonomy) -> dict[str, str]:
    """Return object keys by what people may call them: teacher's word or short name (`normal_word`).

    Not by the name in `definitions`: what people read changes no result, so no stage reruns for it.
    """
    found = {normal_word(word): key for word, key in taxonomy.objects.items()}
    for key in head_keys(taxonomy, "object"):
        found.setdefault(normal_word(label_name(key)), key)
    return found


def normal_word(word: str) -> str:
    """Return a word in small letters with single spaces, as a person may type it (`mini_pc`: `mini pc`)."""
    return " ".join(word.replace("_", " ").lower().split())


def label_name(key: str) -> str:
    """Return a key's last part, its short name (`keyboard`, `has_person`)."""
    return key.rpartition(".")[2]


def show_name(key: str, taxonomy: Taxonomy) -> str:
    """Return a label's name where people read: as defined, else made of the key (`has_person`: `Person`)."""
    defined = taxonomy.definitions.get(key)
    if defined and defined.name:
        return defined.name
    words = label_name(key).replace("_", " ")
    if key.startswith("attr."):
        words = words.removeprefix("has ").removeprefix("is ")
    return words[:1].upper() + words[1:]


def show_absence(key: str, taxonomy: Taxonomy) -> str:
    """Return what people read where a photo does not have a label: `no Person`, `no Keyboard`."""
    return f"no {show_name(key, taxonomy)}"


def show_meaning(key: str, taxonomy: Taxonomy) -> str:
    """Return the sentence that defines a label, empty if it has none."""
    defined = taxonomy.definitions.get(key)
    return defined.means if defined else ""


def shown_names(taxonomy: Taxonomy, head: HeadName) -> dict[str, str]:
    """Return what people read instead of a short name (`has_person`) or of its absence (`not has_person`)."""
    keys = head_keys(taxonomy, head)
    return {label_name(key): show_name(key, taxonomy) for key in keys} | {
        absence_name(key): show_absence(key, taxonomy) for key in keys
    }


def define_words(taxonomy: Taxonomy) -> str:
    """Return what the teacher's words mean, one line a label: the words that give it, and its sentence.

    No label key is in it: a renamed label changes nothing.
    """
    lines: list[str] = []
    for head in HEADS:
        section = f"{head}s"
        words: dict[str, str] = getattr(taxonomy, section)
        words_of: dict[str, list[str]] = {}
        for word in getattr(taxonomy.vocabulary, section):
            key = words.get(word.strip() if head == "attribute" else word.strip().lower())
            if key and show_meaning(key, taxonomy):
                words_of.setdefault(key, []).append(word)
        if words_of:
            lines.append(f"What the words for {section} mean:")
        lines += [f"- {', '.join(given)}: {show_meaning(key, taxonomy)}" for key, given in words_of.items()]
    return "\n".join(lines)


def absence_name(key: str) -> str:
    """Return the phrase for the absence of a label: `not has_person`, `no keyboard`."""
    return f"{'no' if key.startswith('object.') else 'not'} {label_name(key)}"


def parent_key(key: str, keys: Iterable[str] | Mapping[str, object]) -> str | None:
    """Return the nearest ancestor of `key` among `keys`, or None at the top of the tree.

    `object.electronics.peripheral.mouse` has the parent `object.electronics` if no key is between them.
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
