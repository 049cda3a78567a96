"""What a scan left out: how many files of each extension, and how to include them."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from vibe_photos.pixels.formats import HEAD_BYTES, HOW_TO_READ_JXL, can_read_jxl, recognise_format
from vibe_photos.records.photos import say_count
from vibe_photos.scan.files import FileFinding
from vibe_photos.scan.walk import RAW_ENDINGS, Folder, get_ending, match_extensions

_NOT_A_PICTURE = {"empty", "missing", "not_a_file", "not_an_image"}
_FILM_ENDINGS = frozenset(re.findall(r"\w+", "3gp avi m2ts m4v mkv mov mp mp4 mpeg mpg mts mv webm wmv"))
_EXAMPLES_PER_ENDING = 3
_MAX_ROWS = 20

NamedFinding = tuple[str, FileFinding]


def readable_extensions(extensions: Sequence[str]) -> list[str]:
    """Return the extensions without those whose plugin is missing."""
    return [name for name in extensions if can_read_jxl() or name.lower().removeprefix(".") != "jxl"]


def split_findings(
    findings: Iterable[NamedFinding], extensions: Sequence[str]
) -> tuple[list[NamedFinding], list[NamedFinding]]:
    """Divide the findings into those that count, and those of files that are neither photos nor problems.

    Left out are films, and files that are no pictures and whose extension is cut off or missing.
    """
    tell_kind = match_extensions(extensions)
    counted, left_out = list[NamedFinding](), list[NamedFinding]()
    for rel_path, finding in findings:
        is_left_out = finding.reason == "film" or (
            finding.reason in _NOT_A_PICTURE and tell_kind(rel_path.encode()) == "cut"
        )
        (left_out if is_left_out else counted).append((rel_path, finding))
    return counted, left_out


def describe_left_out(
    root: bytes, folders: Sequence[Folder], findings: Iterable[NamedFinding], extensions: Sequence[str]
) -> list[str]:
    """Return a line for each extension of files left out, the most frequent first.

    `findings` are those of files that are neither photos nor problems. Three files of each unknown extension
    are opened.
    """
    counts, raw_beside, skipped = Counter[str](), Counter[str](), Counter[str]()
    examples = defaultdict[str, list[bytes]](list)
    for folder in folders:
        counts += folder.other_files
        raw_beside += folder.raw_beside
        skipped += folder.skipped
        for ending, name in folder.examples.items():
            if len(examples[ending]) < _EXAMPLES_PER_ENDING:
                examples[ending].append(os.path.join(root, folder.path, name))
    files_read = Counter(
        (get_ending(rel_path.encode()), finding.reason == "film") for rel_path, finding in findings
    )
    rows = [
        (count, f".{ending}" if ending else "no ending", "films" if is_film else "no pictures")
        for (ending, is_film), count in files_read.items()
    ]
    for ending, count in counts.items():
        alone = count - raw_beside[ending]
        if raw_beside[ending]:
            rows.append(
                (raw_beside[ending], f".{ending}", "RAW beside a photo of the same name, which counts")
            )
        if alone:
            rows.append((alone, f".{ending}", _explain(ending, examples[ending], extensions)))
    rows += [(count, pattern, "by library.skip_names") for pattern, count in skipped.items()]
    rows.sort(key=lambda row: (-row[0], row[1]))
    lines = [f"{count:,} {name}" + (f" ({hint})" if hint else "") for count, name, hint in rows[:_MAX_ROWS]]
    if rest := rows[_MAX_ROWS:]:
        lines.append(f"{sum(row[0] for row in rest):,} with {say_count(len(rest), 'other ending')}")
    return lines


def _explain(ending: str, examples: Sequence[bytes], extensions: Sequence[str]) -> str:
    """Return what files with this extension are, and how to include them; empty if they are no pictures."""
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
