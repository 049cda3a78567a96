"""The review page: photos judged in the browser."""

import argparse

from vibe_photos.cli.command import Commands


def add_command(commands: Commands) -> None:
    """Declare `vibe-photos review`."""
    parser = commands.add_parser(
        "review",
        help="check and correct labels in the browser",
        description="Show the photos that wait for a person's eyes in the browser, one at a time or twenty "
        "alike at once. Every decision is on disk, in data/human/decisions/, before the next photo shows. "
        "The page is for this machine only. Ctrl-C ends it.",
    )
    parser.add_argument("--reviewer", metavar="NAME", help="whose log (default: git's user.name)")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1 (default: a free one)")
    parser.add_argument(
        "--blind", action="store_true", help="hide what the student says, so as not to be led"
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.review.reviewer import check_reviewer, guess_reviewer
    from vibe_photos.review.sitting import hold_review

    reviewer = check_reviewer(options.reviewer) if options.reviewer is not None else guess_reviewer()
    hold_review(
        read_resolved(),
        reviewer,
        port=options.port,
        is_blind=options.blind,
        opens_browser=not options.no_browser,
    )
