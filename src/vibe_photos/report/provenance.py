"""Where the figures come from: photos, splits, teacher, heads, configuration. No dates, no local paths."""

from collections import Counter
from pathlib import Path, PurePath

import msgspec

from vibe_photos.configuration import without_machine_local
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.report.sources import Sources
from vibe_photos.settings import Settings

DEMO_ROOT = PurePath("data/demo/photos")
MOST_WORDS = 12


def describe_run(sources: Sources) -> tuple[str, str] | None:
    """Return the title and text of a warning where the figures say nothing about a real teacher.

    That is so when the teacher is simulated: it is replayed, or its answers are marked as simulated.
    """
    is_replayed = sources.settings.teacher.server == "replay"
    if not is_replayed and not (sources.answers and sources.answers.is_simulated):
        return None
    is_rendered = PurePath(sources.settings.library.root) == DEMO_ROOT
    title = "Rendered photos, simulated teacher" if is_rendered else "Simulated teacher"
    return title, (
        f"{'A program drew these photos. ' if is_rendered else ''}No model gave the teacher's answers: "
        "a program that knows the truth made them, with mistakes as frequent as published for real models. "
        "The figures show that the pipeline works and what it can measure. "
        f"They say nothing about a real teacher{' or real photos' if is_rendered else ''}."
    )


def list_facts(sources: Sources) -> list[tuple[str, str]]:
    """Return names and texts of the facts that are known, in the order of the pipeline."""
    settings, facts = sources.settings, list[tuple[str, str]]()
    if sources.photos is not None:
        copies = sum(len(photo.also_at) for photo in sources.photos)
        counts = f"{len(sources.photos):,} photos, {copies:,} further copies"
        facts.append(("Library", f"{counts}, {sources.unreadable_files:,} unreadable files"))
    facts.append(("Teacher", settings.teacher.model))
    if sources.answers is not None:
        models = ", ".join(f"{count:,} by {model}" for model, count in sorted(sources.answers.models.items()))
        facts.append(("Answers", f"{models}; {sources.failed_answers:,} photos without an answer"))
        facts.append(("Prompt", ", ".join(sources.answers.prompt_ids)))
    without = sources.photos_without_vector
    encoder = settings.embedder.name + (f", {without:,} photos without a vector" if without else "")
    facts.append(("Encoder", encoder))
    if sources.memberships is not None:
        roles = Counter(membership.role for membership in sources.memberships.values())
        groups = len({membership.group for membership in sources.memberships.values()})
        counts = f"{groups:,} groups of near-duplicates; {roles['train']:,} photos for training, "
        counts += f"{roles['holdout']:,} held out, {roles['reserved']:,} reserved for people"
        facts.append(("Split", counts))
    trained = {head: sources.metrics.get(f"train_{head}") for head in HEADS}
    facts += [
        (f"{head.capitalize()} head", _flatten(figures)) for head, figures in trained.items() if figures
    ]
    return facts


def unmapped_words(sources: Sources) -> list[tuple[str, int]]:
    """Return the teacher's most frequent words for scenes and objects without a key, with their counts."""
    words: Counter[str] = Counter()
    for name in ("unknown_scene_words", "object_words_without_key"):
        words.update(sources.metrics.get("convert", {}).get(name, {}))
    return sorted(words.items(), key=lambda item: (-item[1], item[0]))[:MOST_WORDS]


def show_configuration(settings: Settings) -> str:
    """Return as YAML what can change results, without where things are on this machine."""
    kept = without_machine_local(msgspec.to_builtins(settings, enc_hook=Path.as_posix))
    kept["library"].pop("root", None)
    return msgspec.yaml.encode(kept).decode()


def _flatten(figures: dict[str, object]) -> str:
    plain = {k: v for k, v in figures.items() if isinstance(v, (int, float, str)) and not isinstance(v, bool)}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in plain.items())
