"""`vibe-photos`: the commands besides `dvc repro`.

Each command is a module with `add_arguments` and `run`; the first line of its docstring is its summary in
`vibe-photos --help`, the rest is its description. Heavy packages are imported in `run`.
"""

import argparse

from vibe_photos.cli import (
    calibrate,
    check,
    compare,
    export,
    export_xmp,
    import_annotations,
    import_human,
    label_studio,
    new,
    pilot,
    predict,
    publish,
    repair_store,
    replay_server,
    restore_decisions,
    review,
    share,
    suspects,
    thresholds,
    try_encoders,
    update,
)
from vibe_photos.terminal import run_command

_COMMANDS = (
    new,
    update,
    check,
    import_annotations,
    import_human,
    label_studio,
    replay_server,
    pilot,
    compare,
    suspects,
    calibrate,
    thresholds,
    try_encoders,
    predict,
    review,
    restore_decisions,
    repair_store,
    export,
    publish,
    share,
    export_xmp,
)
_USE_HUMAN_TRUTH = {import_human, label_studio, pilot, compare, calibrate, thresholds, review, export_xmp}
"""Commands that first warn about decisions that are missing in `data/human/`."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an expected error is printed to stderr, with exit status 1."""

    def run() -> None:
        options = build_parser().parse_args(arguments)
        if options.warns_of_lost:
            _warn_of_lost_decisions()
        options.run(options)

    return run_command(run)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands, without importing heavy packages."""
    parser = argparse.ArgumentParser(prog="vibe-photos", description="The commands besides `dvc repro`.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        summary, _, description = (module.__doc__ or "").partition("\n\n")
        command = commands.add_parser(name, help=summary, description=description)
        command.set_defaults(run=module.run, warns_of_lost=module in _USE_HUMAN_TRUTH)
        module.add_arguments(command)
    return parser


def _warn_of_lost_decisions() -> None:
    from vibe_photos.configuration import RESOLVED, read_resolved
    from vibe_photos.human_truth.backup import warn_of_lost
    from vibe_photos.storage.local_store import find_store

    if RESOLVED.exists():
        paths = read_resolved().paths
        warn_of_lost(paths.human, find_store(), paths.splits)
