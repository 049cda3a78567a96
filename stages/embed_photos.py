"""Stage `embed`."""

from pathlib import Path

from entrypoint import run_stage

from vibe_photos.embed.stage import embed_library
from vibe_photos.settings import Settings
from vibe_photos.storage.local_store import find_store


def embed(settings: Settings) -> None:
    """Turn every photo into a unit-norm vector, and into a perceptual hash on the way."""
    paths = settings.paths
    root = Path(settings.library.root)
    embed_library(paths.photos, root, settings.embedder, settings.embed, paths.embeddings, find_store())


if __name__ == "__main__":
    run_stage(embed)
