"""What a scan left out: by ending and count, with what would take it in."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from vibe_photos.pixels.formats import HEAD_BYTES, HOW_TO_READ_JXL, can_read_jxl, recognise_format
from vibe_photos.records.photos import say_count
from vibe_photos.scan.files import FileFinding
from vibe_photos.scan.walk import RAW_ENDINGS, Folder, get_ending, sort_by_extension

_NO_PICTURE = {"empty", "missing", "not_a_file", "not_an_image"}
_FILM_ENDINGS = frozenset(re.findall(r"\w+", "3gp avi m2ts m4v mkv mov mp mp4 mpeg mpg mts mv webm wmv"))
_LOOKS_PER_ENDING = 3
_MAX_ROWS = 20

NamedFinding = tuple[str, FileFinding]


def readable_extensions(extensions: Sequence[str]) -> list[str]:
    """Return the extensions without those whose plugin is missing."""
    return [name for name in extensions if can_read_jxl() or name.lower().removeprefix(".") != "jxl"]


def split_findings(
    findings: Iterable[NamedFinding], extensions: Sequence[str]
) -> tuple[list[NamedFinding], list[NamedFinding]]:
    """Divide the findings of files into those that count, and those that are no photos and no problems.

    Left out are films, and what is no picture in a file whose name does not say that it is one.
    """
    tell_kind = sort_by_extension(extensions)
    counted, left_out = list[NamedFinding](), list[NamedFinding]()
    for place, finding in findings:
        is_left_out = finding.reason == "film" or (
            finding.reason in _NO_PICTURE and tell_kind(place.encode()) == "cut"
        )
        (left_out if is_left_out else counted).append((place, finding))
    return counted, left_out


def describe_left_out(
    root: bytes, folders: Sequence[Folder], findings: Iterable[NamedFinding], extensions: Sequence[str]
) -> list[str]:
    """Return a line for each ending of files that were left out, the most frequent first.

    Args:
        root: the library's folder; of each ending that is not known, three files are looked at.
        folders: all folders of the library.
        findings: of files that were read, and are neither photos nor problems.
        extensions: `library.extensions`.
    """
    counts, beside, skipped = Counter[str](), Counter[str](), Counter[str]()
    examples = defaultdict[str, list[bytes]](list)
    for folder in folders:
        counts += folder.other_files
        beside += folder.raw_beside
        skipped += folder.skipped
        for ending, name in folder.examples.items():
            if len(examples[ending]) < _LOOKS_PER_ENDING:
                examples[ending].append(os.path.join(root, folder.path, name))
    read = Counter((get_ending(place.encode()), finding.reason == "film") for place, finding in findings)
    rows = [
        (count, f".{ending}" if ending else "no ending", "films" if is_film else "no pictures")
        for (ending, is_film), count in read.items()
    ]
    for ending, count in counts.items():
        alone = count - beside[ending]
        if beside[ending]:
            rows.append((beside[ending], f".{ending}", "RAW beside a photo of the same name, which counts"))
        if alone:
            rows.append((alone, f".{ending}", _explain(ending, examples[ending], extensions)))
    rows += [(count, pattern, "by library.skip_names") for pattern, count in skipped.items()]
    rows.sort(key=lambda row: (-row[0], row[1]))
    lines = [f"{count:,} {name}" + (f" ({hint})" if hint else "") for count, name, hint in rows[:_MAX_ROWS]]
    if rest := rows[_MAX_ROWS:]:
        lines.append(f"{sum(row[0] for row in rest):,} with {say_count(len(rest), 'other ending')}")
    return lines


def _explain(ending: str, examples: Sequence[bytes], extensions: Sequence[str]) -> str:
    """Return what files with an ending are, and what would take them in; empty if they are no pictures."""
    if ending in RAW_ENDINGS:
        return "RAW is not supported: export JPEGs beside it"
    if ending in _FILM_ENDINGS:
        return "films"
    if ending == "jxl" and "jxl" in extensions:
        return HOW_TO_READ_JXL
    for path in examples:
        try:
            with open(path, "rb") as file:
                image_format = recognise_format(file.read(HEAD_BYTES))
        except OSError:
            continue
        if image_format:
            return f"{image_format} pictures: to take them in, add {ending} to library.extensions"
    return ""
