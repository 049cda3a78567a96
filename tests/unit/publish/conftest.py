"""Labels and vectors of a few photos with ids as awkward as ids can be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vibe_photos.publish.publication import Publication, describe_file
from vibe_photos.records.label_tables import LabelTable, write_labels
from vibe_photos.storage.vectors import Embeddings, to_unit_norm, write_embeddings

IDS = ["0f" * 16, "tab\tid", "back\\slash", "naïve 写真", "'; DROP TABLE photo; --"]
LEVEL = {
    "attr.has_text": "attribute",
    "object.food": "object",
    "object.food.dessert": "object",
    "scene.food": "scene",
    "scene.other": "scene",
}


def make_publication(folder: Path, version: str = "one", seed: int = 0, ids: list[str] = IDS) -> Publication:
    """Write a label table and vectors; return them as a publication with embeddings."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(seed)
    keys = sorted(LEVEL)
    score = generator.random((len(ids), len(keys)))
    value = (score > 0.5).astype(np.int8)
    value[0] = 0
    value[1, 0] = -1
    table = LabelTable(
        image_ids=ids,
        keys=keys,
        level=LEVEL,
        source={key: "head" for key in keys},
        threshold={key: None if key.startswith("scene.") else 0.5 for key in keys},
        score=score,
        value=value,
    )
    write_labels(
        folder / "labels.sqlite", table, {key: None for key in keys} | {"object.food.dessert": "object.food"}
    )
    vectors = to_unit_norm(np.random.default_rng(7).normal(size=(len(ids), 6)))
    write_embeddings(folder / "embeddings.sqlite", Embeddings(ids, vectors, "tiny-encoder"))
    labels = describe_file(folder / "labels.sqlite", "label_assignment")
    vectors = describe_file(folder / "embeddings.sqlite", "image_embedding")
    return Publication(version, "tiny-encoder", labels, vectors)


@pytest.fixture
def publication(tmp_path) -> Publication:
    return make_publication(tmp_path / "one")


@pytest.fixture
def labels_only(publication) -> Publication:
    return replace(publication, vectors=None)
