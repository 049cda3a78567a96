"""Stage `scan`. It always runs, so every `dvc repro` warns here about decisions missing in `data/human/`."""

from pathlib import Path

from entrypoint import run_stage

from vibe_photos.human_truth.backup import warn_of_lost
from vibe_photos.scan.stage import scan_library
from vibe_photos.settings import Settings


def scan(settings: Settings, store: Path) -> None:
    """Find every photo under `library.root`; first warn about decisions missing in `data/human/`."""
    warn_of_lost(settings.paths.human, store)
    scan_library(settings, store)


if __name__ == "__main__":
    run_stage(scan)
