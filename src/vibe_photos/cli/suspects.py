"""What the teacher probably got wrong."""

import argparse

from vibe_photos.cli.command import Commands


def add_command(commands: Commands) -> None:
    """Declare `vibe-photos suspects`."""
    parser = commands.add_parser(
        "suspects",
        help="labels that the teacher probably got wrong",
        description="List training photos of which the student, not having seen them, is confident that the "
        "teacher's scene, attribute or object is wrong. A list to look through: nothing is changed.",
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME",
        help="only what concerns this label, by key or short name (food, has_person); may be repeated",
    )
    parser.add_argument(
        "--top", type=int, default=20, metavar="N", help="how many of each head (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from vibe_photos.compare.revisions import name_photos
    from vibe_photos.configuration import read_resolved
    from vibe_photos.heads.out_of_fold import read_out_of_fold
    from vibe_photos.records.taxonomy import HEADS
    from vibe_photos.statistics import suspects

    settings = read_resolved()
    models = settings.paths.models
    found = [suspects.find_suspects(read_out_of_fold(models, head), head) for head in HEADS]
    if options.label:
        found = suspects.keep_labels(found, options.label, settings.taxonomy)
    if options.json:
        print(suspects.suspects_json(found, options.top))
    else:
        names = name_photos(settings)
        print("\n\n".join(suspects.format_suspicion(one, options.top, names) for one in found))
