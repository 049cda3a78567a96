"""The texts of an export: labels and decisions as JSON, the data's revision, and `MODEL_CARD.md`.

The card follows Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from vibe_photos.errors import InputError
from vibe_photos.export.graphs import Level
from vibe_photos.heads.linear import head_path
from vibe_photos.lineage import LOCK, Lock, find_commit, read_lock
from vibe_photos.records.label_tables import LabelTable, Source
from vibe_photos.records.taxonomy import (
    HEADS,
    head_keys,
    label_name,
    parent_key,
    show_meaning,
    show_name,
    with_ancestors,
)
from vibe_photos.report.provenance import describe_run
from vibe_photos.report.sources import read_sources
from vibe_photos.report.tables import headline_lines
from vibe_photos.settings import Classify, HeadName, Settings, Taxonomy


class Label(msgspec.Struct, frozen=True):
    """A label of the taxonomy; `source` says what decides it, null if it is not judged.

    `name` is what people call it, `means` one sentence that defines it, empty if it has none.
    """

    level: HeadName
    parent: str | None
    source: Source | None
    name: str
    means: str


class Labels(msgspec.Struct, frozen=True):
    """`labels.json`: `outputs` names the columns of each output of `heads.onnx`; `labels` is the tree.

    The heads take vectors of `encoder`, with `dim` numbers.
    """

    encoder: str
    dim: int
    outputs: dict[HeadName, list[str]]
    labels: dict[str, Label]


class Decision(msgspec.Struct, frozen=True):
    """`decision.json`, in the order in which it applies.

    Probabilities are rounded to `decimals`. The scene is the most likely one. An attribute or object is
    present if its probability is at least its threshold. An attribute of `attribute_from_scene` is present
    if the photo has that scene. An object that is present makes its `ancestors` present. Labels that
    are in neither `thresholds` nor `attribute_from_scene` are not judged.
    """

    decimals: int
    thresholds: dict[str, float]
    attribute_from_scene: dict[str, str]
    ancestors: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of an export, and the results of its checks.

    `heads_difference` is the largest difference of a probability over `vectors` vectors;
    `encoder_difference` that of a component of a unit-norm vector over `photos` photos, None without encoder.
    """

    labels: Labels
    vectors: int
    heads_difference: float
    photos: int
    encoder_difference: float | None


@dataclass(frozen=True, slots=True)
class DataRevision:
    """The commit (None outside git), whether its `dvc.lock` is unchanged, and outs' md5 by path.

    `changed` are the heads that differ from `dvc.lock`.
    """

    commit: str | None
    is_committed: bool
    files: dict[str, str]
    changed: list[str]


def describe_labels(levels: Sequence[Level], table: LabelTable, taxonomy: Taxonomy, encoder: str) -> Labels:
    """Return `labels.json` of the exported levels; `table` has decisions on any photos."""
    level = {key: head for head in HEADS for key in head_keys(taxonomy, head)}
    return Labels(
        encoder=encoder,
        dim=levels[0].weight.shape[1],
        outputs={one.name: list(one.keys) for one in levels},
        labels={
            key: Label(
                level=level[key],
                parent=parent_key(key, level),
                source=table.source.get(key),
                name=show_name(key, taxonomy),
                means=show_meaning(key, taxonomy),
            )
            for key in sorted(level)
        },
    )


def describe_decision(table: LabelTable, classify: Classify, decimals: int) -> Decision:
    """Return the thresholds and rules by which `table` was decided, resolved for each label."""
    rules = [key for key in table.keys if table.source[key] == "rule"]
    objects = [key for key in table.keys if table.level[key] == "object"]
    ancestors = {key: sorted(with_ancestors([key], objects) - {key}) for key in objects}
    return Decision(
        decimals=decimals,
        thresholds={key: value for key in table.keys if (value := table.threshold[key]) is not None},
        attribute_from_scene={key: classify.attribute_from_scene[label_name(key)] for key in rules},
        ancestors={key: above for key, above in ancestors.items() if above},
    )


def describe_model(settings: Settings, contents: Contents) -> str:
    """Return the card as Markdown; the same data, commit and metrics give the same text.

    Raises:
        InputError: a metrics file or `dvc.lock` is damaged.
    """
    sources, labels = read_sources(settings), contents.labels.labels
    figures = sources.measured(sources.truth) if sources.truth else None
    trained = (sources.metrics.get(f"train_{head}", {}) for head in HEADS)
    return render(
        "MODEL_CARD.md.jinja",
        contents=contents,
        by_source={
            source: [key for key in sorted(labels) if labels[key].source == source]
            for source in ("head", "prompt", "rule", None)
        },
        warning=describe_run(sources),
        truth=sources.truth,
        figures=figures,
        lines=headline_lines(figures, sources.measured("teacher"), settings.taxonomy) if figures else [],
        confidence_percent=round(100 * settings.evaluate.confidence_level),
        is_tuned=settings.classify.tuned_on != "none",
        teacher=settings.teacher.model,
        positives={row["label"]: row["photos"] for head in trained for row in head.get("learnt", [])},
        photos=len(sources.photos) if sources.photos is not None else None,
        revision=find_data_revision(settings),
    )


def find_data_revision(settings: Settings) -> DataRevision:
    """Return the commit, and the hashes of the current heads' data in `dvc.lock`.

    Raises:
        InputError: `dvc.lock` is damaged.
    """
    paths = settings.paths
    heads = [head_path(paths.models, level) for level in HEADS]
    embeddings = paths.embeddings / "embeddings.sqlite"
    data = [paths.photos, paths.raw_annotations, paths.auto, paths.splits, embeddings]
    lock = read_lock() if LOCK.is_file() else Lock()
    md5 = {out.path: out.md5 for stage in lock.stages.values() for out in stage.outs}
    files = {path.as_posix(): md5.get(path.as_posix()) for path in (*data, *heads)}
    commit, is_committed = None, False
    try:
        commit = find_commit("HEAD")
        is_committed = read_lock(commit) == lock
    except InputError:
        pass
    return DataRevision(
        commit=commit,
        is_committed=is_committed,
        files={path: md5 for path, md5 in files.items() if md5},
        changed=[
            path.as_posix()
            for path in heads
            if files[path.as_posix()] != hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        ],
    )


def render(name: str, **values: object) -> str:
    """Return a template of the folder `templates` with its values filled in."""
    environment = Environment(
        loader=PackageLoader("vibe_photos.export"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(name).render(values)
