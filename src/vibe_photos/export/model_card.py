"""`MODEL_CARD.md`: what the exported model is, how good it is, from which data, and what it is not for.

After Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from dataclasses import dataclass

from vibe_photos.export.data_revision import find_data_revision
from vibe_photos.export.decision import Labels
from vibe_photos.export.templates import render
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.report.provenance import describe_run
from vibe_photos.report.sources import Sources, read_sources
from vibe_photos.report.tables import headline_lines
from vibe_photos.settings import Settings


@dataclass(frozen=True, slots=True)
class Contents:
    """What an export holds, and how it was checked.

    `heads_difference` is the largest difference of a probability over `vectors` vectors;
    `encoder_difference` that of a number of a unit-norm vector over `photos` photos, None without encoder.
    """

    labels: Labels
    vectors: int
    heads_difference: float
    photos: int
    encoder_difference: float | None


def describe_model(settings: Settings, contents: Contents) -> str:
    """Return the card as Markdown: the same for the same data, commit and metrics.

    Raises:
        InputError: a metrics file or `dvc.lock` is damaged.
    """
    sources, said = read_sources(settings), contents.labels.labels
    figures = sources.measured(sources.truth) if sources.truth else None
    return render(
        "MODEL_CARD.md.jinja",
        contents=contents,
        by_source={
            source: [key for key in sorted(said) if said[key].source == source]
            for source in ("head", "prompt", "rule", None)
        },
        warning=describe_run(sources),
        truth=sources.truth,
        figures=figures,
        lines=headline_lines(figures, sources.measured("teacher")) if figures else [],
        confidence_percent=round(100 * settings.evaluate.confidence_level),
        is_tuned=settings.classify.tuned_on != "none",
        teacher=settings.teacher.model,
        positives=_count_positives(sources),
        photos=len(sources.photos) if sources.photos is not None else None,
        revision=find_data_revision(settings),
    )


def _count_positives(sources: Sources) -> dict[str, int]:
    """Return with how many training photos each learnt label was learnt."""
    heads = (sources.metrics.get(f"train_{head}", {}) for head in HEADS)
    return {row["label"]: row["photos"] for figures in heads for row in figures.get("learnt", [])}
