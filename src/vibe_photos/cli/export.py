"""Write a folder that can be shipped with an app: ONNX, JSON, a model card.

Write the heads as ONNX, labels, thresholds and rules as JSON, a model card, and an example that needs only
ONNX Runtime. The results are compared with those of this package first.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos export`."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="new, or an earlier export")
    parser.add_argument(
        "--with-encoder", action="store_true", help="also the encoder, so that an app needs nothing else"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.configuration import read_resolved
    from vibe_photos.export.bundle import export_bundle

    contents = export_bundle(read_resolved(), options.folder, options.with_encoder)
    outputs = ", ".join(f"{len(keys)} {level} labels" for level, keys in contents.labels.outputs.items())
    print(f"{options.folder}: {outputs} from vectors of {contents.labels.encoder}")
    print(
        f"  heads.onnx    differs by at most {contents.heads_difference:.0e} over {contents.vectors} vectors"
    )
    if contents.encoder_difference is not None:
        difference = f"{contents.encoder_difference:.0e} over {contents.photos} photos"
        print(f"  encoder.onnx  differs by at most {difference}")
