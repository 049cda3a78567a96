"""Write labels as keywords into XMP sidecars, or remove them again.

Write every photo's labels as keywords under `vibe-photos` into an XMP sidecar next to it, for digiKam,
darktable, Immich and others. Photos, and what other programs wrote into a sidecar, are never changed. Without
--write the changes are only shown.
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vibe_photos.keywords.export import SidecarReport

_MOST_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos export-xmp`."""
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true", help="write; without this nothing is written")
    action.add_argument("--dry-run", action="store_true", help="only show (the default)")
    parser.add_argument("--remove", action="store_true", help="remove our keywords, and nothing else")
    parser.add_argument(
        "--labels",
        choices=["final", "human"],
        default="final",
        help="final: every photo's labels, a person's if any, else the student's; human: only audited photos "
        "(default: %(default)s)",
    )
    parser.add_argument("--root", type=Path, help="the photo folder (default: library.root)")
    parser.add_argument(
        "--naming",
        choices=["full", "stem"],
        default="full",
        help="how a new sidecar is named; full: IMG_1.JPG.xmp (digiKam, darktable, Immich), stem: IMG_1.xmp "
        "(default: %(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.configuration import read_resolved
    from vibe_photos.keywords.export import export_keywords, remove_keywords
    from vibe_photos.keywords.labels import read_keywords
    from vibe_photos.records.photos import read_manifest

    settings = read_resolved()
    root = options.root or Path(settings.library.root)
    if options.remove:
        report = remove_keywords(root, options.write)
    else:
        photos = read_manifest(settings.paths.photos)
        keywords = read_keywords(settings, options.labels)
        report = export_keywords(photos, root, keywords, options.naming, options.write)
    _print(report, options.write)


def _print(report: "SidecarReport", is_written: bool) -> None:
    for sidecar in report.changed[:_MOST_SHOWN]:
        print(os.fsencode(sidecar).decode(errors="backslashreplace"))
    if len(report.changed) > _MOST_SHOWN:
        print(f"... and {len(report.changed) - _MOST_SHOWN} more")
    counts = report.counts
    print(
        f"{'' if is_written else 'would be: '}{counts['written']} written, {counts['unchanged']} unchanged, "
        f"{counts['removed']} removed, {len(report.problems)} problems"
    )
    for problem in report.problems:
        print(f"problem: {problem.encode(errors='backslashreplace').decode()}")
    if report.changed and not is_written:
        print("nothing is written yet: run again with --write")
