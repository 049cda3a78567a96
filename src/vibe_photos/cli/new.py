"""Make a project of your own from this clone.

Make FOLDER a project for your own photos, in a git repository of its own: the code of this clone, without
the demo, its results and remotes. Newer versions come with `vibe-photos update`. Run it in the clone's top
folder; nothing is written unless all of it can be. docs/YOUR_LIBRARY.md leads on from there.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos new`."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the project is to be")
    parser.add_argument(
        "--photos", type=Path, required=True, metavar="PATH", help="the folder of your photos, as a full path"
    )
    parser.add_argument(
        "--teacher",
        metavar="NAME",
        help="a file of conf/teacher (default: whose answers --annotations holds, else qwen3_vl_32b)",
    )
    parser.add_argument(
        "--embedder", default="siglip2_b32", metavar="NAME", help="a file of conf/embedder (%(default)s)"
    )
    parser.add_argument(
        "--content-hash",
        choices=("xxh3_128", "xxh64"),
        help="what a photo's id is: xxh64 as in M2 databases (default: as in --annotations, else xxh3_128)",
    )
    parser.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE",
        help="answers that you have: their ids decide the hash, their model the teacher",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.project.start import Wanted, start_project

    chosen = (options.teacher, options.embedder, options.content_hash, options.annotations)
    print(start_project(Wanted(options.folder, options.photos, *chosen)))
