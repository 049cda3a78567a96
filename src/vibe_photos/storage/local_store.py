"""The folder that keeps paid work on this machine: outside DVC, shared by all worktrees of a repository."""

import os
from pathlib import Path

from vibe_photos.errors import InputError
from vibe_photos.lineage import run_git


def find_store() -> Path:
    """Return the folder of the machine-local store (it need not exist yet).

    It is `VIBE_PHOTOS_STORE`, else `.store` in the main checkout of the repository that contains the current
    folder, else (without git) `.store` in the current folder. DVC runs queued experiments in a copy with its
    own git repository and sets `DVC_ROOT` to the folder where they were started: the search begins there.
    """
    configured = os.environ.get("VIBE_PHOTOS_STORE")
    if configured:
        return Path(configured)
    start = Path(os.environ.get("DVC_ROOT", "."))
    return (_find_main_checkout(start) or start) / ".store"


def _find_main_checkout(folder: Path) -> Path | None:
    """Return the main checkout of the git repository that contains a folder; None if there is none."""
    asked = ("--path-format=absolute", "--git-common-dir", "--show-toplevel")
    try:
        shared, top = run_git("-C", str(folder), "rev-parse", *asked).splitlines()
    except InputError:
        return None
    # The shared folder of a submodule is inside the outer repository's `.git`: take its own checkout.
    return Path(shared).parent if Path(shared).name == ".git" else Path(top)
