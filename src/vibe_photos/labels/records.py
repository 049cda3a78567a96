"""The records that travel between stages: what the teacher said, what is taken as true, what was decided.

All are read leniently where older programs wrote them (missing provenance) and strictly in what counts.
"""

from typing import Any, Literal

import msgspec

Annotation = dict[str, Any]
"""What the teacher said of one photo, field by field, before any of it is believed.

`scene` (a word), one field for each attribute word of the vocabulary, and `objects`: a list of
`{name_free, coarse_type, is_main, confidence}`. Any field may be missing or of a wrong type, and the
vocabulary is data: which value counts is decided, and counted, by `labels.convert`.
"""


class RawAnnotation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `qwen_vl_raw_annotations.jsonl`: the answer for one photo and where it came from.

    `created_at` is the server's own `created` (Unix seconds), so that a replay gives the same bytes.
    Everything but `image_id` and `annotation` may be missing in files that older scripts wrote.
    """

    image_id: str
    server_path: str | None = None
    image_path: str | None = None
    rel_path: str | None = None
    annotation: Annotation
    model: str | None = None
    prompt_id: str | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    created_at: int | None = None
    simulated: bool = False


class GroundTruth(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken as true of one photo, in label keys.

    `scene` holds one `scene.*` key, or none where nothing is known. `attributes` maps `attr.*` keys to
    true or false; an attribute that nobody judged is absent. `objects` is sorted and unique.
    `extra` holds the fields of a file that mean nothing to us and are kept (`labels.truth_file`).
    """

    image_id: str
    scene: list[str] = []
    attributes: dict[str, bool] = {}
    objects: list[str] = []
    extra: dict[str, Any] = {}


def truth_object(record: GroundTruth) -> dict[str, Any]:
    """Return the record as the JSON object of the truth files, extra fields after our own."""
    return {
        "image_id": record.image_id,
        "scene": record.scene,
        "attributes": record.attributes,
        "objects": record.objects,
        **record.extra,
    }


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `decisions/<reviewer>.jsonl`: what a person made of one photo, and when.

    `decided_at` is UTC in ISO 8601, so that text order is time order; in one log it never comes twice.
    `before` and `after` are truth objects without the id; `after` is null where there is no truth any more.
    `undoes` is the `decided_at` of the reviewer's own line that this one takes back: both then decide
    nothing. A `skip` (the photo goes to the end of the queue) and a `remark` (a flag or a note alone) decide
    nothing either. `seen` names the opinions that the reviewer had before their eyes: `teacher`, `student`,
    and `reviewers` where a disagreement was settled.
    """

    image_id: str
    decided_at: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    is_flagged: bool = False
    note: str = ""
    kind: Literal["decision", "skip", "remark"] = "decision"
    undoes: str | None = None
    seen: list[str] = []
