"""The report: one self-contained HTML page, the same bytes for the same inputs."""

import logging
from collections.abc import Iterable
from functools import cache
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from vibe_photos.human_truth.sample import read_measured_sample, weigh_untrained
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.label_tables import read_decisions
from vibe_photos.records.photos import say_count
from vibe_photos.records.taxonomy import HEADS, head_keys, show_meaning, show_name, shown_names
from vibe_photos.report.mistakes import (
    MistakeKind,
    find_mistakes,
    find_teacher_mistakes,
    make_thumbnails,
    scene_anchor,
)
from vibe_photos.report.next_steps import (
    budget_rows,
    describe_precision,
    read_learning_curves,
    read_steps,
)
from vibe_photos.report.plots import read_calibrations, read_confusion, read_curves
from vibe_photos.report.provenance import describe_run, list_facts, show_configuration, unmapped_words
from vibe_photos.report.sources import Sources, read_sources
from vibe_photos.report.tables import (
    attribute_rows,
    describe_anchoring,
    describe_objects,
    describe_scope,
    format_interval,
    format_share,
    headline_lines,
    library_estimates,
    object_rows,
    scene_rows,
)
from vibe_photos.settings import Settings, Taxonomy
from vibe_photos.statistics.label_arrays import JudgedPhotos, judge_photos
from vibe_photos.statistics.summary import HOW_TO_BEGIN
from vibe_photos.storage.files import write_bytes
from vibe_photos.storage.jsonl import read_jsonl

MOST_KINDS_OF_A_LEVEL = 9

log = logging.getLogger(__name__)


def render_report(settings: Settings) -> None:
    """Write the page that shows the results, data/report/index.html; it lists missing inputs.

    Raises:
        InputError: a file is damaged.
    """
    sources = read_sources(settings)
    view = _view_sources(sources) | _view_figures(sources) | _view_mistakes(sources)
    html = make_environment().get_template("page.html").render(view)
    # A file name may have bytes that are not valid UTF-8.
    page = html.encode("utf-8", "replace")
    write_bytes(settings.paths.report, page)
    log.info(
        "report: %s, %.1f MB, %d thumbnails, %d sources missing",
        settings.paths.report,
        len(page) / 1e6,
        html.count('<img src="data:'),
        len(sources.missing),
    )
    if sources.truth != "human":
        log.info("next: %s", _describe_first_step(sources))


