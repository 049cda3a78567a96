"""Write the labels into an app's PostgreSQL.

Write the labels of the last `dvc repro` into the schema vibe_photos of a PostgreSQL database, as a version
that becomes visible when it is complete. Older versions stay.
"""

import argparse
import os

from vibe_photos.storage.postgres import URL_VARIABLE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos publish`."""
    parser.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help=f"postgresql://USER@HOST:PORT/DATABASE (default: {URL_VARIABLE}); better without the "
        "password: put that into PGPASSWORD or ~/.pgpass",
    )
    parser.add_argument("--embeddings", action="store_true", help="also publish the photos' vectors")
    parser.add_argument(
        "--version",
        metavar="NAME",
        help="the name of this version (default: a hash of everything that decides the labels)",
    )
    parser.add_argument(
        "--keep",
        type=_parse_keep,
        metavar="N",
        help="then drop all but the last N versions (default: keep all)",
    )
    parser.add_argument(
        "--into-older-tables",
        action="store_true",
        help="write into the older application's tables labels and label_assignment instead",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be written, and stop")


def _parse_keep(text: str) -> int:
    keep = int(text)
    if keep < 1:
        raise argparse.ArgumentTypeError("must be at least 1: the current version is always kept")
    return keep


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.configuration import read_resolved
    from vibe_photos.errors import InputError
    from vibe_photos.publish.publication import read_publication
    from vibe_photos.publish.versions import is_published, prune, publish
    from vibe_photos.storage.postgres import name_address, open_postgres

    url = options.url or os.environ.get(URL_VARIABLE, "")
    if not url:
        raise InputError(
            f"no database is given: pass postgresql://USER@HOST:PORT/DATABASE, or set {URL_VARIABLE}"
        )
    if options.into_older_tables:
        _publish_into_older_tables(url, options.dry_run)
        return
    publication = read_publication(read_resolved(), options.version, options.embeddings)
    with open_postgres(url) as connection:
        labels, vectors = publication.labels, publication.vectors
        what = f"version {publication.version}: {labels.rows:,} labels of {labels.photos:,} photos"
        what += f", {vectors.photos:,} vectors of {publication.model}" if vectors else ""
        if options.dry_run:
            is_there = all(is_published(connection, publication))
            print(f"{name_address(url)} would get {what}{', which it has' if is_there else ''}")
            return
        is_new = publish(connection, publication)
        print(f"{name_address(url)} {'has got' if is_new else 'already had'} {what}")
        for version in prune(connection, options.keep) if options.keep else ():
            print(f"  dropped version {version}")


def _publish_into_older_tables(url: str, is_dry_run: bool) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.publish.older_tables import publish_into_older_tables
    from vibe_photos.publish.publication import describe_labels
    from vibe_photos.storage.postgres import name_address, open_postgres

    labels = describe_labels(read_resolved().paths.labels)
    with open_postgres(url) as connection:
        if is_dry_run:
            print(f"{name_address(url)} would get the true labels of {labels.photos:,} photos")
        else:
            rows = publish_into_older_tables(connection, labels.path)
            print(f"{name_address(url)} has got {rows:,} labels of {labels.photos:,} photos")
