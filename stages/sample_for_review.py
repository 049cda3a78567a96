"""Stage `sample`."""

from entrypoint import run_stage

from vibe_photos.records.ground_truth import ALL_LABELS
from vibe_photos.sample.stage import sample_for_review
from vibe_photos.settings import Settings


def sample(settings: Settings) -> None:
    """Draw the photos that a person is asked to check, with the teacher's labels filled in."""
    paths = settings.paths
    sample_for_review(paths.auto / ALL_LABELS, paths.sample, paths.human, settings.sample)


if __name__ == "__main__":
    run_stage(sample)
