"""Stage `scan`. It always runs, so it also warns about what `dvc repro` cannot see.

These are decisions that git or DVC took out of `data/human/`, and photos that the teacher is to be asked
about again.
"""

import logging
from pathlib import Path

from entrypoint import run_stage

from vibe_photos.annotate.stage import has_server
from vibe_photos.human_truth.backup import warn_of_lost
from vibe_photos.records.failures import make_passing_due
from vibe_photos.scan.stage import scan_library
from vibe_photos.settings import Settings


def scan(settings: Settings, store: Path) -> None:
    """Find every photo under `library.root`; first warn about decisions missing in `data/human/`.

    Where there is a server, photos whose last failure can pass are marked as due: stage `annotate` then runs.
    """
    warn_of_lost(settings.paths.human, store)
    if has_server(settings) and (count := make_passing_due(settings.paths.raw_annotations)):
        logging.info("%d photos without an answer are asked about again", count)
    scan_library(settings, store)


if __name__ == "__main__":
    run_stage(scan)
