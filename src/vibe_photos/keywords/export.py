"""Sidecars over a whole library: what would change, and the change; the photos are never opened for writing.

What goes wrong with one sidecar is a line in the report, and the others go on.
"""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from vibe_photos.errors import InputError, LibraryError
from vibe_photos.keywords.embedded import read_embedded
from vibe_photos.keywords.notation import OURS, Keywords
from vibe_photos.keywords.sidecar import set_keywords
from vibe_photos.records.photos import Photo, text_to_path
from vibe_photos.storage.files import replace_atomically

Naming = Literal["full", "stem"]
"""`full`: `IMG_1.JPG.xmp` (digiKam, darktable, Immich); `stem`: `IMG_1.xmp` (Adobe, Immich too)."""

_Change = Callable[[bytes | None], bytes | None]


@dataclass(slots=True)
class SidecarReport:
    """What became of the sidecars: counts of `written`, `unchanged`, `removed`, and each problem's sentence.

    `removed` counts those that are gone because nothing of anybody was left in them. `changed` names the
    sidecars that were, or in a dry run would be, written or removed, in the order of the manifest.
    """

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    changed: list[Path] = field(default_factory=list)


def export_keywords(
    photos: Iterable[Photo], root: Path, keywords: Mapping[str, Keywords], naming: Naming, is_writing: bool
) -> SidecarReport:
    """Give the sidecar of every place of every photo exactly its keywords; a photo without any has none.

    Args:
        photos: the manifest.
        root: the library's folder.
        keywords: by `image_id`.
        naming: how a sidecar is named after its photo.
        is_writing: False looks at everything and writes nothing.

    Raises:
        LibraryError: `root` is not there.
    """
    _refuse_missing(root)
    report = SidecarReport()
    owner_of: dict[Path, Path] = {}
    for photo, path in _find_places(photos, root):
        sidecar = path.with_name(path.name + ".xmp") if naming == "full" else path.with_suffix(".xmp")
        trouble = _find_trouble(photo, path)
        if owner_of.setdefault(sidecar, path) != path:
            trouble = f"{sidecar} is the sidecar of {owner_of[sidecar].name} already; use --naming full"
        if trouble:
            report.problems.append(trouble)
            continue
        own = keywords.get(photo.image_id, Keywords())
        _update_sidecar(sidecar, partial(_set_keywords, photo, path, own), report, is_writing)
    return report


def remove_keywords(root: Path, is_writing: bool) -> SidecarReport:
    """Take our keywords out of every sidecar under `root`, also of photos that are no longer there.

    Raises:
        LibraryError: `root` is not there.
    """
    _refuse_missing(root)
    report = SidecarReport()
    for sidecar in sorted(path for path in root.rglob("*") if path.suffix.lower() == ".xmp"):
        _update_sidecar(sidecar, _take_out, report, is_writing)
    return report


def _set_keywords(photo: Photo, path: Path, own: Keywords, data: bytes | None) -> bytes | None:
    return set_keywords(data, own, read_embedded(path, photo.format) if own.paths else ())


def _take_out(data: bytes | None) -> bytes | None:
    if data is None or OURS.encode() not in data:
        return data
    return set_keywords(data, Keywords())


def _refuse_missing(root: Path) -> None:
    if not root.is_dir():
        raise LibraryError(f"{root} is no folder; --root says where the photos are")


def _find_places(photos: Iterable[Photo], root: Path) -> Iterator[tuple[Photo, Path]]:
    for photo in photos:
        for place in (photo.rel_path, *photo.also_at):
            yield photo, root / os.fsdecode(text_to_path(place))


def _find_trouble(photo: Photo, path: Path) -> str | None:
    """Return why the labels may not be those of this file, if so."""
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        return f"{path}: {error.strerror}; `dvc repro scan` looks again"
    if size_bytes != photo.bytes:
        return f"{path} has changed since it was labelled; run `dvc repro`"
    return None


def _update_sidecar(sidecar: Path, change: _Change, report: SidecarReport, is_writing: bool) -> None:
    try:
        target = sidecar.resolve() if sidecar.is_symlink() else sidecar
        old = _read_sidecar(target)
        new = change(old)
        if new == old:
            report.counts["unchanged"] += old is not None
            return
        if is_writing:
            _replace(target, old, new)
    except InputError as error:
        report.problems.append(f"{sidecar} {error}; it is left as it was")
    except OSError as error:
        report.problems.append(f"{sidecar}: {error.strerror or error}; it is left as it was")
    else:
        report.counts["removed" if new is None else "written"] += 1
        report.changed.append(sidecar)


def _read_sidecar(path: Path) -> bytes | None:
    if not os.path.lexists(path):
        return None
    if not path.is_file():
        raise InputError("is no file")
    return path.read_bytes()


def _replace(path: Path, old: bytes | None, new: bytes | None) -> None:
    """Put the new bytes, or nothing, in the place of the old in one step, with the old file's mode.

    Raises:
        InputError: it is no longer what was read.
    """
    if new is None:
        _refuse_changed(path, old)
        path.unlink()
        return
    with replace_atomically(path) as temporary:
        temporary.write_bytes(new)
        if old is not None:
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        _refuse_changed(path, old)


def _refuse_changed(path: Path, old: bytes | None) -> None:
    if _read_sidecar(path) != old:
        raise InputError("was changed by another program just now: run again")
