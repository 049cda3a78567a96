"""Check and correct labels in the browser.

Show the photos that wait for a person's eyes in the browser, one at a time or twenty alike at once. Every
decision is on disk, in data/human/decisions/, before the next photo shows. The page is for this machine only;
Ctrl-C ends it. With --refresh or --status no page opens.
"""

import argparse
import contextlib

from vibe_photos.errors import ConfigurationError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos review`."""
    parser.add_argument("--reviewer", metavar="NAME", help="whose log (default: git's user.name)")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1 (default: a free one)")
    parser.add_argument(
        "--blind", action="store_true", help="hide what the student says, so as not to be led"
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--refresh", action="store_true", help="draw the next photos to review by what the student now says"
    )
    instead.add_argument(
        "--status", action="store_true", help="how far the audit is, and what more would give"
    )
    parser.add_argument("--size", type=int, metavar="N", help="photos that --refresh draws (default: 100)")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.refresh:
        _draw_round(options.size)
    elif options.size is not None:
        raise ConfigurationError("--size says how many photos --refresh draws: give both, or neither")
    elif options.status:
        _show_status()
    else:
        _open_page(options)


def _draw_round(size: int | None) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.review.next_round import DEFAULT_SIZE, refresh_round

    print(refresh_round(read_resolved(), DEFAULT_SIZE if size is None else size))


def _show_status() -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.review.status import describe_status

    print(describe_status(read_resolved()))


def _open_page(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.review.reviewer import check_reviewer, guess_reviewer
    from vibe_photos.review.sitting import hold_review

    reviewer = check_reviewer(options.reviewer) if options.reviewer is not None else guess_reviewer()
    with contextlib.suppress(KeyboardInterrupt):
        hold_review(
            read_resolved(),
            reviewer,
            port=options.port,
            is_blind=options.blind,
            opens_browser=not options.no_browser,
        )
