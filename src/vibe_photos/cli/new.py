"""Create a project for your own photos from this clone.

FOLDER becomes a new git repository with the code of this clone, without the demo, its results and remotes.
`vibe-photos update` brings newer versions. Run it in the clone's top folder; if anything is wrong, nothing is
written. docs/YOUR_LIBRARY.md describes the next steps.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos new`."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder to create")
    parser.add_argument(
        "--photos", type=Path, required=True, metavar="PATH", help="the folder of your photos, as a full path"
    )
    parser.add_argument(
        "--teacher",
        metavar="NAME",
        help="a file of conf/teacher (default: the one whose model is in --annotations, else qwen3_vl_32b)",
    )
    parser.add_argument(
        "--embedder", default="siglip2_b32", metavar="NAME", help="a file of conf/embedder (%(default)s)"
    )
    parser.add_argument(
        "--content-hash",
        choices=("xxh3_128", "xxh64"),
        help="hash for photo ids: xxh64 as in M2 databases (default: as in --annotations, else xxh3_128)",
    )
    parser.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE",
        help="existing answers of a teacher (JSON Lines); hash and teacher are chosen to match",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.project.start import Wanted, start_project

    chosen = (options.teacher, options.embedder, options.content_hash, options.annotations)
    print(start_project(Wanted(options.folder, options.photos, *chosen)))
