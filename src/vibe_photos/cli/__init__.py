"""`vibe-photos`: what a person does beside `dvc repro`, one module a command."""

import argparse
import logging
import sys

from vibe_photos.cli import (
    compare,
    export,
    export_xmp,
    import_annotations,
    import_human,
    label_studio,
    predict,
    publish,
    replay_server,
    restore_decisions,
    review,
    share,
    suspects,
    thresholds,
)
from vibe_photos.errors import VibePhotosError

_COMMANDS = (
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


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an expected error is a sentence on stderr and status 1."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except VibePhotosError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; nothing heavy is imported before one of them runs."""
    parser = argparse.ArgumentParser(prog="vibe-photos", description="What a person does beside `dvc repro`.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_command(commands)
    return parser
