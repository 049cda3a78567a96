"""The records that travel between stages: what the teacher said, what is taken as true, what was decided.

All are read leniently where older programs wrote them (missing provenance) and strictly in what counts.
"""

from typing import Any

import msgspec


class SaidObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """One object as the teacher named it; any field may be missing or of a wrong type.

    `coarse_type` is a word of the vocabulary, `confidence` a number from 0 to 1 as the teacher felt it.
    """

    name_free: Any = None
    coarse_type: Any = None
    is_main: Any = None
    confidence: Any = None


class Annotation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the teacher said of one photo, field by field, before any of it is believed.

    Types are open on purpose: which value counts is decided, and counted, by `labels.convert`.
    """

    scene: Any = None
    has_person: Any = None
    has_text: Any = None
    has_animal: Any = None
    is_document: Any = None
    is_screenshot: Any = None
    objects: list[SaidObject] | None = None


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
