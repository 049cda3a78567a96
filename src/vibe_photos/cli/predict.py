"""Label photos with the trained heads.

Say of each photo its scene, attributes and objects, as an app would with vibe_photos.classifier.Classifier.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos predict`."""
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="the folder with the heads (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.predictions import print_predictions

    print_predictions(options.photos, options.models, options.json)
