"""Stage `annotate`."""

from entrypoint import run_stage

from vibe_photos.settings import Settings
from vibe_photos.storage.local_store import find_store
from vibe_photos.teacher.annotate import annotate_library


def annotate(settings: Settings) -> None:
    """Ask the teacher about every photo that has no answer yet, and write all answers in manifest order.

    Answers are paid for once: they stay in the store, and every later run with the same question reuses them.
    """
    annotate_library(settings, find_store())


if __name__ == "__main__":
    run_stage(annotate)
