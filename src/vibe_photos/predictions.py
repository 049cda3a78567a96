"""What `vibe-photos predict` prints: photos labelled one by one, for people or as JSON Lines."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from vibe_photos.classifier import Classifier, PhotoLabels
from vibe_photos.errors import DecodeError, InputError
from vibe_photos.records.taxonomy import label_name


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One photo as JSON: its path with its labels, where it could be read."""

    photo: str
    labels: PhotoLabels


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One photo as JSON that could not be read: a short stable word, and the sentence."""

    photo: str
    reason: str
    error: str


def print_predictions(photos: Sequence[Path], models: Path, as_json: bool) -> None:
    """Label photos and print them in the given order; one that fails does not stop the others.

    Raises:
        InputError: a photo could not be labelled; which and why stands in its place (on stderr for people).
        HeadError: a head is missing, damaged, or made for another encoder.
        EncoderError: the encoder cannot be loaded.
    """
    classifier = Classifier(models)
    failed = 0
    for photo in photos:
        try:
            labels = classifier.label(photo)
        except DecodeError as error:
            failed += 1
            _print_failure(photo, error, as_json)
        else:
            print(_as_json(photo, labels) if as_json else format_labels(photo, labels), flush=True)
    if failed:
        raise InputError(f"{failed} of {len(photos)} photos could not be labelled")


def format_labels(photo: Path, labels: PhotoLabels) -> str:
    """Return what is said of one photo, with probabilities, on four lines."""
    lines = {
        "scene": [_with_score(labels.scene, labels)] if labels.scene else [],
        "attributes": [
            f"{'' if is_present else 'no '}{_with_score(key, labels)}"
            for key, is_present in labels.attributes.items()
        ],
        "objects": [_with_score(key, labels) for key in labels.objects],
    }
    return "\n".join([str(photo), *(f"  {name:<12}{', '.join(said) or '-'}" for name, said in lines.items())])


def _with_score(key: str, labels: PhotoLabels) -> str:
    return f"{label_name(key)} {labels.scores[key]:.2f}"


def _as_json(photo: Path, labels: PhotoLabels) -> str:
    return msgspec.json.encode(Prediction(photo=str(photo), labels=labels)).decode()


def _print_failure(photo: Path, error: DecodeError, as_json: bool) -> None:
    if as_json:
        failure = Failure(photo=str(photo), reason=error.reason, error=str(error))
        print(msgspec.json.encode(failure).decode(), flush=True)
    else:
        print(f"{photo}: {error}", file=sys.stderr, flush=True)
