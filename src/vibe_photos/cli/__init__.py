"""`vibe-photos`: the commands besides `dvc repro`.

Packages that take long to import are imported in the commands that need them.
"""

import argparse
import inspect
from typing import Any

from vibe_photos.cli import apps, people, project, quality, teacher
from vibe_photos.cli.command import Command
from vibe_photos.terminal import run_command

COMMANDS: list[Command] = [
    *(project.new, project.update, project.check),
    *(teacher.import_annotations, people.import_human, people.export_tasks, people.import_tasks),
    *(teacher.replay_server, teacher.pilot),
    *(quality.compare, quality.suspects, quality.calibrate, quality.thresholds, quality.try_encoders),
    *(apps.predict, people.review, people.restore_decisions, teacher.repair_store),
    *(apps.export_labels, apps.export_model, apps.export_heads),
    *(apps.publish, project.share, apps.export_xmp),
]

_GROUPS = {
    "export": """Write labels as a table, or the model for an app.

`vibe-photos export ACTION --help` describes each.
""",
    "label-studio": """Correct labels in Label Studio: tasks out, annotations in.

The photos to review become tasks, with the teacher's labels as predictions. Label Studio's JSON export
becomes decisions, as those of `vibe-photos review`.
""",
}
"""Commands of two words, by the first."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an expected error is printed to stderr, with exit status 1."""

    def run() -> None:
        options = vars(build_parser().parse_args(arguments))
        command: Command = options.pop("command")
        if command.uses_human_truth:
            _warn_of_lost_decisions()
        command.run(**options)

    return run_command(run)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands, without importing heavy packages."""
    parser = argparse.ArgumentParser(
        prog="vibe-photos",
        description="The commands besides `dvc repro`, which runs the pipeline.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    groups: dict[str, Any] = {}
    for command in COMMANDS:
        first, _, second = command.name.partition(" ")
        if second and first not in groups:
            group = _add_parser(commands, first, _GROUPS[first])
            groups[first] = group.add_subparsers(title="actions", required=True, metavar="ACTION")
        place = groups[first] if second else commands
        subparser = _add_parser(place, second or first, inspect.getdoc(command.run) or "")
        subparser.set_defaults(command=command)
        for add_option in command.options:
            add_option(subparser)
    return parser


def _add_parser(place: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = place.add_parser(name, help=text.partition("\n\n")[0], description=text)
    return parser


def _warn_of_lost_decisions() -> None:
    from vibe_photos.configuration import RESOLVED, read_resolved
    from vibe_photos.human_truth.backup import warn_of_lost
    from vibe_photos.storage.local_store import find_store

    if RESOLVED.exists():
        paths = read_resolved().paths
        warn_of_lost(paths.human, find_store(), paths.splits)
