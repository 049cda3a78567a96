"""The configuration of a run: what Hydra composed, checked, and which file a wrong key stands in."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from vibe_photos.configuration import from_mapping
from vibe_photos.errors import ConfigurationError
from vibe_photos.settings import Settings

CONF = Path(__file__).resolve().parent.parent / "conf"
PARAMS = Path("params.yaml")
GROUPS = ("teacher", "taxonomy", "embedder")


def choose_groups(arguments: list[str]) -> list[str]:
    """Put the choices of `params.yaml` (`use:`) in front of a command line that does not make them itself.

    Raises:
        ConfigurationError: there is no `params.yaml` here, or `use:` names no group of `conf/`.
    """
    if not PARAMS.is_file():
        raise ConfigurationError(f"no {PARAMS} in {Path.cwd()}: run stages from the repository's root")
    chosen = cast(dict[str, str], _lookup(_read(PARAMS), "use") or {})
    for group in chosen:
        if group not in GROUPS:
            raise ConfigurationError(f"use.{group} in {PARAMS}: the choices are {', '.join(GROUPS)}")
    named = {argument.partition("=")[0] for argument in arguments}
    return [f"{group}={choice}" for group, choice in chosen.items() if group not in named] + arguments


def to_mapping(composed: DictConfig) -> dict[str, Any]:
    """Return the composition as plain types.

    Raises:
        ConfigurationError: a value is missing (`???`), or is an interpolation (`${...}`), which could
            carry a secret from the environment into a file.
    """
    mapping = cast(dict[str, Any], OmegaConf.to_container(composed, resolve=False))
    for key, value in _leaves(mapping):
        if value == "???":
            raise ConfigurationError(f"{key} in {find_file(key, mapping)} has no value: write one for `???`")
        if isinstance(value, str) and "${" in value:
            raise ConfigurationError(
                f"{key} in {find_file(key, mapping)} holds `${{`: interpolations are refused, write the value"
            )
    return mapping


def to_settings(composed: DictConfig) -> Settings:
    """Return the typed settings; a `ConfigurationError` names the key and the file it stands in."""
    mapping = to_mapping(composed)
    try:
        return from_mapping(mapping)
    except ConfigurationError as error:
        key, _, what = str(error).partition(": ")
        raise ConfigurationError(f"{key} in {find_file(key, mapping)}: {what}") from None


def find_file(key: str, mapping: Mapping[str, Any]) -> str:
    """Return which file gives `key` its value: the last of those that are laid over each other."""
    group = key.partition(".")[0]
    choices = sorted((CONF / group).glob("*.yaml")) if group in GROUPS else []
    sources = [
        (PARAMS, key),
        *((file, key.partition(".")[2]) for file in choices),
        (CONF / "config.yaml", key),
    ]
    for file, inside in sources:
        if _holds(file, inside, _lookup(mapping, key)):
            return str(file.relative_to(CONF.parent)) if file.is_absolute() else str(file)
    return "the command line"


def _holds(file: Path, key: str, value: Any) -> bool:
    found = _lookup(_read(file), key)
    return found is not None and found == value


def _read(file: Path) -> Any:
    return OmegaConf.to_container(OmegaConf.load(file), resolve=False)


def _lookup(node: Any, key: str) -> Any:
    for part in filter(None, key.split(".")):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
