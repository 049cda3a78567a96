"""The report: one self-contained HTML page, the same bytes for the same inputs."""

import logging
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from vibe_photos.human_truth.audited import read_audited_truth
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.label_tables import read_decisions
from vibe_photos.report.calibration import calibration_cards
from vibe_photos.report.contact_sheet import make_levels, make_suspect_sheets
from vibe_photos.report.figures import draw_confusion
from vibe_photos.report.headline import describe_run, headline_lines
from vibe_photos.report.library import library_estimates
from vibe_photos.report.mistakes import find_mistakes
from vibe_photos.report.plots import confusion_of, curve_cards
from vibe_photos.report.provenance import list_facts, show_configuration, unmapped_words
from vibe_photos.report.sources import Sources, read_sources
from vibe_photos.report.tables import (
    attribute_table,
    format_interval,
    format_share,
    object_table,
    scene_table,
)
from vibe_photos.settings import Settings
from vibe_photos.statistics.comparison import HOW_TO_BEGIN, compare_with_labels, is_evaluated
from vibe_photos.statistics.summary import Comparison
from vibe_photos.storage.files import write_bytes
from vibe_photos.storage.jsonl import read_jsonl

log = logging.getLogger(__name__)


def render_report(settings: Settings, out: Path) -> None:
    """Write the page from what the stages left; what is missing is named on it.

    Raises:
        InputError: a file is there, but damaged.
    """
    sources = read_sources(settings)
    comparison = _compare(sources)
    levels = make_levels(find_mistakes(comparison), sources) if comparison else []
    html = (
        _environment()
        .get_template("page.html")
        .render(
            **_view_figures(sources),
            **_view_sources(sources),
            levels=levels,
            has_pictures=any(p.source for level in levels for sheet in level.sheets for p in sheet.pictures),
            suspects=make_suspect_sheets(sources),
        )
    )
    page = html.encode("utf-8", "replace")
    write_bytes(out, page)
    log.info(
        "report: %s, %.1f MB, %d thumbnails, %d sources missing",
        out,
        len(page) / 1e6,
        html.count('<img src="data:'),
        len(sources.missing),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("vibe_photos.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["share"] = format_share
    return environment


def _view_figures(sources: Sources) -> dict[str, Any]:
    """Return what the page says of the labels; figures are empty where nothing is measured yet."""
    truth = sources.truth
    student = sources.measured(truth) if truth else None
    ceiling = sources.measured("teacher") if truth == "human" else None
    view: dict[str, Any] = {
        "truth": truth,
        "how_to_begin": HOW_TO_BEGIN["human"],
        "student": student,
        "teacher": ceiling,
        "auto": sources.measured("auto") if truth == "human" else None,
        "interval": format_interval,
        "lines": [],
    }
    if student is None:
        return view
    return view | {
        "lines": headline_lines(student, ceiling),
        "confusion": draw_confusion(confusion_of(student)) if student["scene"]["support"] else None,
        "curves": curve_cards(sources, student, ceiling),
        "calibrations": calibration_cards(sources, student),
        "estimates": library_estimates(student),
        "scene_table": scene_table(student, ceiling),
        "attribute_table": attribute_table(student, ceiling),
        "object_table": object_table(student, ceiling),
    }


def _view_sources(sources: Sources) -> dict[str, Any]:
    """Return what the page says of where the figures come from."""
    return {
        "notice": describe_run(sources),
        "settings": sources.settings,
        "photo_count": len(sources.photos) if sources.photos is not None else None,
        "facts": list_facts(sources),
        "words": unmapped_words(sources),
        "missing": sources.missing,
        "configuration": show_configuration(sources.settings),
    }


def _compare(sources: Sources) -> Comparison | None:
    settings, truth = sources.settings, sources.truth
    if truth is None or sources.memberships is None or not sources.has_labels:
        return None
    if truth == "human":
        records = read_audited_truth(settings.paths.human, settings.taxonomy)
    elif sources.has_teacher_truth:
        records = list(read_jsonl(settings.paths.auto / ALL_LABELS, GroundTruth))
    else:
        return None
    members, tuned_on = sources.memberships, settings.classify.tuned_on
    known = [record for record in records if record.image_id in members]
    chosen = [record for record in known if is_evaluated(members[record.image_id], truth, tuned_on)]
    return compare_with_labels(chosen, members, read_decisions(settings.paths.labels), settings.taxonomy)
