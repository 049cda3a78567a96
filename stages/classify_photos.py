"""Stage `classify`."""

from entrypoint import run_stage

from vibe_photos.classify.stage import classify_photos
from vibe_photos.settings import Settings


def classify(settings: Settings) -> None:
    """Turn probabilities into labels by thresholds and rules."""
    paths = settings.paths
    classify_photos(paths.probabilities, settings.taxonomy, settings.classify, paths.labels)


if __name__ == "__main__":
    run_stage(classify)
