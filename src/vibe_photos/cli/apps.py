"""Commands that bring labels and models to other programs."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vibe_photos.cli.command import command, flag, one_of, option, print_some
from vibe_photos.configuration import read_resolved
from vibe_photos.errors import DecodeError, InputError
from vibe_photos.records.photos import path_to_text
from vibe_photos.records.taxonomy import label_name
from vibe_photos.storage.postgres import URL_VARIABLE

if TYPE_CHECKING:
    from vibe_photos.classifier import PhotoLabels
    from vibe_photos.keywords.export import Naming, Whose


@command(
    "predict",
    option("photos", nargs="+", type=Path, metavar="PHOTO"),
    option(
        "--models",
        type=Path,
        default=Path("models"),
        metavar="FOLDER",
        help="the folder with the heads (default: %(default)s)",
    ),
    flag("--json", "print one JSON object per line"),
)
def predict(photos: list[Path], models: Path, json: bool) -> None:
    """Label photos with the trained heads.

    The output is each photo's scene, attributes and objects with probabilities, as
    vibe_photos.classifier.Classifier gives them to an app. An unreadable photo does not stop the others.
    """
    from vibe_photos.classifier import Classifier

    classifier = Classifier(models)
    failed = 0
    for path in photos:
        photo = path_to_text(os.fsencode(path))
        try:
            labels = classifier.label(path)
        except DecodeError as error:
            failed += 1
            if json:
                _print_json(photo=photo, reason=error.reason, error=str(error))
            else:
                print(f"{photo}: {error}", file=sys.stderr, flush=True)
        else:
            if json:
                _print_json(photo=photo, labels=labels)
            else:
                print(format_labels(photo, labels), flush=True)
    if failed:
        raise InputError(f"{failed} of {len(photos)} photos could not be labelled")


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


@command("export labels", option("file", type=Path, metavar="FILE", help="ends in .csv or .parquet"))
def export_labels(file: Path) -> None:
    """Write every photo's final labels as CSV or Parquet.

    Each row is one label of one photo: true or false, how probable, and who said it: a person, else the
    student (head, rule or prompt), else the teacher.
    """
    from vibe_photos.export import final_labels

    sources = final_labels.export_labels(read_resolved(), file)
    said = ", ".join(f"{count:,} by {source}" for source, count in sources.most_common())
    print(f"{file}: {sources.total():,} labels{f' ({said})' if said else ''}")


@command(
    "export model",
    option(
        "folder",
        type=Path,
        nargs="?",
        default=Path("model"),
        metavar="FOLDER",
        help="new, or an earlier export (default: %(default)s)",
    ),
    flag("--with-encoder", "also the encoder, so that an app needs nothing else"),
)
def export_model(folder: Path, with_encoder: bool) -> None:
    """Write a folder to ship with an app: ONNX, JSON, a model card.

    It has the heads as ONNX, labels, thresholds and rules as JSON, a model card, and an example that needs
    only ONNX Runtime, NumPy and Pillow. Its results are first compared with those of this package.
    """
    from vibe_photos.export.bundle import export_bundle

    contents = export_bundle(read_resolved(), folder, with_encoder)
    outputs = ", ".join(f"{len(keys)} {level} labels" for level, keys in contents.labels.outputs.items())
    print(f"{folder}: {outputs} from vectors of {contents.labels.encoder}")
    difference = f"{contents.heads_difference:.0e} over {contents.vectors} vectors"
    print(f"  heads.onnx    differs by at most {difference}")
    if contents.encoder_difference is not None:
        difference = f"{contents.encoder_difference:.0e} over {contents.photos} photos"
        print(f"  encoder.onnx  differs by at most {difference}")


@command("export heads", option("folder", type=Path, metavar="FOLDER"))
def export_heads(folder: Path) -> None:
    """Write the heads for programs that ignore their calibration.

    The three .pt files have each head's calibration folded into its weight and bias: softmax (scene) or
    sigmoid (others) of the layer's output is the calibrated probability.
    """
    from vibe_photos.export.bundle import export_plain_heads

    settings = read_resolved()
    for path in export_plain_heads(settings.paths.models, settings.classify.temperature, folder):
        print(path)


@command(
    "export-xmp",
    one_of(
        flag("--write", "write the changes"),
        flag("--dry-run", "only show them (the default)"),
    ),
    flag("--remove", "remove the keywords that vibe-photos wrote, and nothing else"),
    option(
        "--labels",
        choices=["final", "human"],
        default="final",
        help="final: every photo's labels, a person's if any, else the student's; human: only photos that "
        "people checked (default: %(default)s)",
    ),
    option("--root", type=Path, metavar="FOLDER", help="the photo folder (default: library.root)"),
    option(
        "--naming",
        choices=["full", "stem"],
        default="full",
        help="how a new sidecar is named; full: IMG_1.JPG.xmp (digiKam, darktable, Immich), stem: IMG_1.xmp "
        "(default: %(default)s)",
    ),
    uses_human_truth=True,
)
def export_xmp(
    write: bool, dry_run: bool, remove: bool, labels: "Whose", root: Path | None, naming: "Naming"
) -> None:
    """Write labels as keywords into XMP sidecars, or remove them again.

    Each photo's labels become keywords under `vibe-photos` in the XMP sidecar beside it, for digiKam,
    darktable, Immich and others. Photos, and what other programs wrote into a sidecar, are never changed.
    Without --write the changes are only shown.
    """
    from vibe_photos.keywords.export import export_keywords, read_keywords, remove_keywords
    from vibe_photos.records.photos import read_manifest

    settings = read_resolved()
    folder = root or Path(settings.library.root)
    if remove:
        report = remove_keywords(folder, write)
    else:
        photos = read_manifest(settings.paths.photos)
        report = export_keywords(photos, folder, read_keywords(settings, labels), naming, write)
    print_some([_show(str(sidecar)) for sidecar in report.changed])
    counts = report.counts
    print(
        f"{'' if write else 'would be: '}{counts['written']} written, {counts['unchanged']} unchanged, "
        f"{counts['removed']} removed, {len(report.problems)} problems"
    )
    for problem in report.problems:
        print(f"problem: {_show(problem)}")
    if report.changed and not write:
        print("nothing is written yet: run again with --write")


def _show(text: str) -> str:
    """Return a text with the bytes of a path that is not UTF-8 spelled out."""
    return os.fsencode(text).decode(errors="backslashreplace")


def _parse_keep(text: str) -> int:
    keep = int(text)
    if keep < 1:
        raise argparse.ArgumentTypeError("must be at least 1: the current version is always kept")
    return keep


@command(
    "publish",
    option(
        "url",
        nargs="?",
        metavar="URL",
        help=f"postgresql://USER@HOST:PORT/DATABASE (default: {URL_VARIABLE}); better without the password: "
        "put that into PGPASSWORD or ~/.pgpass",
    ),
    flag("--embeddings", "also write the photos' vectors"),
    option(
        "--version",
        metavar="NAME",
        help="the name of this version (default: a hash of everything that decides the labels)",
    ),
    option(
        "--keep",
        type=_parse_keep,
        metavar="N",
        help="then drop all but the last N versions (default: keep all)",
    ),
    flag(
        "--into-older-tables",
        "write into the older application's tables labels and label_assignment instead",
    ),
    flag("--dry-run", "show what would be written, and stop"),
)
def publish(
    url: str | None,
    embeddings: bool,
    version: str | None,
    keep: int | None,
    into_older_tables: bool,
    dry_run: bool,
) -> None:
    """Write the labels into an app's PostgreSQL.

    The labels of the last `dvc repro` become a version in the schema vibe_photos of a PostgreSQL database. It
    becomes visible when it is complete; older versions stay.
    """
    from vibe_photos.publish import versions
    from vibe_photos.publish.publication import read_publication
    from vibe_photos.storage.postgres import name_address, open_postgres

    address = url or os.environ.get(URL_VARIABLE, "")
    if not address:
        raise InputError(
            f"no database is given: pass postgresql://USER@HOST:PORT/DATABASE, or set {URL_VARIABLE}"
        )
    if into_older_tables:
        _publish_into_older_tables(address, dry_run)
        return
    publication = read_publication(read_resolved(), version, embeddings)
    labels, vectors = publication.labels, publication.vectors
    what = f"version {publication.version}: {labels.rows:,} labels of {labels.photos:,} photos"
    what += f", {vectors.photos:,} vectors of {publication.model}" if vectors else ""
    with open_postgres(address) as connection:
        if dry_run:
            is_there = all(versions.is_published(connection, publication))
            print(f"{name_address(address)} would get {what}{', which it has' if is_there else ''}")
            return
        is_new = versions.publish(connection, publication)
        print(f"{name_address(address)} {'now has' if is_new else 'already had'} {what}")
        for dropped in versions.prune(connection, keep) if keep else ():
            print(f"  dropped version {dropped}")


def _publish_into_older_tables(url: str, dry_run: bool) -> None:
    from vibe_photos.publish.older_tables import publish_into_older_tables
    from vibe_photos.publish.publication import describe_file
    from vibe_photos.storage.postgres import name_address, open_postgres

    labels = describe_file(read_resolved().paths.labels, "label_assignment")
    with open_postgres(url) as connection:
        if dry_run:
            print(f"{name_address(url)} would get the true labels of {labels.photos:,} photos")
        else:
            rows = publish_into_older_tables(connection, labels.path)
            print(f"{name_address(url)} now has {rows:,} labels of {labels.photos:,} photos")
