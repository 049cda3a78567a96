"""Where the figures come from: photos, splits, teacher, heads, configuration. No dates, no local paths."""

from collections import Counter
from pathlib import Path, PurePath

import msgspec

from vibe_photos.configuration import without_machine_local
from vibe_photos.records.photos import say_count
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.report.sources import Sources
from vibe_photos.settings import Settings
from vibe_photos.statistics.summary import Figures

DEMO_ROOT = PurePath("data/demo/photos")
MOST_WORDS = 12


def describe_run(sources: Sources) -> tuple[str, str] | None:
    """Return the title and text of a warning if the figures say nothing about a real teacher.

    That is the case if the teacher is simulated: a replay server, or answers marked as simulated.
    """
    is_replayed = sources.settings.teacher.server == "replay"
    if not is_replayed and not (sources.answers and sources.answers.is_simulated):
        return None
    is_rendered = PurePath(sources.settings.library.root) == DEMO_ROOT
    title = "Rendered photos, simulated teacher" if is_rendered else "Simulated teacher"
    return title, (
        f"{'A program drew these photos. ' if is_rendered else ''}No model gave the teacher's answers: "
        "a program that knows the truth made them, with mistakes put in. "
        "The figures show that the pipeline works and what it can measure. "
        f"They say nothing about a real teacher{' or real photos' if is_rendered else ''}."
    )


def list_facts(sources: Sources) -> list[tuple[str, str]]:
    """Return names and texts of the facts that are known, in the order of the pipeline."""
    settings, facts = sources.settings, list[tuple[str, str]]()
    if sources.photos is not None:
        copies = say_count(sum(len(photo.also_at) for photo in sources.photos), "further file")
        counts = f"{say_count(len(sources.photos))}, {copies} with the same content"
        facts.append(("Library", f"{counts}, {say_count(sources.unreadable_files, 'unreadable file')}"))
    facts.append(("Teacher", settings.teacher.model))
    if sources.answers is not None:
        models = sorted(sources.answers.models.items())
        counts = ", ".join(f"{say_count(count)} by {model}" for model, count in models)
        counts += f"; failed or not asked: {say_count(sources.failed_answers)}"
        if sources.photos is not None:
            beyond = len(sources.photos) - sources.failed_answers - sum(sources.answers.models.values())
            counts += f"; beyond annotate.budget: {say_count(beyond)}" if beyond > 0 else ""
        facts.append(("Answers", counts))
        facts.append(("Prompt", ", ".join(sources.answers.prompt_ids)))
    without = sources.photos_without_vector
    encoder = settings.embedder.name + (f", without a vector: {say_count(without)}" if without else "")
    facts.append(("Encoder", encoder))
    if sources.memberships is not None:
        roles = Counter(membership.role for membership in sources.memberships.values())
        groups = len({membership.group for membership in sources.memberships.values()})
        counts = f"{say_count(groups, 'group')} of near-duplicates; {say_count(roles['train'])} may train, "
        counts += f"{roles['holdout']:,} held out, {roles['reserved']:,} kept for measuring"
        facts.append(("Split", counts))
    trained = {head: sources.metrics.get(f"train_{head}") for head in HEADS}
    facts += [
        (f"{head.capitalize()} head", _describe_head(figures)) for head, figures in trained.items() if figures
    ]
    return facts


def unmapped_words(sources: Sources) -> list[tuple[str, int]]:
    """Return the teacher's most frequent scene and object words that map to no label, with their counts."""
    words: Counter[str] = Counter()
    for name in ("unknown_scene_words", "object_words_without_key"):
        words.update(sources.metrics.get("convert", {}).get(name, {}))
    return sorted(words.items(), key=lambda item: (-item[1], item[0]))[:MOST_WORDS]


def show_configuration(settings: Settings) -> str:
    """Return the configuration that can change results as YAML, without paths of this machine."""
    kept = without_machine_local(msgspec.to_builtins(settings, enc_hook=Path.as_posix))
    kept["library"].pop("root", None)
    return msgspec.yaml.encode(kept).decode()


def _describe_head(figures: Figures) -> str:
    """Return a description of a head's training data from its metrics."""
    parts = [
        f"{say_count(figures['n_train'])} trained it",
        f"{say_count(figures['labels_by_people'], 'label')} by people",
        f"{say_count(figures['labels_learnt'], 'label')} learned",
        f"{figures['labels_not_learnable']:,} too rare to learn",
        f"penalty (l2) {figures['l2']}",
    ]
    if figures["without_embedding"]:
        parts.append(f"without a vector: {say_count(figures['without_embedding'])}")
    return ", ".join(parts)
