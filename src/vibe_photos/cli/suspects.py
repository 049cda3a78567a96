"""What the teacher probably got wrong."""

import argparse

from vibe_photos.cli.command import Commands


def add_command(commands: Commands) -> None:
    """Declare `vibe-photos suspects`."""
    parser = commands.add_parser(
        "suspects",
        help="scenes that the teacher probably got wrong",
        description="List training photos of which the student, not having seen them, is confident that the "
        "teacher's scene is wrong. A list to look through: nothing is changed.",
    )
    parser.add_argument("--top", type=int, default=50, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.eval import suspects
    from vibe_photos.eval.comparison.revision_comparison import name_photos
    from vibe_photos.heads.out_of_fold import read_out_of_fold

    settings = read_resolved()
    found = suspects.find_suspects(read_out_of_fold(settings.paths.models, "scene"))
    if options.json:
        print(suspects.suspects_json(found, options.top))
    else:
        print(suspects.format_suspects(found, options.top, name_photos(settings)))
