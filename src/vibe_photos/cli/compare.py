"""`vibe-photos compare`: is B better than A?"""

import argparse
from pathlib import Path

from vibe_photos.cli.command import Commands


def add_command(commands: Commands) -> None:
    """Declare `vibe-photos compare`."""
    parser = commands.add_parser(
        "compare",
        help="is B better than A?",
        description="Measure two sets of labels against the same truth: what changed, whether that is "
        "distinguishable from noise, and which photos changed for better or worse. A and B are commits, "
        "experiments, `workspace`, or label files.",
    )
    parser.add_argument("before", nargs="?", default="HEAD", metavar="A", help="default: %(default)s")
    parser.add_argument("after", nargs="?", default="workspace", metavar="B", help="default: %(default)s")
    parser.add_argument(
        "--truth", choices=("human", "auto"), help="whose truth (default: people's, else the teacher's)"
    )
    parser.add_argument(
        "--compute",
        action="store_true",
        help="where the labels of a commit are not on this machine, fetch them, or run `dvc repro` for them in a "
        "temporary git worktree (it uses the same store; the teacher is asked only about photos without an "
        "answer)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON for programs")
    form.add_argument("--brief", action="store_true", help="print three lines")
    form.add_argument("--html", type=Path, metavar="FILE", help="write a page")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from vibe_photos.compare import revisions, text
    from vibe_photos.configuration import read_resolved
    from vibe_photos.lineage import changed_stages

    settings = read_resolved()
    level = settings.evaluate.confidence_level
    before, after = (
        revisions.find_revision(name, settings.paths, options.compute)
        for name in (options.before, options.after)
    )
    found = revisions.compare_revisions(before, after, options.truth, settings)
    if options.json:
        print(text.comparison_json(found, level))
    elif options.brief:
        print(text.format_brief(found, changed_stages(before.lock, after.lock), level))
    elif options.html:
        text.render_page(found, level, revisions.name_photos(settings), options.html)
        print(f"written to {options.html}")
    else:
        print(text.format_comparison(found, level, revisions.name_photos(settings)))
