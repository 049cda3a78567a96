"""Import labels that people already made, to measure or to teach.

Check a truth file (JSON list or JSON Lines; photos named by image_id or rel_path), show what it would change
in data/human/, and with --write write it. Say how its photos were chosen: figures about the library use only
photos drawn at random. Without --sample, --drawn-uniformly-from or --teach they are your own set: reserved,
never trained on, and reported separately.
"""

import argparse
from pathlib import Path

_MOST_SHOWN = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos import-human`."""
    parser.add_argument("file", type=Path, metavar="FILE")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--sample", action="store_true", help="measure: import only photos that stage `sample` drew"
    )
    how.add_argument(
        "--drawn-uniformly-from",
        type=int,
        metavar="N",
        help="measure: the photos were drawn at random with equal probability from N photos",
    )
    how.add_argument("--teach", action="store_true", help="teach: the photos were chosen, and may train")
    parser.add_argument("--write", action="store_true", help="write the changes (default: only show them)")
    parser.add_argument("--drop-unknown-keys", action="store_true", help="drop and count unknown label keys")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.configuration import read_resolved
    from vibe_photos.errors import InputError
    from vibe_photos.human_truth.sample import read_sampled
    from vibe_photos.records.photos import read_manifest
    from vibe_photos.records.splits import read_current_ids
    from vibe_photos.review import human_import
    from vibe_photos.review.draw_record import record_draw, record_uniform
    from vibe_photos.storage.local_store import find_store

    settings = read_resolved()
    paths = settings.paths
    photos = read_manifest(paths.photos)
    sampled = read_sampled(paths.sample) if options.sample else None
    current_ids = read_current_ids(paths.splits)
    found = human_import.read_import(options.file, photos, settings.taxonomy, sampled, current_ids)
    if other_ids := human_import.describe_other_ids(photos, found):
        raise InputError(f"nothing was imported from {options.file}: {other_ids}")
    human_import.refuse_problems(options.file, found, settings.taxonomy, options.drop_unknown_keys)
    changes = human_import.describe_changes(paths.human, found.records, settings.taxonomy, current_ids)
    for change in changes[:_MOST_SHOWN]:
        print(change)
    if len(changes) > _MOST_SHOWN:
        print(f"... and {len(changes) - _MOST_SHOWN} more")
    print(f"{len(found.records)} records, {len(changes)} new or changed; {found.left_out} photos not sampled")
    for key, places in sorted(found.unknown_keys.items()):
        print(f"dropped the unknown key {key} of {len(places)} records")
    if not options.write:
        if changes:
            print("nothing is written yet: run again with --write")
        return
    if options.teach:
        print(f"written to {human_import.append_teaching(paths.human, find_store(), found.records)}")
    else:
        print(f"written to {human_import.apply_import(paths.human, found.records, current_ids)}")
    draw = record_draw(settings) if options.sample else None
    if options.drawn_uniformly_from is not None:
        draw = record_uniform(paths.human, list(found.records))
        if options.drawn_uniformly_from != len(photos):
            print(f"the library has {len(photos)} photos: the figures are about these")
    if draw:
        print(f"how they were drawn is in {draw}")
    print("now: dvc repro")
