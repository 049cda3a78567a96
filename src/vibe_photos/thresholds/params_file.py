"""Write proposals into section `classify` of `params.yaml`, keeping comments, order and all other lines."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vibe_photos.errors import InputError
from vibe_photos.settings import TunedOn
from vibe_photos.storage.files import write_bytes

_TUNED_ON: TunedOn = "human_tune_half"
_UNWRAPPED = 1_000_000


def write_changes(params: Path, changes: Mapping[str, Mapping[str, float]]) -> None:
    """Write new numbers into sections of `classify`: `{"attribute_threshold": {"has_text": 0.2}}`.

    `tuned_on` is set too, which makes evaluation use only the half of the measured photos that was not used
    for tuning. Without any number, the file stays as it is.

    Raises:
        InputError: `params` is missing, is not YAML, or `classify` in it is not a mapping.
    """
    from ruamel.yaml import YAML

    # The same library as DVC uses, but without wrapping lines or dropping quotes.
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, _UNWRAPPED
    document = _load(yaml, params)
    if not any(changes.values()):
        return
    classify = _section(document, "classify", params)
    for section, values in changes.items():
        for name, value in values.items():
            _set_number(_section(classify, section, params), name, value)
    if "tuned_on" in classify:
        classify["tuned_on"] = _TUNED_ON
    else:
        classify.insert(0, "tuned_on", _TUNED_ON)
    text = io.BytesIO()
    yaml.dump(document, text)
    write_bytes(params, text.getvalue())


def _load(yaml: Any, params: Path) -> Any:
    from ruamel.yaml.error import YAMLError

    try:
        document = yaml.load(params.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{params} does not exist: run this from the repository's root") from None
    except YAMLError as error:
        raise InputError(f"{params} is not YAML: {error}") from None
    if not isinstance(document, dict):
        raise InputError(f"{params} is not a mapping of sections")
    return document


def _section(node: Any, name: str, params: Path) -> Any:
    """Return a section; a missing one is inserted first."""
    if node.get(name) is None:
        node.insert(0, name, type(node)())
    if not isinstance(node[name], dict):
        raise InputError(f"{params}: {name} is {node[name]!r}, it must be a mapping")
    return node[name]


def _set_number(section: Any, name: str, value: float) -> None:
    """Set a value; a new key is inserted before the blank lines and comments at the section's end."""
    from ruamel.yaml.tokens import CommentToken

    last = None if name in section else next(reversed(section), None)
    section[name] = value
    _, _, token, _ = section.ca.items.get(last) or [None] * 4
    if token is not None:
        beside, _, below = token.value.partition("\n")
        token.value = f"{beside}\n"
        section.ca.items[name] = [None, None, CommentToken(f"\n{below}", token.start_mark), None]
