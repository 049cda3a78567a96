"""Try encoders, or layers of an ONNX encoder, on a part of the training photos.

Each candidate is a file of conf/embedder, with changes if wanted: 'onnx outputs=[pool10] pooling=mean'. The
table shows how right a student is that learns from it, out of fold. Nothing in the project is changed, and
computed vectors are kept for dvc repro.
"""

import argparse
from pathlib import Path

PHOTOS = 400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos try-encoders`."""
    parser.add_argument("candidates", nargs="+", metavar="ENCODER", help="'CHOICE [KEY=VALUE ...]'")
    parser.add_argument(
        "--photos", type=int, default=PHOTOS, help="how many photos to try on (default: %(default)s)"
    )
    parser.add_argument(
        "--layers",
        type=int,
        default=0,
        metavar="N",
        help="also try the last N feature maps of ONNX encoders, and the two best of them joined",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.configuration import read_resolved
    from vibe_photos.encoder_trial.trial import (
        Trial,
        describe_best,
        format_header,
        format_outcome,
        read_candidate,
        try_encoders,
    )
    from vibe_photos.storage.local_store import find_store

    candidates = [read_candidate(text, Path("conf")) for text in options.candidates]
    trial = Trial(read_resolved(), find_store(), options.photos)
    print(f"{len(trial.photos)} training photos, judged out of fold against their training labels\n")
    print(format_header())
    outcomes = []
    for outcome in try_encoders(trial, candidates, options.layers):
        outcomes.append(outcome)
        print(format_outcome(outcome), flush=True)
    print(f"\n{describe_best(outcomes)}")
