"""Where the figures come from: photos, splits, teacher, heads, configuration. No dates, no places."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vibe_photos.configuration import without_machine_local
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.report.sources import Sources
from vibe_photos.settings import Settings

MOST_WORDS = 12
_PRIVATE_SECTIONS = ("library",)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the provenance."""

    name: str
    text: str


def list_facts(sources: Sources) -> list[Fact]:
    """Return the facts that are known, in the order in which the data flows."""
    facts = []
    if sources.photos is not None:
        copies = sum(len(photo.also_at) for photo in sources.photos)
        text = f"{len(sources.photos):,} photos, {copies:,} further copies"
        facts.append(Fact("Library", f"{text}, {sources.unreadable_files:,} unreadable files"))
    facts += _teacher_facts(sources)
    settings = sources.settings
    without = f", {sources.photos_without_vector:,} photos without a vector" * bool(
        sources.photos_without_vector
    )
    facts.append(Fact("Encoder", settings.embedder.name + without))
    if sources.memberships is not None:
        roles = Counter(membership.role for membership in sources.memberships.values())
        groups = len({membership.group for membership in sources.memberships.values()})
        facts.append(
            Fact(
                "Split",
                f"{groups:,} near-duplicate groups; {roles['train']:,} photos train, "
                f"{roles['holdout']:,} are held out, {roles['reserved']:,} are reserved for people",
            )
        )
    facts += [
        Fact(f"{head.capitalize()} head", _flatten(sources.metrics[f"train_{head}"]))
        for head in HEADS
        if f"train_{head}" in sources.metrics
    ]
    return facts


def unmapped_words(sources: Sources) -> list[tuple[str, int]]:
    """Return the teacher's words for objects and scenes that the taxonomy has no key for, with counts."""
    words: Counter[str] = Counter()
    for name in ("unknown_scene_words", "object_words_without_key"):
        words.update(sources.metrics.get("convert", {}).get(name, {}))
    return sorted(words.items(), key=lambda item: (-item[1], item[0]))[:MOST_WORDS]


def show_configuration(settings: Settings) -> str:
    """Return what changes results as YAML, without where things are on this machine."""
    composed = msgspec.to_builtins(settings, enc_hook=_path_to_text)
    kept = without_machine_local(composed)
    for section in _PRIVATE_SECTIONS:
        kept[section].pop("root", None)
    return msgspec.yaml.encode(kept).decode()


def _teacher_facts(sources: Sources) -> list[Fact]:
    facts = [Fact("Teacher", sources.settings.teacher.model)]
    answers = sources.answers
    if answers is not None:
        said = ", ".join(f"{count:,} by {model}" for model, count in sorted(answers.models.items()))
        facts.append(Fact("Answers", f"{said}; {sources.failed_answers:,} photos without an answer"))
        facts.append(Fact("Question", ", ".join(sorted(answers.prompt_ids))))
    return facts


def _flatten(figures: dict[str, object]) -> str:
    plain = {k: v for k, v in figures.items() if isinstance(v, (int, float, str)) and not isinstance(v, bool)}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in plain.items())


def _path_to_text(value: object) -> str:
    if isinstance(value, Path):
        return value.as_posix()
    raise NotImplementedError(f"{type(value).__name__} has no place in a configuration")
