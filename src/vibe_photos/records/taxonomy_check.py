"""Checks for contradictions in the taxonomy, thresholds and rules, before anything is paid for."""

import difflib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from vibe_photos.errors import ConfigurationError
from vibe_photos.records.taxonomy import (
    HEADS,
    PREFIXES,
    KeyHistory,
    all_keys,
    describe_unknown_key,
    head_keys,
    label_name,
    show_meaning,
)
from vibe_photos.settings import Classify, HeadName, Taxonomy

log = logging.getLogger(__name__)

Contradiction = tuple[str, str]
"""A dotted key of the configuration, and what is wrong with its value."""

DEFAULT = "default"
"""The key of the threshold for labels without their own."""


def find_contradictions(taxonomy: Taxonomy, classify: Classify) -> Iterator[Contradiction]:
    """Yield every contradiction; each must be fixed before a stage may run."""
    for head in HEADS:
        yield from _check_map(taxonomy, head)
    yield from _check_history(taxonomy)
    yield from find_wrong_names(taxonomy, classify)


def check_names(taxonomy: Taxonomy, classify: Classify) -> None:
    """Refuse thresholds and rules for labels that do not exist.

    Raises:
        ConfigurationError: names the key (`classify.object_threshold.keybord`) and the nearest valid names.
    """
    for key, what in find_wrong_names(taxonomy, classify):
        raise ConfigurationError(f"{key}: {what}")


def find_wrong_names(taxonomy: Taxonomy, classify: Classify) -> Iterator[Contradiction]:
    """Yield thresholds and rules for labels that do not exist."""
    attributes = [label_name(key) for key in head_keys(taxonomy, "attribute")]
    objects = [label_name(key) for key in head_keys(taxonomy, "object")]
    for section, thresholds, names in (
        ("attribute_threshold", classify.attribute_threshold, attributes),
        ("object_threshold", classify.object_threshold, objects),
    ):
        if DEFAULT not in thresholds:
            yield f"classify.{section}.{DEFAULT}", "is missing: it is used for all labels that are not listed"
        yield from _find_unknown(f"classify.{section}", thresholds, [*names, DEFAULT], taxonomy)
    rules = classify.attribute_from_scene
    yield from _find_unknown("classify.attribute_from_scene", rules, attributes, taxonomy)
    scenes = head_keys(taxonomy, "scene")
    for name, scene in rules.items():
        if scene not in scenes:
            hint = _suggest(scene, scenes)
            if scene in taxonomy.renamed:
                hint = f": it was renamed to {taxonomy.renamed[scene]}"
            yield f"classify.attribute_from_scene.{name}", f"{scene!r} is not a scene key{hint}"


def warn_unused(taxonomy: Taxonomy) -> None:
    """Log what has no effect, and labels without a definition.

    No effect have words that are not in the vocabulary, and prompts and definitions of labels that do not
    exist.
    """
    known = all_keys(taxonomy)
    for key in taxonomy.definitions:
        if key not in known:
            log.warning("taxonomy.definitions: %s", describe_unknown_key(key, taxonomy))
    if undefined := [key for key in known if not show_meaning(key, taxonomy)]:
        log.warning(
            "taxonomy.definitions: %s has no definition; add a name and a sentence (docs/LABELS.md)",
            ", ".join(undefined),
        )
    for head in HEADS:
        section = f"{head}s"
        offered = {word.strip().lower() for word in getattr(taxonomy.vocabulary, section)}
        words = [word for word in getattr(taxonomy, section) if word.lower() not in offered]
        if words:
            log.warning(
                "taxonomy.%s: the teacher is not offered the words %s; add them to vocabulary.%s (the "
                "teacher is then asked again), unless people or answers that you have use these labels",
                *(section, ", ".join(words), section),
            )
        names = {label_name(key) for key in head_keys(taxonomy, head)}
        for name in getattr(taxonomy.prompts, head):
            if name not in names:
                log.warning(
                    "taxonomy.prompts.%s.%s: no %s has that name; this prompt is not used", head, name, head
                )


