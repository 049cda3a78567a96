"""`vibe-photos`: what a person does beside `dvc repro`.

Each command is a module with `add_arguments` and `run`; the first line of its docstring is its line in
`vibe-photos --help`, the rest is its description. What is heavy is imported in `run`.
"""

import argparse
import logging
import os
import select
import sys

from vibe_photos.cli import (
    check,
    compare,
    export,
    export_xmp,
    import_annotations,
    import_human,
    label_studio,
    new,
    predict,
    publish,
    replay_server,
    restore_decisions,
    review,
    share,
    suspects,
    thresholds,
    update,
)
from vibe_photos.errors import VibePhotosError

_COMMANDS = (
    new,
    update,
    check,
    import_annotations,
    import_human,
    label_studio,
    replay_server,
    compare,
    suspects,
    thresholds,
    predict,
    review,
    restore_decisions,
    export,
    publish,
    share,
    export_xmp,
)
_READ_WHAT_PEOPLE_SAID = {import_human, label_studio, compare, thresholds, review, export_xmp}
"""Commands that say first which decisions git or DVC took out of `data/human/`."""
_READER_LEFT = 141
"""The status of a program that was ended by SIGPIPE, as `head` ends others in a shell."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an expected error is a sentence on stderr and status 1."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        try:
            options = build_parser().parse_args(arguments)
            if options.tells_lost:
                _tell_lost()
            options.run(options)
        finally:
            sys.stdout.flush()
    except VibePhotosError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        if not _has_reader_left():
            raise
        # Python flushes stdout once more when it ends, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_LEFT
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; nothing heavy is imported before one of them runs."""
    parser = argparse.ArgumentParser(prog="vibe-photos", description="What a person does beside `dvc repro`.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        summary, _, description = (module.__doc__ or "").partition("\n\n")
        command = commands.add_parser(name, help=summary, description=description)
        command.set_defaults(run=module.run, tells_lost=module in _READ_WHAT_PEOPLE_SAID)
        module.add_arguments(command)
    return parser


def _tell_lost() -> None:
    from vibe_photos.configuration import RESOLVED, read_resolved
    from vibe_photos.human_truth.kept import tell_lost
    from vibe_photos.storage.local_store import find_store

    if RESOLVED.exists():
        tell_lost(read_resolved().paths.human, find_store())


def _has_reader_left() -> bool:
    """Return whether stdout is a pipe that nobody reads any more."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
