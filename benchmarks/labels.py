"""Score and classify a library of vectors: the label tables written, against the rows alone, against pandas.

The floor of `score` is one matrix product and `executemany` of rows that are ready; that of `classify` is
`executemany` alone, into the same tables. The peer scores the same way and lets pandas write its long table.
"""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
from benchmarks.rounds import (
    Reach,
    at_least,
    measure,
    parse_arguments,
    print_table,
    settings_in,
    write_results,
)

from vibe_photos.classify.stage import classify_photos
from vibe_photos.heads.calibration import Calibration
from vibe_photos.heads.linear import LinearHead, head_path, save_head
from vibe_photos.records.label_tables import LABEL_SCHEMA, PROBABILITY_SCHEMA
from vibe_photos.records.taxonomy import HEADS, head_keys
from vibe_photos.score.stage import score_photos
from vibe_photos.settings import Classify, Embed, Embedder, HeadName, Taxonomy
from vibe_photos.storage.vectors import Embeddings, to_unit_norm, write_embeddings

CONF = Path(__file__).resolve().parent.parent / "conf"
PHOTOS, DIM = 20_000, 768
MODEL = "random"
EMBEDDER = Embedder(kind="hog", name="hog")
EMBED = Embed(
    max_pixels=10**9, max_failed_share=0.0, precision="float32", batch_size=32, workers=1, device="cpu"
)
CLASSIFY = Classify(
    attribute_threshold={"default": 0.5},
    object_threshold={"default": 0.5},
    attribute_from_scene={"is_document": "scene.document", "is_screenshot": "scene.screenshot"},
    tuned_on="none",
)


def make_heads(models: Path, taxonomy: Taxonomy) -> np.ndarray:
    """Write a random head for every label of the taxonomy; return all weights, float32 [labels, dim]."""
    rng = np.random.default_rng(0)
    weights = []
    for level in HEADS:
        keys = head_keys(taxonomy, level)
        weights.append(rng.standard_normal((len(keys), DIM)).astype(np.float32))
        save_head(_make_head(level, tuple(keys), weights[-1]), head_path(models, level))
    return np.vstack(weights)


def _make_head(level: HeadName, labels: tuple[str, ...], weight: np.ndarray) -> LinearHead:
    return LinearHead(
        level=level,
        labels=labels,
        weight=weight,
        bias=np.zeros(len(labels), dtype=np.float32),
        calibration=Calibration.identity(len(labels)),
        embedder=MODEL,
        seed=0,
        created_from={},
    )


def insert_rows(path: Path, schema: str, table: str, rows: list[tuple[object, ...]]) -> None:
    """Write ready rows into a new file of the same schema, in one transaction."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.executescript(schema)
        connection.execute("BEGIN")
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        connection.execute("COMMIT")


def write_with_pandas(path: Path, vectors: Embeddings, weights: np.ndarray, keys: list[str]) -> None:
    """The peer: a data frame melted into rows and written by `to_sql`."""
    import pandas as pd

    path.unlink(missing_ok=True)
    logits = vectors.vectors @ weights.T
    frame = pd.DataFrame(1 / (1 + np.exp(-logits)), columns=keys).assign(image_id=vectors.image_ids)
    with closing(sqlite3.connect(path)) as connection:
        frame.melt("image_id").to_sql("probability", connection, index=False)


def read_rows(path: Path, table: str) -> list[tuple[object, ...]]:
    """Return a table's rows in their order."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def main() -> None:
    """Print a table for each stage."""
    arguments = parse_arguments(__doc__ or "", rounds=3)
    taxonomy = msgspec.convert(
        msgspec.yaml.decode((CONF / "taxonomy" / "m2.yaml").read_bytes()), Taxonomy, strict=True
    )
    keys = [key for level in HEADS for key in head_keys(taxonomy, level)]
    rng = np.random.default_rng(1)
    vectors = Embeddings(
        [rng.bytes(16).hex() for _ in range(PHOTOS)],
        to_unit_norm(rng.standard_normal((PHOTOS, DIM))),
        MODEL,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = settings_in(folder, taxonomy=taxonomy, embedder=EMBEDDER, embed=EMBED, classify=CLASSIFY)
        weights = make_heads(folder / "models", taxonomy)
        write_embeddings(folder / "embeddings" / "embeddings.sqlite", vectors)
        probabilities, labels = settings.paths.probabilities, settings.paths.labels
        score_photos(settings, folder / "store")
        classify_photos(settings)
        scores, assignments = read_rows(probabilities, "probability"), read_rows(labels, "label_assignment")
        spare = folder / "spare.sqlite"

        def score_floor() -> None:
            vectors.vectors @ weights.T
            insert_rows(spare, PROBABILITY_SCHEMA, "probability", scores)

        results = {
            "score": measure(
                {
                    "floor: product and rows": score_floor,
                    "score": lambda: score_photos(settings, folder / "store"),
                    "pandas to_sql": lambda: write_with_pandas(spare, vectors, weights, keys),
                },
                arguments.rounds,
            ),
            "classify": measure(
                {
                    "floor: rows": lambda: insert_rows(spare, LABEL_SCHEMA, "label_assignment", assignments),
                    "classify": lambda: classify_photos(settings),
                },
                arguments.rounds,
            ),
        }
    for title, floor in (("score", "floor: product and rows"), ("classify", "floor: rows")):
        print_table(f"{title}, {PHOTOS} photos", results[title], floor, PHOTOS, "photos")
    write_results(arguments.json, results, find_reaches(results))


def find_reaches(results: dict[str, dict[str, float]]) -> list[Reach]:
    """Return how near both stages come to writing their rows."""
    score, classify = results["score"], results["classify"]
    floor = score["floor: product and rows"]
    return [
        at_least(
            "score, share of writing its rows", floor / score["score"], 0.5, floor / score["pandas to_sql"]
        ),
        at_least("classify, share of writing its rows", classify["floor: rows"] / classify["classify"], 0.3),
    ]


if __name__ == "__main__":
    main()
