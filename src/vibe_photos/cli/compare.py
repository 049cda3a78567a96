"""Is B better than A?

Measure two sets of labels against the same truth, on photos that neither has learnt from: which labels
changed, whether more or fewer are wrong than chance explains, how small a change these photos could show, and
which photos changed for better or worse. A and B are commits, experiments, `workspace`, or label files (taken
to be made with the workspace's splits).
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
    parser.add_argument(
        "--compute",
        action="store_true",
        help="fetch labels of a commit that are not on this machine, or run `dvc repro` for them in a "
        "temporary git worktree (with the same store: the teacher is asked only about photos it has not "
        "answered)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON for programs")
    form.add_argument("--brief", action="store_true", help="print the short form: no tables, no photos")
    form.add_argument("--html", type=Path, metavar="FILE", help="write a page")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.compare import revisions, text
    from vibe_photos.configuration import read_resolved
    from vibe_photos.lineage import changed_stages

    settings = read_resolved()
    before, after = (
        revisions.find_revision(name, settings.paths, options.compute)
        for name in (options.before, options.after)
    )
    found = revisions.compare_revisions(before, after, options.truth, settings)
    if options.json:
        print(text.comparison_json(found))
    elif options.brief:
        print(text.format_brief(found, changed_stages(before.lock, after.lock)))
    elif options.html:
        text.render_page(found, revisions.name_photos(settings), options.html)
        print(f"written to {options.html}")
    else:
        print(text.format_comparison(found, revisions.name_photos(settings)))
