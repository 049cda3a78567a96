"""Where paid work is kept on this machine: outside DVC, one store for a repository and all its worktrees."""

import os
from pathlib import Path

from vibe_photos.errors import InputError
from vibe_photos.lineage import run_git


def find_store() -> Path:
    """Return the folder of the machine-local store (it need not exist yet).

    `VIBE_PHOTOS_STORE` says where; else it is `.store` of the repository's main checkout, whether one stands
    in that, in a subfolder or in a worktree. DVC runs queued experiments in a copy with a git repository of
    its own, and names the folder where they were started in `DVC_ROOT`: there the search begins. Without git
    it is `.store` of the folder where the search begins.
    """
    configured = os.environ.get("VIBE_PHOTOS_STORE")
    if configured:
        return Path(configured)
    start = Path(os.environ.get("DVC_ROOT", "."))
    return (_find_main_checkout(start) or start) / ".store"


def _find_main_checkout(folder: Path) -> Path | None:
    """Return the main checkout of the git repository that holds a folder; None where there is none."""
    command = (
        "-C",
        str(folder),
        "rev-parse",
        "--path-format=absolute",
        "--git-common-dir",
        "--show-toplevel",
    )
    try:
        shared, top = run_git(*command).splitlines()
    except InputError:
        return None
    # A submodule's shared folder lies in the outer repository's; its checkout is the one at hand.
    return Path(shared).parent if Path(shared).name == ".git" else Path(top)
