"""The configuration of the small pipeline, as `read_resolved` would give it."""

from pathlib import Path

import msgspec
from tests.unit.small_pipeline import CLASSIFY, EMBED, EMBEDDER, run_pipeline

from vibe_photos.configuration import read_resolved
from vibe_photos.settings import Embedder, Settings


def make_settings(repository: Path, folder: Path, embedder: Embedder = EMBEDDER) -> Settings:
    """Run the small pipeline in `folder`; return the settings under which it is what `dvc repro` left."""
    base = read_resolved(repository)
    folder.mkdir(exist_ok=True)
    run_pipeline(folder, base.taxonomy, embedder)
    places = {
        "photos": folder / "photos.jsonl",
        "raw_annotations": folder / "raw.jsonl",
        "auto": folder / "auto",
        "splits": folder / "splits.json",
        "training": folder / "training",
        "embeddings": folder / "embeddings",
        "models": folder / "models",
        "probabilities": folder / "probabilities.sqlite",
        "labels": folder / "labels.sqlite",
        "eval": folder / "eval",
    }
    return msgspec.structs.replace(
        base,
        embedder=embedder,
        embed=EMBED,
        classify=CLASSIFY,
        library=msgspec.structs.replace(base.library, root=str(folder / "photos")),
        paths=msgspec.structs.replace(base.paths, **places),
    )
