"""Photos labelled with the trained heads."""

import argparse
from pathlib import Path

from vibe_photos.cli.command import Commands


def add_command(commands: Commands) -> None:
    """Declare `vibe-photos predict`."""
    parser = commands.add_parser(
        "predict",
        help="label photos with the trained heads",
        description="Say of each photo its scene, attributes and objects, as an app would with "
        "vibe_photos.classifier.Classifier.",
    )
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="the folder with the heads (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from vibe_photos.predictions import print_predictions

    print_predictions(options.photos, options.models, options.json)
