"""Stage `annotate`."""

import logging

from entrypoint import run_stage

from vibe_photos.annotate.stage import annotate_library
from vibe_photos.scan.stage import scan_library
from vibe_photos.settings import Settings
from vibe_photos.storage.local_store import find_store


def annotate(settings: Settings) -> None:
    """Ask the teacher about every photo that has no answer yet, and write all answers in manifest order.

    Scans first when there is no manifest, so that this one script is enough on a GPU server. An answer is
    paid for once: it stays in the store, and every later run with the same question reuses it.
    """
    manifest, store = settings.paths.photos, find_store()
    if not manifest.exists():
        logging.info("%s does not exist yet: scanning %s", manifest, settings.library.root)
        scan_library(settings, store)
    annotate_library(settings, store)


if __name__ == "__main__":
    run_stage(annotate)
