"""From a composed mapping to typed settings, with the key named that is wrong.

Keys that say where things are or how fast they go (`MACHINE_LOCAL_KEYS`) change no label and are left out of
`data/config/resolved.yaml`, so that no stage reruns for them.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from vibe_photos.errors import ConfigurationError
from vibe_photos.settings import Settings

RESOLVED = Path("data/config/resolved.yaml")
"""What stage `compose` writes and DVC compares: the configuration without the machine-local keys."""

ENCODER = "encoder"
"""The key of that file that is no setting: the encoder's name, which ends in a hash of its weights and of all
else that decides a vector. So other weights in the same place make stage `embed` run again."""

MACHINE_LOCAL_KEYS = (
    "paths",
    "head",
    "truth",
    "annotate.concurrency",
    "annotate.workers",
    "annotate.timeout_seconds",
    "annotate.dry_run",
    "annotate.allow_plain_http",
    "annotate.rates",
    "teacher.replay",
    "embed.batch_size",
    "embed.workers",
    "embed.device",
    "embed.engine",
    "embed.ray_address",
)
"""Where things are, how fast they go, and which instance of a stage runs: never tracked."""


def from_mapping(composed: Mapping[str, Any]) -> Settings:
    """Check a composed configuration and return it typed.

    Raises:
        ConfigurationError: a key is unknown, missing, of the wrong type or out of range; it is named.
    """
    values = {key: value for key, value in composed.items() if key != "use"}
    try:
        return msgspec.convert(values, Settings, strict=True, dec_hook=_decode_path)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_name_key(str(error))) from None


def read_resolved(folder: Path = Path()) -> Settings:
    """Return the configuration of the last `compose`, with `conf/config.yaml`'s machine-local values.

    Args:
        folder: the repository's root.

    Raises:
        ConfigurationError: stage `compose` has not run here yet.
    """
    if not (folder / RESOLVED).is_file():
        raise ConfigurationError(f"{folder / RESOLVED} does not exist: run `dvc repro compose` first")
    defaults = msgspec.yaml.decode((folder / "conf" / "config.yaml").read_bytes())
    resolved = msgspec.yaml.decode((folder / RESOLVED).read_bytes())
    composed = {key: value for key, value in defaults.items() if key not in ("defaults", "hydra")}
    for section in resolved.keys() - {ENCODER}:
        composed[section] = {**composed.get(section, {}), **resolved[section]}
    return from_mapping(composed)


def without_machine_local(composed: Mapping[str, Any]) -> dict[str, Any]:
    """Return a deep copy of the composed mapping that holds only what changes results."""
    kept: dict[str, Any] = msgspec.to_builtins(composed)
    for dotted in (*MACHINE_LOCAL_KEYS, "use"):
        *sections, last = dotted.split(".")
        node = kept
        for section in sections:
            node = node.get(section) or {}
        node.pop(last, None)
    return kept


def _decode_path(kind: type, value: Any) -> Path:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError("Expected a path")


def _name_key(message: str) -> str:
    """Turn msgspec's `... - at `$.sample.size`` into `sample.size: ...`, down to the field it speaks of."""
    what, _, place = message.partition(" - at `$")
    keys = [key for key in place.rstrip("`").split(".") if key]
    field = re.fullmatch(r"Object (contains unknown|missing required) field `(.*)`", what)
    if field:
        keys.append(field[2])
        what = "no such key" if field[1] == "contains unknown" else "this key is missing"
    return f"{'.'.join(keys)}: {what}"
