"""Label photos with the trained heads.

Print each photo's scene, attributes and objects, as vibe_photos.classifier.Classifier gives them to an app.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vibe_photos.errors import DecodeError, InputError
from vibe_photos.records.photos import path_to_text
from vibe_photos.records.taxonomy import label_name

if TYPE_CHECKING:
    from vibe_photos.classifier import PhotoLabels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos predict`."""
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="the folder with the heads (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")


def run(options: argparse.Namespace) -> None:
    """Label the photos and print them in the given order; one that fails does not stop the others.

    A failure goes to stderr; with --json it is a line with `photo`, `reason` and `error` instead. A name that
    is no UTF-8 is written as in the manifest (`path_to_text`).

    Raises:
        InputError: a photo could not be labelled.
        HeadError: a head is missing, damaged, or made for another encoder.
        EncoderError: the encoder cannot be loaded.
    """
    from vibe_photos.classifier import Classifier

    classifier = Classifier(options.models)
    failed = 0
    for path in options.photos:
        photo = path_to_text(os.fsencode(path))
        try:
            labels = classifier.label(path)
        except DecodeError as error:
            failed += 1
            if options.json:
                _print_json(photo=photo, reason=error.reason, error=str(error))
            else:
                print(f"{photo}: {error}", file=sys.stderr, flush=True)
        else:
            if options.json:
                _print_json(photo=photo, labels=labels)
            else:
                print(format_labels(photo, labels), flush=True)
    if failed:
        raise InputError(f"{failed} of {len(options.photos)} photos could not be labelled")


def format_labels(photo: str, labels: "PhotoLabels") -> str:
    """Return a photo's path and labels, with probabilities, on four lines."""

    def with_score(key: str) -> str:
        return f"{label_name(key)} {labels.scores[key]:.2f}"

    lines = {
        "scene": [with_score(labels.scene)] if labels.scene else [],
        "attributes": [
            f"{'' if is_present else 'no '}{with_score(key)}" for key, is_present in labels.attributes.items()
        ],
        "objects": [with_score(key) for key in labels.objects],
    }
    return "\n".join([photo, *(f"  {name:<12}{', '.join(one) or '-'}" for name, one in lines.items())])


def _print_json(**fields: object) -> None:
    print(msgspec.json.encode(fields).decode(), flush=True)
