"""`vibe-photos export-xmp`: update the sidecars of a library, or show what would change.

Photos are never opened for writing. A problem with one sidecar is reported and does not stop the others.
"""

import codecs
import os
import sqlite3
import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from PIL import IptcImagePlugin

from vibe_photos.errors import DecodeError, InputError, LibraryError
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.keywords.sidecar import (
    OUR_NAMESPACE,
    KeywordPath,
    Keywords,
    read_foreign_keywords,
    set_keywords,
    strip_keywords,
)
from vibe_photos.pixels.formats import open_image
from vibe_photos.records.ground_truth import judged_labels
from vibe_photos.records.photos import Photo, text_to_path, verified
from vibe_photos.records.splits import read_current_ids
from vibe_photos.records.taxonomy import HEADS, head_keys, label_name
from vibe_photos.scan.walk import walk_folders
from vibe_photos.settings import Settings
from vibe_photos.storage.files import replace_atomically
from vibe_photos.storage.sqlite import open_database
from vibe_photos.terminal import name_file

Whose = Literal["final", "human"]
"""`final`: every photo's labels, a person's if there are any; `human`: only photos that people checked."""

Naming = Literal["full", "stem"]
"""How a new sidecar is named: `full`: `IMG_1.JPG.xmp` (digiKam, darktable, Immich); `stem`: `IMG_1.xmp`
(Adobe, Immich too). Where another program has put one of the two, our keywords go into that."""

_ROOT = "vibe-photos"
"""The root of all our keywords."""

_IPTC_KEYWORDS = (2, 25)


@dataclass(slots=True)
class SidecarReport:
    """Counts of `written`, `unchanged` and `removed` sidecars, and the problems.

    A sidecar is removed if nothing is left in it. `changed` lists the sidecars that were, or in a dry run
    would be, written or removed, in the order of the manifest.
    """

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    changed: list[Path] = field(default_factory=list)


def read_keywords(settings: Settings, whose: Whose) -> dict[str, Keywords]:
    """Return each labelled photo's keywords by `image_id`.

    For a scene or attribute that the person did not judge, `final` uses the student's label and `human` none.

    Raises:
        InputError: the labels are missing, or a person's record is malformed or has an unknown label key.
    """
    paths, taxonomy = settings.paths, settings.taxonomy
    found = _read_student(paths.labels) if whose == "final" else {}
    people = read_human_truth(paths.human, read_current_ids(paths.splits)).fit(taxonomy, paths.human)
    keys = {head: head_keys(taxonomy, head) for head in HEADS}
    for record in people.everything.values():
        said = judged_labels(record, keys, settings.classify.attribute_from_scene)
        others = found.get(record.image_id, set()) - said.keys()
        found[record.image_id] = others | {key for key, is_true in said.items() if is_true}
    return {image_id: to_keywords(own) for image_id, own in found.items()}


def to_keywords(keys: Iterable[str]) -> Keywords:
    """Return keys as keywords: `object.food.dessert` is `vibe-photos|object|food|dessert` and `dessert`."""
    ordered = sorted(keys)
    return Keywords(
        paths=tuple((_ROOT, *key.split(".")) for key in ordered),
        words=tuple(dict.fromkeys(label_name(key) for key in ordered)),
    )


def _read_student(labels: Path) -> dict[str, set[str]]:
    with open_database(labels) as connection:
        try:
            rows = connection.execute("SELECT image_id, label_key FROM label_assignment WHERE value = 1")
            found: dict[str, set[str]] = defaultdict(set)
            for image_id, key in rows:
                found[image_id].add(key)
        except sqlite3.OperationalError as error:
            raise InputError(f"{labels} has no final labels: {error}; make it with `dvc repro`") from None
    return found


def export_keywords(
    photos: Iterable[Photo], root: Path, keywords: Mapping[str, Keywords], naming: Naming, is_writing: bool
) -> SidecarReport:
    """Write exactly these keywords into the sidecar of each copy of each photo.

    Args:
        photos: the manifest.
        root: the library's folder.
        keywords: by `image_id`.
        naming: how a new sidecar is named after its photo.
        is_writing: False for a dry run.

    Raises:
        LibraryError: `root` does not exist.
    """
    _check_root(root)
    report = SidecarReport()
    owners: dict[Path, Path] = {}
    left: dict[Path, None] = {}
    for photo, path in _find_copies(photos, root):
        sidecar, *others = _order_sidecars(path, naming)
        left |= dict.fromkeys(others)
        problem = _find_problem(photo, path)
        if owners.setdefault(sidecar, path) != path:
            problem = f"{sidecar} is the sidecar of {owners[sidecar].name} already; use --naming full"
        if problem:
            report.problems.append(problem)
            continue
        own = keywords.get(photo.image_id, Keywords())
        _update_sidecar(sidecar, partial(_set_keywords, photo, path, own, is_writing), report, is_writing)
    for sidecar in left:
        if sidecar not in owners and sidecar.is_file():  # ours alone would hide the other one
            _update_sidecar(sidecar, _strip_ours, report, is_writing)
    return report


def _order_sidecars(path: Path, naming: Naming) -> list[Path]:
    """Return the two possible sidecars of a photo, first the one that gets our keywords.

    Programs that know both read `IMG_1.JPG.xmp` first. So a new one beside `IMG_1.xmp` would hide that.
    """
    full, stem = path.with_name(path.name + ".xmp"), path.with_suffix(".xmp")
    if _is_by_others(full):
        return [full, stem]
    if _is_by_others(stem) or naming == "stem":
        return [stem, full]
    return [full, stem]


