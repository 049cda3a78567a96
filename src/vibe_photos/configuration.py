"""Read YAML files with errors that name the line, and turn a composed mapping into typed settings."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
import yaml
from msgspec.structs import replace

from vibe_photos.errors import ConfigurationError
from vibe_photos.settings import Settings

RESOLVED = Path("data/config/resolved.yaml")
"""The configuration without the machine-local keys; stage `compose` writes it and DVC compares it."""

ENCODER = "encoder"
"""A key of that file that is not a setting: the encoder's name with a hash of everything that decides a
vector, its weights included. So other weights at the same path make stage `embed` run again."""

TOLD = "definitions_told"
"""Another such key: what the prompt says of the words' meaning, null unless `teacher.definitions` is true.
So an edited definition makes stage `annotate` run again only if the teacher is told it."""

MACHINE_LOCAL_KEYS = (
    "paths",
    "head",
    "truth",
    "annotate.concurrency",
    "annotate.workers",
    "annotate.timeout_seconds",
    "annotate.wait_minutes",
    "annotate.max_failures_in_a_row",
    "annotate.model_aliases",
    "annotate.dry_run",
    "annotate.allow_plain_http",
    "annotate.rates",
    "teacher.replay",
    "teacher.rates",
    "embed.batch_size",
    "embed.workers",
    "embed.device",
    "embed.engine",
    "embed.ray_address",
)
"""Paths, speed, and which instance of a stage runs. They change no label, so they are not in `resolved.yaml`
and no stage reruns for them."""

_STANDARD_TAGS = {"null", "bool", "int", "float", "str", "timestamp", "seq", "map", "merge"}


def from_mapping(composed: Mapping[str, Any]) -> Settings:
    """Check a composed configuration and return it as settings.

    Raises:
        ConfigurationError: a key is unknown, missing, of the wrong type or out of range. The message starts
            with the dotted key and a colon.
    """
    values = {key: value for key, value in composed.items() if key != "use"}
    for key, value in iterate_leaves(values):
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigurationError(f"{key}: {value} is not a finite number")
    try:
        settings: Settings = _convert(values, Settings)
    except msgspec.ValidationError:
        raise ConfigurationError(_explain(values, Settings, "")) from None
    # `resolved.yaml` keeps the `~`, so that it says the same for everybody.
    library = replace(settings.library, root=os.path.expanduser(settings.library.root))
    return replace(settings, library=library)


def read_resolved(folder: Path = Path()) -> Settings:
    """Return the configuration of the last `compose`, with the machine-local values of `conf/config.yaml`.

    `folder` is the root of the repository.

    Raises:
        ConfigurationError: stage `compose` has not run here yet, or a file is not valid.
    """
    if not (folder / RESOLVED).is_file():
        raise ConfigurationError(f"{folder / RESOLVED} does not exist: run `dvc repro compose` first")
    defaults, resolved = (_read_mapping(folder / file) for file in ("conf/config.yaml", RESOLVED))
    composed = {key: value for key, value in defaults.items() if key not in ("defaults", "hydra")}
    for section in resolved.keys() - {ENCODER, TOLD}:
        composed[section] = {**composed.get(section, {}), **resolved[section]}
    return from_mapping(composed)


def compose_settings(overrides: Sequence[str] = ()) -> Settings:
    """Return what params.yaml and conf/ say now, machine-local values too, after stage `compose` checked it.

    Run in the repository's root. Only the scripts of stages know Hydra. With `overrides` (`KEY=VALUE`) the
    stage does not run, since it would write them, and contradictions are not looked for.

    Raises:
        ConfigurationError: something in them is wrong; the stage's own message is on stderr.
    """
    stage = [sys.executable, "stages/compose_config.py"]
    wrong = ConfigurationError("fix the configuration first: the errors are listed above")
    if not overrides and subprocess.run(stage, check=False).returncode:
        raise wrong
    ran = subprocess.run([*stage, *overrides, "--cfg", "job"], stdout=subprocess.PIPE, check=False)
    if ran.returncode:
        raise wrong
    shown = ran.stdout
    composed: dict[str, Any] = msgspec.yaml.decode(shown)
    return from_mapping(composed)


def without_machine_local(composed: Mapping[str, Any]) -> dict[str, Any]:
    """Return a deep copy with only the keys that can change results."""
    kept: dict[str, Any] = msgspec.to_builtins(composed)
    for dotted in (*MACHINE_LOCAL_KEYS, "use"):
        *sections, last = dotted.split(".")
        node = kept
        for section in sections:
            node = node.get(section) or {}
        node.pop(last, None)
    return kept


def with_machine_local(recorded: Mapping[str, Any], composed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that stage `compose` wrote, with the machine-local keys of `composed`."""
    merged = {
        key: value for key, value in msgspec.to_builtins(recorded).items() if key not in (ENCODER, TOLD)
    }
    for dotted in MACHINE_LOCAL_KEYS:
        *sections, last = dotted.split(".")
        node, source = merged, composed
        for section in sections:
            node, source = node.setdefault(section, {}), source.get(section) or {}
        if last in source:
            node[last] = source[last]
    return merged