def _check_map(taxonomy: Taxonomy, head: HeadName) -> Iterator[Contradiction]:
    section, prefix = f"taxonomy.{head}s", PREFIXES[head]
    words: dict[str, str] = getattr(taxonomy, f"{head}s")
    places = {f"{section}.{word}": key for word, key in words.items()}
    if head == "scene":
        places["taxonomy.other_scene"] = taxonomy.other_scene
    for word in words:
        # Scenes and objects of an answer are stripped and lower-cased; an attribute is a field of it.
        meant = word.strip() if head == "attribute" else word.strip().lower()
        if word != meant or not word:
            yield (
                f"{section}.{word}",
                "this word can never match: the teacher's words are read without spaces around them and in "
                f"small letters; write {meant or 'a word'}",
            )
    keys_of_name: dict[str, str] = {}
    for place, key in places.items():
        if not re.fullmatch(rf"{prefix}(\.[\w-]+)+", key):
            yield place, f"{key!r} is not a key of {_ARTICLES[head]}: write {prefix}.NAME, without spaces"
            continue
        name = label_name(key)
        if name == DEFAULT:
            yield place, f"{key} has the short name {DEFAULT}, which thresholds use for all other labels"
        other = keys_of_name.setdefault(name, key)
        if other != key:
            yield (
                place,
                f"{key} and {other} have one short name, {name}, by which thresholds and figures name a "
                "label; give one of them another last part",
            )


def _check_history(taxonomy: Taxonomy) -> Iterator[Contradiction]:
    history = KeyHistory(taxonomy)
    for old, new in taxonomy.renamed.items():
        place, head = f"taxonomy.renamed.{old}", _find_head(old)
        if head is None:
            yield place, f"{old!r} is not a label key: a key begins with {_BEGINNINGS}"
        elif old in history.known[head]:
            yield place, f"{old} is still a label; remove this line, or give its words {new}"
        elif old in taxonomy.removed:
            yield place, f"{old} is also in taxonomy.removed; keep one of the two"
        elif _find_head(new) != head:
            yield place, f"{new!r} is not a key of {_ARTICLES[head]}, as {old} was"
        elif _is_circle(old, taxonomy.renamed):
            yield place, f"{old} leads back to itself; remove one line of the circle"
        elif history.follow(old, head)[1] not in ("renamed", "removed"):
            yield place, f"{new} is not a label{_suggest(new, sorted(history.known[head]))}"
    for number, key in enumerate(taxonomy.removed):
        # Also a whole level: databases of other programs have a key `object`.
        place, head = f"taxonomy.removed.{number}", _find_head(f"{key}.")
        if head is None:
            yield place, f"{key!r} is not a label key: a key begins with {_BEGINNINGS}"
        elif key in history.known[head]:
            yield place, f"{key} is still a label; remove this entry, or its words from taxonomy.{head}s"
        elif key in taxonomy.removed[number + 1 :]:
            yield place, f"{key} is listed twice"


_ARTICLES: dict[HeadName, str] = {"scene": "a scene", "attribute": "an attribute", "object": "an object"}
_BEGINNINGS = "scene., attr. or object."


def _find_head(key: str) -> HeadName | None:
    return next((head for head in HEADS if key.startswith(f"{PREFIXES[head]}.")), None)


def _is_circle(key: str, renamed: Mapping[str, str]) -> bool:
    seen: set[str] = set()
    while key in renamed and key not in seen:
        seen.add(key)
        key = renamed[key]
    return key in seen


def _find_unknown(
    section: str, given: Iterable[str], valid: Sequence[str], taxonomy: Taxonomy
) -> Iterator[Contradiction]:
    prefix = PREFIXES["object" if "object" in section else "attribute"]
    gone = {label_name(old): new for old, new in taxonomy.renamed.items() if old.startswith(f"{prefix}.")} | {
        label_name(old): None for old in taxonomy.removed if old.startswith(f"{prefix}.")
    }
    for name in given:
        if name in valid:
            continue
        hint = _suggest(name, valid)
        if name in gone:
            new = gone[name]
            hint = f": it was renamed to {label_name(new)}" if new else ": it was removed; remove this line"
        yield f"{section}.{name}", f"no label has that name{hint}"


def _suggest(name: str, valid: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, valid, n=3)
    return f"; did you mean {' or '.join(near)}?" if near else f"; valid are {', '.join(valid)}"
