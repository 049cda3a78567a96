"""Commands about a whole project: create, update, check, share."""

import logging
import sys
from pathlib import Path
from typing import Any

from vibe_photos.cli.command import command, flag, option
from vibe_photos.storage.files import format_json


@command(
    "new",
    option("folder", type=Path, metavar="FOLDER", help="the folder to create"),
    option(
        "--photos", type=Path, required=True, metavar="PATH", help="the folder of your photos, as a full path"
    ),
    option(
        "--teacher",
        metavar="NAME",
        help="a file of conf/teacher (default: the one whose model is in --annotations, else qwen3_vl_32b)",
    ),
    option("--embedder", default="siglip2_b32", metavar="NAME", help="a file of conf/embedder (%(default)s)"),
    option(
        "--content-hash",
        choices=("xxh3_128", "xxh64"),
        help="how photo ids are computed; xxh64: as in databases of the older application (default: as in "
        "--annotations, else xxh3_128)",
    ),
    option(
        "--annotations",
        type=Path,
        metavar="FILE",
        help="existing answers of a teacher (JSON Lines); hash and teacher are chosen to match",
    ),
)
def new(**options: Any) -> None:
    """Create a project for your own photos from this clone.

    FOLDER becomes a new git repository with the code of this clone, without the demo, its results and
    remotes. `vibe-photos update` brings newer versions. Run it in the clone's top folder; if anything is
    wrong, nothing is written. docs/YOUR_LIBRARY.md describes the next steps.
    """
    from vibe_photos.project.start import start_project

    print(start_project(**options))


@command(
    "update",
    option(
        "--source",
        default="upstream",
        metavar="REPOSITORY",
        help="a git remote, an address or a folder (default: %(default)s)",
    ),
)
def update(source: str) -> None:
    """Update your project to the newest version of vibe-photos.

    Merge the newest version of the remote `upstream`, from which `vibe-photos new` made this project. Only
    code and documents change: settings, human labels, results and remotes stay as they are. Stages may run
    again; answers and vectors in the store are not paid for again.
    """
    from vibe_photos.project.versions import update_project

    print(update_project(source))


@command(
    "check",
    option(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="check with other settings, such as library.root=/mnt/photos teacher=offline (as stage scripts "
        "take them)",
    ),
    flag("--ask", "also ask the teacher about one photo (paid, answer kept)"),
)
def check(overrides: list[str], ask: bool) -> None:
    """Check everything that a run needs, before the first paid request.

    Photos, disk space, human labels, existing answers, teacher, encoder, git and DVC remotes: each line says
    ok, or FIX and what to do. The only request to the teacher is for its list of models. The encoder is
    downloaded if it is missing. If something has to be fixed, the command exits with status 1.
    """
    from vibe_photos.project.check import print_checks

    # The results already say what the stages would log.
    logging.getLogger().setLevel(logging.WARNING)
    print_checks(ask, overrides)


@command(
    "share",
    flag("--dry-run", "only list what would be uploaded"),
    flag("--yes", "upload without asking"),
    option("--remote", metavar="NAME", help="DVC's remote (default: the project's)"),
    flag("--json", "only list, as JSON for programs"),
)
def share(dry_run: bool, yes: bool, remote: str | None, json: bool) -> None:
    """See what `dvc push` and `git push` would upload, then push.

    The list shows kinds and sizes, and the personal data in them: names, paths, free text, pictures, vectors,
    credentials. Both run only after you agree.
    """
    from vibe_photos.sharing.share import format_sharing, plan_sharing, push_all

    sharing = plan_sharing(remote)
    if json:
        print(format_json(sharing).decode(), end="")
        return
    print(format_sharing(sharing), flush=True)
    if dry_run:
        print("\nnothing was uploaded")
    elif sharing.obstacles or yes or _is_wanted():
        push_all(sharing)
    else:
        print("nothing was uploaded")


def _is_wanted() -> bool:
    """Ask on a terminal; without one, nothing is uploaded."""
    if not sys.stdin.isatty():
        print("\nnot a terminal: `vibe-photos share --yes` uploads this")
        return False
    return input("\nupload this? [y/N] ").strip().lower() in ("y", "yes")