def iterate_leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value inside mappings and lists, with its dotted key (list items: their number)."""
    if isinstance(value, Mapping | list):
        for name, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from iterate_leaves(part, _join(key, name))
    else:
        yield key, value


def parse_yaml(file: Path) -> yaml.MappingNode | None:
    """Parse a YAML file to its nodes, which know their lines; None if it is empty.

    Raises:
        ConfigurationError: the file is not a UTF-8 YAML mapping, or has a key twice, a key that is not text,
            a tag, or a part that contains itself. File and line are named.
    """
    try:
        content = file.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"{file}, line {line}: this is not UTF-8 text; save the file as UTF-8"
        ) from None
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigurationError(f"{file}, line {line}: {error.reason}; save the file as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigurationError(f"{file}, line {line}: this is not valid YAML: {error.problem}") from None
    if root is None:
        return None
    if not isinstance(root, yaml.MappingNode):
        raise ConfigurationError(f"{file}, line {line_of(root)}: this file must hold `key: value` lines")
    _check_node(root, file, ())
    return root


def line_of(node: yaml.Node) -> int:
    """Return the line, from 1, on which a node begins."""
    return node.start_mark.line + 1


def _check_node(node: yaml.Node, file: Path, parents: tuple[yaml.Node, ...]) -> None:
    where = f"{file}, line {line_of(node)}"
    if node.tag.removeprefix("tag:yaml.org,2002:") not in _STANDARD_TAGS:
        raise ConfigurationError(f"{where}: the tag {node.tag!r} is not allowed; write a plain value")
    if any(node is parent for parent in parents):
        raise ConfigurationError(f"{where}: this part contains itself")
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, part in node.value:
            where = f"{file}, line {line_of(key)}"
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                raise ConfigurationError(f"{where}: the key {key.value!r} is not text; put it in quotes")
            if key.value in seen:
                raise ConfigurationError(f"{where}: the key {key.value!r} is here a second time; remove one")
            seen.add(key.value)
            parts.append(part)
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    for part in parts:
        _check_node(part, file, (*parents, node))


def _read_mapping(file: Path) -> dict[str, Any]:
    parse_yaml(file)
    mapping: dict[str, Any] = msgspec.yaml.decode(file.read_bytes())
    return mapping


def _convert(value: Any, kind: Any) -> Any:
    return msgspec.convert(value, kind, strict=True, dec_hook=_decode_path)


def _decode_path(kind: type, value: Any) -> Path:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError("Expected a path")


def _explain(value: Any, kind: Any, key: str) -> str:
    """Return `dotted.key: what is wrong` for the innermost value of a wrong type."""
    if get_origin(kind) in (Union, UnionType):  # of the form `X | None`
        kind = next(part for part in get_args(kind) if part is not NoneType)
    parts: dict[Any, Any] = {}  # name and type of each part of `value`
    if isinstance(value, Mapping) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        for name in value:
            if name not in fields:
                return f"{_join(key, name)}: no such key"
        for name, field in fields.items():
            if field.required and name not in value:
                return f"{_join(key, name)}: this key is missing"
        parts = {name: fields[name].type for name in value}
    elif isinstance(value, Mapping) and get_origin(kind) is dict:
        parts = dict.fromkeys(value, get_args(kind)[1])
    elif isinstance(value, list) and get_origin(kind) is list:
        parts = dict.fromkeys(range(len(value)), get_args(kind)[0])
    for name, part_kind in parts.items():
        try:
            _convert(value[name], part_kind)
        except msgspec.ValidationError:
            return _explain(value[name], part_kind, _join(key, name))
    if get_origin(kind) is Literal:
        return f"{key}: {value!r} is not one of {', '.join(map(str, get_args(kind)))}"
    try:
        _convert(value, kind)
    except msgspec.ValidationError as error:
        return f"{key}: {error}"
    raise AssertionError(f"{key} is of its type")


def _join(key: str, name: Any) -> str:
    return f"{key}.{name}" if key else str(name)
