"""The configuration of a run: check `params.yaml`, arrange the command line, check what Hydra composed.

Every stage imports this module before anything of `vibe_photos`.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

# The code beside the scripts is what DVC hashes, so it runs: also in a worktree or a queued experiment, whose
# environment belongs to another folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import hydra
import msgspec
import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from vibe_photos.configuration import (
    RESOLVED,
    from_mapping,
    iterate_leaves,
    line_of,
    parse_yaml,
    with_machine_local,
)
from vibe_photos.errors import ConfigurationError
from vibe_photos.records.taxonomy_check import find_contradictions
from vibe_photos.settings import Settings

CONF = Path(__file__).resolve().parent.parent / "conf"
PARAMS = Path("params.yaml")
GROUPS = ("teacher", "taxonomy", "embedder")
BASES = {"teacher": CONF / "question.yaml", "taxonomy": CONF / "taxonomy" / "m2.yaml"}
"""The file that the other files of a group begin with."""
TOP_LEVEL = ("use", *Settings.__struct_fields__)
PLAIN_KEYS = ("head", "truth")
"""The top-level keys that have a value, and no keys under them."""

_MULTIRUN = (
    "--multirun is not supported, because every job would overwrite the outputs of the one before; "
    "queue experiments instead: `dvc exp run --queue -S sample.size=50,100`, then `dvc queue start`"
)


def list_choices(group: str, folder: Path = CONF) -> list[str]:
    """Return the names of a group's files: what `use:` in `params.yaml` and the command line may choose."""
    return sorted(file.stem for file in (folder / group).glob("*.yaml"))


def arrange_arguments(arguments: list[str]) -> list[str]:
    """Return the arguments for Hydra: choices of `params.yaml`, then overrides, then options.

    Hydra accepts overrides only in one block, so they are collected here. A choice of `params.yaml` (`use:`)
    is left out if the command line makes it.

    Raises:
        ConfigurationError: `params.yaml` or a chosen file is not valid, or a multirun is requested.
    """
    overrides = [word for word in arguments if word[:1] != "-" and ("=" in word or word[:1] == "~")]
    options = [word for word in arguments if word not in overrides]
    asked = get_args_parser().parse_args(overrides + options)
    if asked.multirun or "hydra.mode=MULTIRUN" in overrides:
        raise ConfigurationError(_MULTIRUN)
    if asked.hydra_help:  # this composes only Hydra's own configuration, so our arguments do not apply
        return ["--hydra-help"]
    folders = [CONF, *([Path(asked.config_dir)] if asked.config_dir else [])]
    chosen = read_choices(folders)
    named = {name_of(override): override.partition("=")[2] for override in overrides}
    for file in _list_used_files({**chosen, **named}):
        parse_yaml(file)
    choices = [f"{group}={choice}" for group, choice in chosen.items() if group not in named]
    return choices + overrides + options


def compose_once(overrides: list[str]) -> DictConfig:
    """Compose once what `hydra.main` would compose twice (the first time only to detect a multirun)."""
    try:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            composed = hydra.compose("config", overrides, return_hydra_config=True)
    except HydraException as error:  # often the cause says what is wrong
        raise HydraException("\n".join(str(part) for part in (error, error.__cause__) if part)) from error
    HydraConfig.instance().set_config(composed)
    with open_dict(composed):
        del composed["hydra"]
    return composed


def read_choices(folders: list[Path]) -> dict[str, str]:
    """Check `params.yaml` and return its choices (`use:`), by group.

    The file may hold only settings and choices. Hydra would obey a section `hydra:` (which sets environment
    variables and calls functions), a list `defaults:` and a comment `# @package`, and would resolve
    `${oc.env:...}`.

    Args:
        folders: where configuration files are; a choice must be a file in one of them.

    Raises:
        ConfigurationError: the file is missing, not valid, or contains more than that; the line is named.
    """
    if not PARAMS.is_file():
        raise ConfigurationError(f"no {PARAMS} in {Path.cwd()}: run stages from the repository's root")
    root = parse_yaml(PARAMS)
    text = PARAMS.read_text(encoding="utf-8")
    header = re.search(r"^\s*#\s*@package", text, re.MULTILINE)
    if header:
        line = text.count("\n", 0, header.end()) + 1
        raise ConfigurationError(
            f"{PARAMS}, line {line}: `# @package` is not allowed here; remove the comment"
        )
    choices = {}
    for key, node in root.value if root else []:
        name, where = key.value, f"in {PARAMS}, line {line_of(key)}"
        if name in ("hydra", "defaults"):
            raise ConfigurationError(
                f"{name} {where}: Hydra's own settings are not allowed here; remove them"
            )
        if name not in TOP_LEVEL:
            raise ConfigurationError(f"{name} {where}: no such section; there are {', '.join(TOP_LEVEL)}")
        if name not in PLAIN_KEYS and not isinstance(node, yaml.MappingNode):
            raise ConfigurationError(f"{name} {where}: write `key: value` lines under it, or remove it")
        for dotted, scalar in _iterate_scalars(node, name):
            if "${" in scalar.value:
                raise _interpolation_error(dotted, f"{PARAMS}, line {line_of(scalar)}")
        if name == "use":
            choices = dict(_check_choice(group, choice, folders) for group, choice in node.value)
    return choices


