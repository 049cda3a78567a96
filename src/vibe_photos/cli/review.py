"""Check and correct labels in the browser.

One photo at a time, or many that have the same mistake at once. Photos of the review sample MEASURE: the
figures about the library are computed from your answers, and these photos never train. Other photos TEACH,
beginning with those that the teacher probably got wrong: the student learns your answers instead of the
teacher's. Every decision is on disk before the next photo appears, in data/human/decisions/ and in this
machine's store. The page is served to this machine only; Ctrl-C ends it.
"""

import argparse
import contextlib


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos review`."""
    parser.add_argument("--reviewer", metavar="NAME", help="whose log (default: git's user.name)")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1 (default: a free one)")
    parser.add_argument(
        "--blind", action="store_true", help="hide the student's labels, so that they do not influence you"
    )
    parser.add_argument(
        "--only",
        metavar="PHOTO",
        action="append",
        default=[],
        help="begin with this photo, by id or by its path under the library; may be repeated",
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "--status", action="store_true", help="print the results of measuring and teaching so far, and stop"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.status:
        _show_status()
    else:
        _open_page(options)


def _show_status() -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.review.status import describe_status

    print(describe_status(read_resolved()))


def _open_page(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.review.session import check_reviewer, guess_reviewer, serve_review
    from vibe_photos.storage.local_store import find_store

    reviewer = check_reviewer(options.reviewer) if options.reviewer is not None else guess_reviewer()
    with contextlib.suppress(KeyboardInterrupt):
        serve_review(
            read_resolved(),
            reviewer,
            find_store(),
            port=options.port,
            is_blind=options.blind,
            opens_browser=not options.no_browser,
            only=options.only,
        )