@cache
def make_environment() -> Environment:
    """Return the environment of the page's templates: everything is escaped, a missing name is an error."""
    environment = Environment(
        loader=PackageLoader("vibe_photos.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = format_share
    environment.filters["count"] = say_count
    environment.filters["code"] = show_code
    return environment


def show_code(text: str) -> Markup:
    """Return a sentence with what stands in backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup().join(Markup("<code>{}</code>").format(p) if n % 2 else p for n, p in enumerate(parts))


def _view_sources(sources: Sources) -> dict[str, Any]:
    """Return the page's data about where the figures come from."""
    trained = [figures["n_train"] for name, figures in sources.metrics.items() if name.startswith("train_")]
    return {
        "trained_photos": max(trained, default=None),
        "taught_photos": sources.metrics.get("teach", {}).get("photos_taught", 0),
        "notice": describe_run(sources),
        "settings": sources.settings,
        "level_percent": f"{100 * sources.settings.evaluate.confidence_level:.0f}",
        "photo_count": len(sources.photos) if sources.photos is not None else None,
        "facts": list_facts(sources),
        "words": unmapped_words(sources),
        "missing": sources.missing,
        "configuration": show_configuration(sources.settings),
        **_view_next_steps(sources),
        "meanings": _define_labels(sources.settings.taxonomy),
    }


def _define_labels(taxonomy: Taxonomy) -> dict[str, list[tuple[str, str]]]:
    """Return each level's labels: their names, and what they mean."""
    return {
        f"{head.capitalize()}s": [
            (show_name(key, taxonomy), show_meaning(key, taxonomy)) for key in head_keys(taxonomy, head)
        ]
        for head in HEADS
    }


def _view_figures(sources: Sources) -> dict[str, Any]:
    """Return the figures that the page shows; `student` is None if nothing is measured yet."""
    truth = sources.truth
    student = sources.measured(truth) if truth else None
    teacher = sources.measured("teacher") if truth == "human" else None
    view: dict[str, Any] = {
        "truth": truth,
        "how_to_begin": _describe_first_step(sources),
        "student": student,
        "is_weighted": student is not None and student["weights"] != "none",
        "teacher": teacher,
        "auto": sources.measured("auto") if truth == "human" else None,
        "interval": format_interval,
    }
    if student is None:
        return view
    settings, trained = sources.settings, sources.metrics.get("train_object", {})
    taxonomy, fewest = settings.taxonomy, settings.train.object.min_positive
    confusion = read_confusion(student)
    return view | {
        "headline": [
            (name, list(lines))
            for name, lines in groupby(headline_lines(student, teacher, taxonomy), key=lambda line: line.name)
        ],
        "scope": describe_scope(student),
        "anchoring": describe_anchoring(teacher["anchoring"]) if teacher and "anchoring" in teacher else "",
        "objects": describe_objects(student, taxonomy, trained, fewest),
        "confusion": confusion if student["scene"]["support"] else None,
        "scene_names": shown_names(taxonomy, "scene"),
        "scene_anchor": scene_anchor,
        "curves": read_curves(sources, student, teacher),
        "calibrations": read_calibrations(sources, student),
        "estimates": library_estimates(student, taxonomy),
        "scene_rows": scene_rows(student, teacher, confusion.count_given(), taxonomy),
        "attribute_rows": attribute_rows(student, teacher, taxonomy),
        "object_rows": object_rows(student, teacher),
    }


def _view_next_steps(sources: Sources) -> dict[str, Any]:
    """Return the next steps by expected gain, what the errors are made of, and learning curves."""
    student, teacher = sources.measured("human"), sources.measured("teacher")
    return {
        "steps": read_steps(sources, teacher),
        "is_teacher_measured": teacher is not None,
        "budget": budget_rows(sources, teacher),
        "narrower": describe_precision(student) if student else "",
        "learning_curves": read_learning_curves(sources.metrics, sources.settings.taxonomy),
    }


def _describe_first_step(sources: Sources) -> str:
    """Return the first step for the user; if `evaluate` has run, it says why nothing is measured."""
    said: str = sources.metrics.get("human", {}).get("how_to_begin", HOW_TO_BEGIN["human"])
    return said


def _view_mistakes(sources: Sources) -> dict[str, Any]:
    """Return the kinds of mistakes, and names and pictures of the photos that show them."""
    photos = _judge_photos(sources)
    taxonomy = sources.settings.taxonomy
    found = find_mistakes(photos, taxonomy) if photos else {}
    levels = {level: kinds[:MOST_KINDS_OF_A_LEVEL] for level, kinds in found.items()}
    rarer = {level: kinds[MOST_KINDS_OF_A_LEVEL:] for level, kinds in found.items()}
    suspects = find_teacher_mistakes(sources.held_out, taxonomy)
    pictured = _list_photos([*(kind for level in levels.values() for kind in level), *suspects])
    named = pictured | _list_photos(kind for level in rarer.values() for kind in level)
    known = [photo for photo in sources.photos or () if photo.image_id in named]
    return {
        "levels": levels,
        "rarer": rarer,
        "anchors": {kind.anchor for kinds in found.values() for kind in kinds},
        "suspects": suspects,
        "names": {photo.image_id: photo.rel_path for photo in known},
        "thumbnails": make_thumbnails(
            [photo for photo in known if photo.image_id in pictured], sources.settings
        ),
    }


def _list_photos(kinds: Iterable[MistakeKind]) -> set[str]:
    return {mistake.image_id for kind in kinds for mistake in kind.worst}


def _judge_photos(sources: Sources) -> JudgedPhotos | None:
    """Return the evaluated photos with truth and labels, None if a file is missing."""
    settings, truth, members = sources.settings, sources.truth, sources.memberships
    paths = settings.paths
    if truth is None or members is None or not paths.labels.exists():
        return None
    if truth == "human":
        half = settings.classify.scored_half
        chosen = read_measured_sample(paths.human, settings.taxonomy, members, half).records
    elif (paths.auto / ALL_LABELS).exists():
        answers = list(read_jsonl(paths.auto / ALL_LABELS, GroundTruth))
        chosen = weigh_untrained(answers, members).records
    else:
        return None
    return judge_photos(chosen, members, read_decisions(paths.labels), settings.taxonomy)