def _check_choice(group: yaml.Node, choice: yaml.Node, folders: list[Path]) -> tuple[str, str]:
    where = f"use.{group.value} in {PARAMS}, line {line_of(group)}"
    if group.value not in GROUPS:
        raise ConfigurationError(f"{where}: the choices are {', '.join(GROUPS)}")
    known = [name for folder in folders for name in list_choices(group.value, folder)]
    if not isinstance(choice, yaml.ScalarNode) or choice.value not in known:
        found = repr(choice.value) if isinstance(choice, yaml.ScalarNode) else "a list or a section"
        raise ConfigurationError(f"{where}: {found} is not one of {', '.join(known)}")
    return group.value, choice.value


def to_mapping(composed: DictConfig) -> dict[str, Any]:
    """Return the composition as plain types.

    Raises:
        ConfigurationError: a value is missing (`???`), or is an interpolation (`${...}`), which could
            carry a secret from the environment into a file.
    """
    mapping = cast(dict[str, Any], OmegaConf.to_container(composed, resolve=False))
    for key, value in iterate_leaves(mapping):
        if value == "???":
            raise ConfigurationError(f"{key} in {find_place(key)} has no value: write one for `???`")
        if isinstance(value, str) and "${" in value:
            raise _interpolation_error(key, find_place(key))
    return mapping


def to_recorded_settings(composed: DictConfig) -> Settings:
    """Return the settings of a stage: in `dvc repro` those that stage `compose` recorded when it began.

    So a file that is edited while DVC runs cannot give results under the configuration in `dvc.lock`. Only
    machine-local keys are read again. If the command line changes any other setting, nothing recorded is used
    (groups do not tell: `arrange_arguments` always adds their choices).

    Raises:
        ConfigurationError: as of `to_settings`.
    """
    overridden = {name_of(override) for override in HydraConfig.get().overrides.task}
    if "DVC_STAGE" not in os.environ or overridden - {*GROUPS, *PLAIN_KEYS} or not RESOLVED.is_file():
        return to_settings(to_mapping(composed))
    recorded = msgspec.yaml.decode(RESOLVED.read_bytes())
    return to_settings(with_machine_local(recorded, to_mapping(composed)))


def to_settings(mapping: dict[str, Any]) -> Settings:
    """Return the typed settings, checked for contradictions.

    Raises:
        ConfigurationError: names key, file and line; all contradictions are listed.
    """
    try:
        settings = from_mapping(mapping)
    except ConfigurationError as error:
        key, separator, what = str(error).partition(": ")
        if " " in key:  # not a key alone: the text names the place already
            raise
        raise ConfigurationError(f"{key} in {find_place(key)}{separator}{what}") from None
    contradictions = find_contradictions(settings.taxonomy, settings.classify)
    wrong = [f"{key} in {find_place(key)}: {what}" for key, what in contradictions]
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return settings


def find_place(key: str) -> str:
    """Return which file and line gives `key` its value, or that the command line does.

    A missing key belongs to the chosen file of its group, else to `conf/config.yaml`. This works only inside
    a Hydra run.
    """
    hydra = HydraConfig.get()
    overridden = {name_of(override) for override in hydra.overrides.task} - set(GROUPS)
    if any(key == name or key.startswith(f"{name}.") for name in overridden):
        return "the command line"
    group, _, inside = key.partition(".")
    own = [(CONF / "config.yaml", key)]
    if group in GROUPS:
        own.insert(0, (CONF / group / f"{hydra.runtime.choices[group]}.yaml", inside))
    if group in BASES:
        own.insert(1, (BASES[group], inside))
    for file, name in [(PARAMS, key), *own]:
        line = _find_line(parse_yaml(file), name) if file.is_file() else None
        if line is not None:
            return f"{_show(file)}, line {line}"
    return _show(own[0][0])


def _interpolation_error(key: str, place: str) -> ConfigurationError:
    return ConfigurationError(
        f"{key} in {place} holds `${{`: interpolations are not allowed; write the value"
    )


def _list_used_files(choices: dict[str, str]) -> list[Path]:
    """Return the files of `conf/` that a run reads; of a group without a choice, all."""
    files = [CONF / "config.yaml", *BASES.values()]
    for group in GROUPS:
        names = [choices[group]] if group in choices else list_choices(group)
        files += [CONF / group / f"{name}.yaml" for name in names]
    return [file for file in dict.fromkeys(files) if file.is_file()]


def name_of(override: str) -> str:
    """Return the key or group that an override changes: `sample.size` of `++sample.size=5`."""
    return re.split("[=@]", override.lstrip("+~"), maxsplit=1)[0]


def _iterate_scalars(node: yaml.Node, key: str) -> Iterator[tuple[str, yaml.ScalarNode]]:
    if isinstance(node, yaml.ScalarNode):
        yield key, node
    elif isinstance(node, yaml.MappingNode):
        for name, part in node.value:
            yield f"{key}.{name.value}", name
            yield from _iterate_scalars(part, f"{key}.{name.value}")
    else:
        for number, part in enumerate(node.value):
            yield from _iterate_scalars(part, f"{key}.{number}")


def _find_line(node: yaml.Node | None, key: str) -> int | None:
    """Return the line of a dotted key, or None; a part of the key may itself contain dots."""
    parts: list[tuple[str, yaml.Node, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        parts = [(name.value, name, value) for name, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        parts = [(str(number), value, value) for number, value in enumerate(node.value)]
    for part, name, value in parts:
        if part == key:
            return line_of(name)
        if key.startswith(f"{part}."):
            line = _find_line(value, key.removeprefix(f"{part}."))
            if line is not None:
                return line
    return None


def _show(file: Path) -> str:
    return str(file.relative_to(CONF.parent)) if file.is_absolute() else str(file)