def _is_by_others(sidecar: Path) -> bool:
    """Return whether a sidecar has anything that we did not write; one that cannot be read does."""
    try:
        data = _read_sidecar(sidecar)
        return data is not None and _strip_ours(data) is not None
    except (InputError, OSError):
        return True


def remove_keywords(root: Path, is_writing: bool) -> SidecarReport:
    """Remove our keywords from every sidecar under `root`, also if the photo was deleted.

    Raises:
        LibraryError: `root` does not exist.
    """
    _check_root(root)
    report = SidecarReport()
    for sidecar in _find_sidecars(root):
        _update_sidecar(sidecar, _strip_ours, report, is_writing)
    return report


def _find_sidecars(root: Path) -> list[Path]:
    """Return every sidecar under `root` once; links to folders are followed, as by the scan."""
    paths = (
        root / os.fsdecode(os.path.join(folder.path, name))
        for folder in walk_folders(os.fsencode(root), ["xmp"], [])
        for name in folder.files
        if name.lower().endswith(b".xmp")
    )
    return sorted({path.resolve(): path for path in paths}.values())


def _set_keywords(
    photo: Photo, path: Path, own: Keywords, is_writing: bool, data: bytes | None
) -> bytes | None:
    new = set_keywords(data, own, read_embedded(path, photo.format) if own.paths else ())
    if is_writing and new != data:
        try:
            with verified(path, photo):
                pass
        except DecodeError as error:
            raise InputError(f"is not written, because of {path.name}: {error}") from None
    return new


def _strip_ours(data: bytes | None) -> bytes | None:
    # A sidecar without our keywords need not be parsed, nor be valid.
    return data if data is None or OUR_NAMESPACE.encode() not in data else strip_keywords(data)


def read_embedded(path: Path, image_format: str) -> list[KeywordPath]:
    """Return the keywords inside a photo, first those of its XMP, then those of IPTC, each once.

    Args:
        path: the photo, which is only read.
        image_format: Pillow's name of its format.

    Raises:
        InputError: they cannot be read; the message goes after the name of the photo's sidecar.
        OSError: the photo cannot be read.
    """
    try:
        with name_file(path), path.open("rb") as file:
            image = open_image(file, image_format)
            if image_format == "PNG":
                image.load()  # a PNG may have its XMP after the pixels
            xmp = image.info.get("xmp") or b""
            iptc = (IptcImagePlugin.getiptcinfo(image) or {}).get(_IPTC_KEYWORDS, [])
    except OSError:
        raise
    except Exception as error:
        raise InputError(f"is not written: the keywords in its photo cannot be read: {error}") from None
    data = xmp.encode() if isinstance(xmp, str) else xmp
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode()
    data = data.strip(b"\0 \r\n\t")
    try:
        paths = read_foreign_keywords(data) if data else []
    except InputError as error:
        raise InputError(f"is not written: the XMP in its photo {error}") from None
    words = [_decode_iptc(value) for value in (iptc if isinstance(iptc, list) else [iptc])]
    known = {path[-1] for path in paths}
    return [*paths, *((word,) for word in dict.fromkeys(words) if word.strip() and word not in known)]


def _decode_iptc(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    # IPTC may hold control characters, XML may not.
    return "".join(character for character in text if character.isprintable())


def _check_root(root: Path) -> None:
    if not root.is_dir():
        raise LibraryError(f"{root} is not a folder; --root says where the photos are")


def _find_copies(photos: Iterable[Photo], root: Path) -> Iterator[tuple[Photo, Path]]:
    for photo in photos:
        for place in (photo.rel_path, *photo.also_at):
            yield photo, root / os.fsdecode(text_to_path(place))


def _find_problem(photo: Photo, path: Path) -> str | None:
    """Return why the labels may not belong to this file, None if they do."""
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        return f"{path}: {error.strerror}; run `dvc repro scan` to update the list"
    if size_bytes != photo.bytes:
        return f"{path} has changed since it was labelled; run `dvc repro`"
    return None


def _update_sidecar(
    sidecar: Path, change: Callable[[bytes | None], bytes | None], report: SidecarReport, is_writing: bool
) -> None:
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
        report.problems.append(f"{sidecar} {error}; it was not changed")
    except OSError as error:
        report.problems.append(f"{sidecar}: {error.strerror or error}; it was not changed")
    else:
        report.counts["removed" if new is None else "written"] += 1
        report.changed.append(sidecar)


def _read_sidecar(path: Path) -> bytes | None:
    if not os.path.lexists(path):
        return None
    if not path.is_file():
        raise InputError("is not a file")
    return path.read_bytes()


def _replace(path: Path, old: bytes | None, new: bytes | None) -> None:
    """Replace the file atomically, or delete it if `new` is None; keep the file mode.

    Raises:
        InputError: the file has changed since it was read.
    """

    def check_unchanged() -> None:
        if _read_sidecar(path) != old:
            raise InputError("was just changed by another program: run this again")

    if new is None:
        check_unchanged()
        path.unlink()
        return
    with replace_atomically(path) as temporary:
        temporary.write_bytes(new)
        if old is not None:
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        check_unchanged()
