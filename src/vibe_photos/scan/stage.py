"""Stage `scan`: write the manifest of the photos in a folder; every file is accounted for.

A file with a photo's extension becomes a photo, another path (`also_at`) of a photo with the same bytes, or a
problem with a reason; all other files are counted by ending. The counts are logged.

A photo is a file's bytes; a picture is what one sees: it stays the same if a rating is written into the file.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path

import msgspec

from vibe_photos.errors import LibraryError
from vibe_photos.records.photos import HASH_DIGITS, HashName, Photo, PhotoProblem, read_manifest
from vibe_photos.records.pictures import KnownPicture, Pictures, pictures_path, read_pictures
from vibe_photos.scan.files import FileFinding, FileStamp
from vibe_photos.scan.inspection import HOW_TO_SET_ROOT, Inspection, inspect_library
from vibe_photos.scan.left_out import NamedFinding, describe_left_out, split_findings
from vibe_photos.scan.stat_cache import open_stat_cache
from vibe_photos.settings import Library, Settings
from vibe_photos.storage.files import replace_together, write_bytes
from vibe_photos.storage.jsonl import write_jsonl

_log = logging.getLogger(__name__)


def scan_library(settings: Settings, store: Path) -> list[str]:
    """Find every photo under `library.root`; any other file is counted or recorded as a problem.

    Writes `paths.photos` and, next to it, `problems.jsonl` and `pictures.jsonl`, to which it only adds lines.
    Unchanged files are not read again, and an unchanged library gives the same bytes. If the root does not
    exist (a disk that is not mounted), the manifest of an earlier scan is kept, with a warning; so are the
    photos in a folder that cannot be read.

    Returns:
        What was left out, a line for each ending; none if nothing has changed since the last scan.

    Raises:
        LibraryError: the root does not exist and there is no manifest of it, it has no photos, or it
            became unreadable during the scan. Then nothing is written.
    """
    library, manifest = settings.library, settings.paths.photos
    problems_file = manifest.with_name("problems.jsonl")
    if not os.path.lexists(library.root):
        _keep_manifest(library, manifest, store)
        return []
    with open_stat_cache(store, library.root, library.content_hash) as cache:
        inspection = inspect_library(library, cache)
        earlier, earlier_problems = _read_bytes(manifest), _read_bytes(problems_file)
        known = _read_bytes(pictures_path(manifest))
        is_unchanged = (
            not inspection.read_files
            and not inspection.closed_folders
            and b'"closed_folder"' not in earlier_problems  # nor had the last scan one
            and problems_file.exists()
            and cache.remembers_outcome(library.root, earlier, earlier_problems + known)
        )
        if is_unchanged:
            counts = earlier.count(b"\n"), earlier_problems.count(b"\n")
            _log.info("scanned %s: nothing has changed: %d photos, %d problems", library.root, *counts)
            return []
        closed = [folder.rel_path for folder in inspection.closed_folders]
        kept = list(_keep_places(earlier, closed, library.content_hash))
        findings, not_photos = split_findings(inspection.list_findings(cache), library.extensions)
        photos, problems = _list_content([*findings, *kept])
        problems = sorted(problems + inspection.closed_folders, key=lambda problem: problem.rel_path)
        root = os.fsencode(library.root)
        left_out = describe_left_out(root, inspection.folders, not_photos, library.extensions)
        _log_sums(library.root, inspection, photos, len(problems), len(not_photos), len(kept))
        if left_out:
            _log.info("left out: %s", "; ".join(left_out))
        if not photos:
            raise _empty_library_error(library.root, problems, manifest)
        known += _list_new_pictures(manifest, findings)
        files = manifest, problems_file, pictures_path(manifest)
        with replace_together(*files) as (new_manifest, new_problems, new_pictures):
            write_jsonl(new_manifest, photos)
            write_jsonl(new_problems, problems)
            write_bytes(new_pictures, known)
        cache.remember_outcome(library.root, manifest.read_bytes(), problems_file.read_bytes() + known)
    _log_changes(earlier, photos)
    return left_out


def _list_content(findings: Iterable[NamedFinding]) -> tuple[list[Photo], list[PhotoProblem]]:
    """Divide files into photos and problems, each sorted by `rel_path`; the same bytes are one photo.

    Raises:
        LibraryError: two different photos have the same hash.
    """
    photos: dict[str, Photo] = {}
    problems: list[PhotoProblem] = []
    for place, finding in sorted(findings, key=itemgetter(0)):
        image_id, size_bytes = finding.image_id, finding.stamp.size_bytes
        if finding.reason:
            problems.append(PhotoProblem(rel_path=place, reason=finding.reason, detail=finding.detail))
        elif image_id not in photos:
            photos[image_id] = Photo(
                image_id=image_id, rel_path=place, also_at=[], bytes=size_bytes, format=finding.format
            )
        elif photos[image_id].bytes == size_bytes:
            photos[image_id].also_at.append(place)
        else:
            raise LibraryError(
                f"two different photos have the same hash: {photos[image_id].rel_path} and {place}. Set "
                "library.content_hash to xxh3_128, or move one of them out of the library."
            )
    return list(photos.values()), problems


def _keep_places(
    earlier: bytes, closed_folders: Iterable[str], content_hash: HashName
) -> Iterator[NamedFinding]:
    """Yield the places in folders that cannot be read now, as an earlier manifest lists them.

    Ids of another hash are left out, and so is a manifest that is damaged.
    """
    prefixes = tuple(f"{folder}/" for folder in closed_folders)
    try:
        photos = msgspec.json.Decoder(Photo).decode_lines(earlier)
    except msgspec.DecodeError:
        return
    for photo in photos if prefixes else ():
        if len(photo.image_id) == HASH_DIGITS[content_hash]:
            # Only the size is used.
            stamp = FileStamp(size_bytes=photo.bytes, mtime_ns=0, ctime_ns=0, inode=0)
            for place in (photo.rel_path, *photo.also_at):
                if place.startswith(prefixes):
                    yield place, FileFinding(stamp, image_id=photo.image_id, format=photo.format)


def _list_new_pictures(manifest: Path, findings: list[NamedFinding]) -> bytes:
    """Return the lines to add to `pictures.jsonl`."""
    pictures = read_pictures(manifest)
    found = (
        KnownPicture(image_id=finding.image_id, picture=finding.picture, rendering=finding.rendering)
        for _, finding in sorted(findings, key=itemgetter(0))
        if finding.image_id
    )
    new = [one for one in dict.fromkeys(found) if one not in pictures.records]
    rewritten = Pictures([*pictures.records, *new]).find_earlier_ids([one.image_id for one in new])
    if rewritten:
        _log.info(
            "%s known from another file (a rating, a tag or a turn was written into it): answers, "
            "vectors and people's labels follow the picture",
            "1 new photo is a picture"
            if len(rewritten) == 1
            else f"{len(rewritten):,} new photos are pictures",
        )
    encode = msgspec.json.Encoder().encode
    return b"".join(encode(one) + b"\n" for one in new)


def _keep_manifest(library: Library, manifest: Path, store: Path) -> None:
    if not manifest.exists():
        raise LibraryError(
            f"library.root {library.root} does not exist: {HOW_TO_SET_ROOT}; in a clone without the photos, "
            "`dvc pull scan` fetches their list"
        )
    with open_stat_cache(store, library.root, library.content_hash) as cache:
        roots = cache.roots_of_manifest(manifest.read_bytes())
    if roots and library.root not in roots:
        raise LibraryError(
            f"library.root {library.root} does not exist, and {manifest} is of another library "
            f"({', '.join(sorted(roots))}): {HOW_TO_SET_ROOT}"
        )
    pictures_path(manifest).touch()  # a project of an older version has none yet
    _log.warning("library.root %s does not exist: %s is kept; %s", library.root, manifest, HOW_TO_SET_ROOT)


def _empty_library_error(root: str, problems: list[PhotoProblem], manifest: Path) -> LibraryError:
    unusable = f"; {len(problems)} files cannot be used" if problems else ""
    unusable += f", the first is {problems[0].rel_path}: {problems[0].detail}" if problems else ""
    earlier = read_manifest(manifest) if manifest.exists() else []
    if count := sum(1 + len(photo.also_at) for photo in earlier):
        return LibraryError(
            f"no photos in library.root {root}{unusable}; but {manifest} lists {count}, and is left as "
            f"it was. If the disk is not mounted, {HOW_TO_SET_ROOT}; if the photos are gone for good, delete "
            f"{manifest}."
        )
    return LibraryError(
        f"no photos in library.root {root}{unusable}. Set it in params.yaml to the folder of your photos, "
        "and library.extensions to their extensions."
    )


def _read_bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _log_sums(
    root: str, inspection: Inspection, photos: list[Photo], problems: int, not_photos: int, kept: int
) -> None:
    """Log the counts: photos, other paths, problems and what was left out add up to all files."""
    folders, closed, read = inspection.folders, len(inspection.closed_folders), inspection.read_files
    candidates = sum(len(folder.files) for folder in folders)
    other_files = sum(folder.other_files.total() for folder in folders)
    further_places = sum(len(photo.also_at) for photo in photos)
    _log.info(
        f"scanned {root}: {candidates + other_files + kept} files = {len(photos)} photos + {further_places} "
        f"further places of the same bytes + {problems - closed} problems + {other_files + not_photos} left "
        f"out; {read} read ({inspection.read_bytes / 1e6:.1f} MB), {candidates - read} known from earlier "
        f"scans; {len(folders)} folders, {closed} more cannot be read"
    )


def _log_changes(earlier: bytes, photos: list[Photo]) -> None:
    """Log how many photos are new and gone since `earlier` was written; a warning if most are gone."""
    try:
        before = {photo.image_id for photo in msgspec.json.Decoder(Photo).decode_lines(earlier)}
    except msgspec.DecodeError:
        return
    now = {photo.image_id for photo in photos}
    gone = len(before - now)
    if before and before != now:
        level = logging.WARNING if 2 * gone > len(before) else logging.INFO
        _log.log(level, "since the last scan %d photos are new and %d are gone", len(now - before), gone)
