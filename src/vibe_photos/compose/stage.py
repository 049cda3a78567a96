"""Stage `compose`: write the checked configuration, without machine-local keys, for DVC to compare."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from vibe_photos.configuration import ENCODER, RESOLVED, TOLD, without_machine_local
from vibe_photos.encoders.recipe import name_encoder
from vibe_photos.errors import EncoderError
from vibe_photos.records.taxonomy import define_words
from vibe_photos.records.taxonomy_check import warn_unused
from vibe_photos.settings import Settings
from vibe_photos.storage.files import write_bytes


def write_resolved(composed: Mapping[str, Any], settings: Settings, path: Path = RESOLVED) -> None:
    """Write the configuration to data/config/resolved.yaml, if it changed.

    DVC compares that file key by key: a stage reruns only if a key that it declares changed. The key
    `encoder` changes with the encoder's weights, which may be anywhere, so this stage always runs.
    """
    before = _read_before(path)
    resolved = without_machine_local(composed)
    # DVC needs the two keys, which an older taxonomy file may lack.
    resolved["taxonomy"] = {
        **resolved["taxonomy"],
        "renamed": settings.taxonomy.renamed,
        "removed": settings.taxonomy.removed,
    }
    warn_unused(settings.taxonomy)
    resolved[TOLD] = define_words(settings.taxonomy) if settings.teacher.definitions else None
    resolved[ENCODER] = _name_encoder(settings, resolved, before)
    text = msgspec.yaml.encode(resolved)
    if not path.exists() or path.read_bytes() != text:
        write_bytes(path, text)


def _read_before(path: Path) -> dict[str, Any]:
    """Return what the file holds: nothing if it is missing or damaged, as by a merge conflict."""
    try:
        before = msgspec.yaml.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
    return before if isinstance(before, dict) else {}


def _name_encoder(settings: Settings, resolved: Mapping[str, Any], before: Mapping[str, Any]) -> str | None:
    """Return the encoder's name; if its weights are not on this machine, the name from the last time."""
    try:
        return name_encoder(settings.embedder, settings.embed)
    except EncoderError:
        is_same = all(before.get(section) == resolved[section] for section in ("embedder", "embed"))
        return before.get(ENCODER) if is_same else None
