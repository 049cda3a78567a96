"""Update your project to the newest version of vibe-photos.

Merge the newest version of the remote `upstream`, from which `vibe-photos new` made this project. Only code
and documents change: settings, human labels, results and remotes stay as they are. Stages may run again;
answers and vectors in the store are not paid for again.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos update`."""
    parser.add_argument(
        "--source",
        default="upstream",
        metavar="REPOSITORY",
        help="a remote, an address or a clone (%(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.project.versions import update_project

    print(update_project(options.source))
