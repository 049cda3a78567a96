"""Find personal data in uploads.

Text is found by field name in any JSON, JSON Lines or YAML file, at any depth. In the teacher's answers and
in people's files, text in any field that is not known to contain a fixed word counts as free text.
"""

import configparser
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from vibe_photos.sharing.addresses import has_credentials
from vibe_photos.sharing.uploads import PHOTOS, Upload

CREDENTIALS = "credentials"
PICTURES = "small pictures of photos, with their file names"
FULL_PATHS = "full paths on this machine"
NAMES = "names of files and folders"
REVIEWERS = "names of reviewers"
PEOPLE_TEXT = "notes and other text that people wrote"
TEACHER_TEXT = "free text of the teacher"
VECTORS = "vectors, from which what a photo shows can be inferred"
IDS = "photo ids (hashes: whoever has the same file can tell that you have it)"
UNREADABLE = "not readable as what its name says: look at it yourself"

KINDS = (
    *(CREDENTIALS, PHOTOS, PICTURES, FULL_PATHS, NAMES, REVIEWERS, PEOPLE_TEXT, TEACHER_TEXT, VECTORS, IDS),
    UNREADABLE,
)
"""Kinds of personal data, the most sensitive first."""

_TEXT_FIELDS = {
    "rel_path": NAMES,
    "also_at": NAMES,
    "server_path": FULL_PATHS,
    "image_path": FULL_PATHS,
    "root": FULL_PATHS,
    "name_free": TEACHER_TEXT,
    "note": PEOPLE_TEXT,
    "image_id": IDS,
    "group": IDS,
    "members": IDS,
}
_WORDS = frozenset(
    {
        *("scene", "coarse_type", "objects", "stratum", "model", "prompt_id", "finish_reason", "kind"),
        *("decided_at", "undoes", "seen", "purpose", "action", "reason"),
    }
)
_FREE_TEXT_OF = {"teacher's answers": TEACHER_TEXT, "human truth": PEOPLE_TEXT}
_TABLES_BY_ID = ("image_embedding", "probability", "label_assignment")
_SECRET_OPTION = re.compile("secret|password|passphrase|token|access_key|account_key|connection_string")
_FULL_PATH = re.compile(r"[/~\\]|[A-Za-z]:[/\\]")
_MOST_EXAMPLES = 3


class PersonalData(msgspec.Struct, frozen=True):
    """One kind of personal data over several files.

    `count` is the number of records in the file with the most of it (for photos: the number of files);
    `examples` are the first few of that file.
    """

    kind: str
    count: int
    examples: list[str]
    files: list[str]


@dataclass(slots=True)
class Finding:
    """One kind of personal data in a file: in how many records or rows, and the first few examples."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, examples: Sequence[str]) -> None:
        """Count a record, and keep the first few examples."""
        self.count += 1
        if len(self.examples) < _MOST_EXAMPLES:
            new = [text for text in dict.fromkeys(examples) if text and text not in self.examples]
            self.examples += new[: _MOST_EXAMPLES - len(self.examples)]


def find_personal_data(uploads: Sequence[Upload]) -> list[PersonalData]:
    """Return the personal data in the uploads, the most sensitive first."""
    found: dict[str, list[tuple[str, Finding]]] = defaultdict(list)
    for upload in uploads:
        for kind, finding in inspect_upload(upload).items():
            found[kind].append((upload.paths[0], finding))
    personal = []
    for kind in filter(found.__contains__, KINDS):
        most = max((finding for _, finding in found[kind]), key=lambda finding: finding.count)
        count = len(found[kind]) if kind == PHOTOS else most.count
        files = sorted({path for path, _ in found[kind]})
        personal.append(PersonalData(kind, count, most.examples, files))
    return personal


def inspect_upload(upload: Upload) -> dict[str, Finding]:
    """Return the personal data in a file, by kind."""
    path = PurePosixPath(upload.paths[0])
    if upload.kind == PHOTOS:
        return {PHOTOS: Finding(1, [str(path)])}
    if upload.content is None or not upload.size_bytes:
        return {}
    try:
        found = _inspect_content(upload.content, path, _FREE_TEXT_OF.get(upload.kind))
    except (ValueError, configparser.Error, sqlite3.DatabaseError, msgspec.DecodeError):
        return {UNREADABLE: Finding(1, [str(path)])}
    return found | ({REVIEWERS: Finding(1, [path.stem])} if path.parent.name == "decisions" else {})


def _inspect_content(content: Path, path: PurePosixPath, free_text: str | None) -> dict[str, Finding]:
    if path.parent.name == ".dvc" and path.name == "config":
        return _inspect_dvc_config(content)
    match path.suffix:
        case ".jsonl" | ".json" | ".yaml" | ".lock":
            return _inspect_records(_read_records(content, path.suffix), free_text)
        case ".sqlite":
            return _inspect_database(content)
        case ".html":
            page = content.read_bytes()
            counts = {PICTURES: page.count(b"data:image/jpeg;base64,"), NAMES: page.count(b'class="file"')}
            return {kind: Finding(count) for kind, count in counts.items() if count}
        case ".npz":
            return _inspect_arrays(content)
    return {}


def _inspect_records(records: Iterator[Any], free_text: str | None) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for record in records:
        texts: dict[str, list[str]] = {}
        for kind, text in _find_texts(record, "", free_text):
            texts.setdefault(kind, []).append(text)
        for kind, examples in texts.items():
            found.setdefault(kind, Finding()).add([] if kind == IDS else examples)
    return found


def _read_records(content: Path, suffix: str) -> Iterator[Any]:
    if suffix == ".jsonl":
        with content.open("rb") as lines:
            yield from (msgspec.json.decode(line) for line in lines if line.strip())
        return
    decode = msgspec.json.decode if suffix == ".json" else msgspec.yaml.decode
    value = decode(content.read_bytes())
    if isinstance(value, dict) and all(isinstance(inner, dict) for inner in value.values()):
        value = list(value.values())
    yield from value if isinstance(value, list) else (value,)


def _find_texts(value: Any, key: str, free_text: str | None) -> Iterator[tuple[str, str]]:
    """Yield kind and text of each personal text in `value`, the value of field `key`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _find_texts(inner, name, free_text)
    elif isinstance(value, list):
        for inner in value:
            yield from _find_texts(inner, key, free_text)
    elif isinstance(value, str) and key not in _WORDS:
        kind = _TEXT_FIELDS.get(key, free_text)
        if kind and (kind != FULL_PATHS or _FULL_PATH.match(value)):
            yield kind, value


def _inspect_database(content: Path) -> dict[str, Finding]:
    address = f"{content.resolve().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        named = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {name for (name,) in named}.intersection(_TABLES_BY_ID)
        counted = [f"SELECT count(DISTINCT image_id) FROM {table}" for table in tables]
        ids = max((connection.execute(query).fetchone()[0] for query in counted), default=0)
    kinds = (IDS, VECTORS) if "image_embedding" in tables else (IDS,)
    return {kind: Finding(ids) for kind in kinds if ids}


def _inspect_arrays(content: Path) -> dict[str, Finding]:
    import numpy as np

    with np.load(content) as arrays:
        ids = len(arrays["image_ids"]) if "image_ids" in arrays else 0
    return {IDS: Finding(ids)} if ids else {}


def _inspect_dvc_config(content: Path) -> dict[str, Finding]:
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(content.read_text())
    secret = [
        f"{option} of {section}"
        for section, options in config.items()
        for option, value in options.items()
        if _SECRET_OPTION.search(option) or has_credentials(value)
    ]
    return {CREDENTIALS: Finding(len(secret), secret)} if secret else {}
