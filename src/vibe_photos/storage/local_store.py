"""Where paid work is kept on this machine: outside DVC, shared by every experiment of a checkout."""

import os
from pathlib import Path


def find_store() -> Path:
    """Return the folder of the machine-local store (it need not exist yet).

    `VIBE_PHOTOS_STORE` says where; else it is `.store` of the main checkout, which DVC names in
    `DVC_ROOT` also when it runs a queued experiment in a copy; else `.store` of the current folder.
    """
    configured = os.environ.get("VIBE_PHOTOS_STORE")
    if configured:
        return Path(configured)
    return Path(os.environ.get("DVC_ROOT", ".")) / ".store"
