"""Is B better than A?

Hold two sets of labels against the same truth: what moved, whether that is distinguishable from noise, and
which photos changed for better or worse. A and B are commits, experiments, `workspace`, or label files.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos compare`."""
    parser.add_argument("before", nargs="?", default="HEAD", metavar="A", help="default: %(default)s")
    parser.add_argument("after", nargs="?", default="workspace", metavar="B", help="default: %(default)s")
    parser.add_argument(
        "--truth", choices=("human", "auto"), help="whose truth (default: people's, else the teacher's)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON for programs")
    form.add_argument("--brief", action="store_true", help="print three lines")
    form.add_argument("--html", type=Path, metavar="FILE", help="write a page")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.compare import revisions, text
    from vibe_photos.configuration import read_resolved

    settings = read_resolved()
    sides, level = (options.before, options.after), settings.evaluate.confidence_level
    found = revisions.compare_revisions(*sides, options.truth, settings)
    if options.json:
        print(text.comparison_json(found, level))
    elif options.brief:
        stages = revisions.list_changed_stages(*sides, settings)
        print(text.format_brief(found, stages, level))
    elif options.html:
        from vibe_photos.compare.page import render_comparison

        render_comparison(found, level, revisions.name_photos(settings), options.html)
        print(f"written to {options.html}")
    else:
        print(text.format_comparison(found, level, revisions.name_photos(settings)))
