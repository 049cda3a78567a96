"""A folder that an app ships."""

import argparse
from pathlib import Path

from vibe_photos.cli.command import Commands


def add_command(commands: Commands) -> None:
    """Declare `vibe-photos export`."""
    parser = commands.add_parser(
        "export",
        help="make a folder that an app ships: ONNX, JSON, a model card",
        description="Write the heads as ONNX, labels, thresholds and rules as JSON, a model card and an "
        "example that needs ONNX Runtime alone. What is written is checked against this package first.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="new, or an earlier export")
    parser.add_argument(
        "--with-encoder", action="store_true", help="the encoder too, so that an app needs nothing else"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
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
