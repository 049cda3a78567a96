"""Stage `score`."""

from entrypoint import run_stage

from vibe_photos.score.stage import score_photos
from vibe_photos.settings import Settings
from vibe_photos.storage.local_store import find_store


def score(settings: Settings) -> None:
    """Give every photo a probability for every label that a head or a text prompt can speak of."""
    paths = settings.paths
    score_photos(
        paths.embeddings,
        paths.models,
        settings.taxonomy,
        settings.embedder,
        settings.embed,
        paths.probabilities,
        find_store(),
    )


if __name__ == "__main__":
    run_stage(score)
