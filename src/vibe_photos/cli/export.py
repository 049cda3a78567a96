"""Write labels as a table, or the model for an app.

`labels` writes every photo's final labels as CSV or Parquet. `model` writes a folder that can be shipped with
an app. `heads` writes the heads for programs that know only linear layers.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos export labels`, `model` and `heads`."""
    kinds = parser.add_subparsers(title="what to write", required=True, metavar="WHAT")
    labels = kinds.add_parser(
        "labels",
        help="every photo's final labels as CSV or Parquet",
        description="Write one row per photo and label: true or false, how probable, and who said it: a "
        "person, else the student (head, rule or prompt), else the teacher.",
    )
    labels.set_defaults(action=_export_labels)
    labels.add_argument("file", type=Path, metavar="FILE", help="ends in .csv or .parquet")
    model = kinds.add_parser(
        "model",
        help="a folder to ship with an app: ONNX, JSON, a model card",
        description="Write the heads as ONNX, labels, thresholds and rules as JSON, a model card, and an "
        "example that needs only ONNX Runtime. The results are compared with those of this package first.",
    )
    model.set_defaults(action=_export_model)
    model.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("model"),
        metavar="FOLDER",
        help="new, or an earlier export (default: %(default)s)",
    )
    model.add_argument(
        "--with-encoder", action="store_true", help="also the encoder, so that an app needs nothing else"
    )
    heads = kinds.add_parser(
        "heads",
        help="the heads without calibration, for plain linear layers",
        description="Write the three .pt files with each head's calibration folded into its weight and bias: "
        "softmax (scene) or sigmoid (others) of the layer's output is the calibrated probability.",
    )
    heads.set_defaults(action=_export_heads)
    heads.add_argument("folder", type=Path, metavar="FOLDER")


def run(options: argparse.Namespace) -> None:
    """Run the action."""
    options.action(options)


def _export_labels(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.export.final_labels import export_labels

    sources = export_labels(read_resolved(), options.file)
    said = ", ".join(f"{count:,} by {source}" for source, count in sources.most_common())
    print(f"{options.file}: {sources.total():,} labels{f' ({said})' if said else ''}")


def _export_model(options: argparse.Namespace) -> None:
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


def _export_heads(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.export.bundle import export_plain_heads

    settings = read_resolved()
    for path in export_plain_heads(settings.paths.models, settings.classify.temperature, options.folder):
        print(path)
