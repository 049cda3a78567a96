"""Stage `scan`. It always runs, so it also does what `dvc repro` cannot see.

It warns about decisions missing in `data/human/`, and marks temporarily failed photos for a retry.
"""

import logging
from pathlib import Path

from entrypoint import run_stage

from vibe_photos.human_truth.backup import warn_of_lost
from vibe_photos.records.failures import mark_for_retry
from vibe_photos.scan.stage import scan_library
from vibe_photos.settings import Settings

logger = logging.getLogger(__name__)


def scan(settings: Settings, store: Path) -> None:
    """Find every photo under `library.root`; first warn about decisions missing in `data/human/`.

    If there is a server to ask, photos that failed for a temporary reason are marked for a retry, which makes
    DVC run the stage `annotate`.
    """
    warn_of_lost(settings.paths.human, store, settings.paths.splits)
    if settings.teacher.has_server and (count := mark_for_retry(settings.paths.raw_annotations)):
        logger.info("photos without an answer that will be retried: %d", count)
    scan_library(settings, store)


if __name__ == "__main__":
    run_stage(scan)
