"""Take truth that you already have as audited truth.

Check a truth file (JSON list or JSON Lines; photos named by image_id or rel_path), show what it would change
in data/human/, and with --write take it.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos import-human`."""
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--write", action="store_true", help="take it; without this it is only shown")
    parser.add_argument(
        "--only-sampled", action="store_true", help="only photos that stage `sample` drew, with their weights"
    )
    parser.add_argument(
        "--drop-unknown-keys", action="store_true", help="drop and count label keys that the taxonomy lacks"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.configuration import read_resolved
    from vibe_photos.human_truth.sample_design import read_sampled
    from vibe_photos.records.photos import read_manifest
    from vibe_photos.review import human_import

    settings = read_resolved()
    paths = settings.paths
    found = human_import.read_import(
        options.file,
        read_manifest(paths.photos),
        settings.taxonomy,
        read_sampled(paths.sample) if options.only_sampled else None,
    )
    human_import.refuse_problems(options.file, found, settings.taxonomy, options.drop_unknown_keys)
    changes = human_import.describe_changes(paths.human, found.records, settings.taxonomy)
    for change in changes[:40]:
        print(change)
    if len(changes) > 40:
        print(f"... and {len(changes) - 40} more")
    print(f"{len(found.records)} records, {len(changes)} new or changed; {found.left_out} photos not sampled")
    for key, places in sorted(found.unknown_keys.items()):
        print(f"dropped the unknown key {key} of {len(places)} records")
    if options.write:
        print(f"written to {human_import.take_import(paths.human, found.records)}; now: dvc repro")
    elif changes:
        print("nothing is written yet: run again with --write")
