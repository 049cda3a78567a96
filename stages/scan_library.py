"""Stage `scan`."""

from entrypoint import run_stage

from vibe_photos.scan.stage import scan_library
from vibe_photos.settings import Settings
from vibe_photos.storage.local_store import find_store


def scan(settings: Settings) -> None:
    """Find every photo under `library.root`; any other file is counted or recorded as a problem."""
    photos = settings.paths.photos
    scan_library(settings.library, photos, photos.with_name("problems.jsonl"), find_store())


if __name__ == "__main__":
    run_stage(scan)
