"""What turns exported probabilities into labels, as JSON: keys and their tree, thresholds, rules."""

from collections.abc import Sequence

import msgspec

from vibe_photos.export.heads_graph import Level
from vibe_photos.records.label_tables import LabelTable, Source
from vibe_photos.records.taxonomy import HEADS, head_keys, label_name, parent_key, with_ancestors
from vibe_photos.settings import Classify, HeadName, Taxonomy


class Label(msgspec.Struct, frozen=True):
    """A label of the taxonomy; `source` says by what it is judged, null where it is not."""

    level: HeadName
    parent: str | None
    source: Source | None


class Labels(msgspec.Struct, frozen=True):
    """`labels.json`: `outputs` names the columns of each output of `heads.onnx`; `labels` is the tree.

    `encoder` is the one whose vectors, of `dim` numbers, the heads take.
    """

    encoder: str
    dim: int
    outputs: dict[HeadName, list[str]]
    labels: dict[str, Label]


class Decision(msgspec.Struct, frozen=True):
    """`decision.json`, in the order in which it applies.

    Probabilities are rounded to `decimals`. The scene is the likeliest one. An attribute or object is
    present where its probability is at least its threshold. An attribute of `attribute_from_scene` is
    present where that is the scene. An object that is present makes its `ancestors` present. Labels that
    stand in neither `thresholds` nor `attribute_from_scene` are not judged.
    """

    decimals: int
    thresholds: dict[str, float]
    attribute_from_scene: dict[str, str]
    ancestors: dict[str, list[str]]


def describe_labels(levels: Sequence[Level], table: LabelTable, taxonomy: Taxonomy, encoder: str) -> Labels:
    """Return `labels.json` of the exported levels, as `table` (decisions on any photo) judges them."""
    level = {key: head for head in HEADS for key in head_keys(taxonomy, head)}
    return Labels(
        encoder=encoder,
        dim=levels[0].weight.shape[1],
        outputs={one.name: list(one.keys) for one in levels},
        labels={
            key: Label(level[key], parent_key(key, level), table.source.get(key)) for key in sorted(level)
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
