"""Stage `scan`. It always runs, so every `dvc repro` says here what git or DVC took out of `data/human/`."""

from pathlib import Path

from entrypoint import run_stage

from vibe_photos.human_truth.backup import warn_of_lost
from vibe_photos.scan.stage import scan_library
from vibe_photos.settings import Settings


def scan(settings: Settings, store: Path) -> None:
    """Find every photo under `library.root`; say first which decisions `data/human/` lost to git or DVC."""
    warn_of_lost(settings.paths.human, store)
    scan_library(settings, store)


if __name__ == "__main__":
    run_stage(scan)
