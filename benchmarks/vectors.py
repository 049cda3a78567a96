"""Write and read vectors in SQLite, against one .npy file of them all, and against one .npy a photo.

10,000 vectors of 768 float32, in a warm page cache; what is read is compared with what was written.
"""

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from benchmarks.rounds import at_least, measure, parse_arguments, print_table, write_results

from vibe_photos.storage.vectors import Embeddings, read_embeddings, to_unit_norm, write_embeddings

PHOTOS, DIMENSIONS = 10_000, 768


def make_embeddings() -> Embeddings:
    """Return random unit vectors under random ids."""
    rng = np.random.default_rng(0)
    ids = [rng.bytes(16).hex() for _ in range(PHOTOS)]
    return Embeddings(ids, to_unit_norm(rng.standard_normal((PHOTOS, DIMENSIONS))), "random-000000000000")


def write_single_files(folder: Path, embeddings: Embeddings) -> None:
    """Write one file a photo, as many scripts do."""
    for image_id, vector in zip(embeddings.image_ids, embeddings.vectors, strict=True):
        np.save(folder / f"{image_id}.npy", vector)


def read_single_files(folder: Path, embeddings: Embeddings) -> npt.NDArray[np.float32]:
    """Read one file a photo into one array."""
    return np.stack([np.load(folder / f"{image_id}.npy") for image_id in embeddings.image_ids])


def main() -> None:
    """Print a table for writing and one for reading."""
    arguments = parse_arguments(__doc__, rounds=3)
    embeddings = make_embeddings()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database, array, single = folder / "embeddings.sqlite", folder / "all.npy", folder / "single"
        single.mkdir()
        results = {
            "write": measure(
                {
                    "floor: one .npy": lambda: np.save(array, embeddings.vectors),
                    "write_embeddings": lambda: write_embeddings(database, embeddings),
                    "one .npy a photo": lambda: write_single_files(single, embeddings),
                },
                arguments.rounds,
            ),
            "read": measure(
                {
                    "floor: one .npy": lambda: np.load(array),
                    "read_embeddings": lambda: read_embeddings(database),
                    "one .npy a photo": lambda: read_single_files(single, embeddings),
                },
                arguments.rounds,
            ),
        }
        read = read_embeddings(database)
    if read.image_ids != embeddings.image_ids or not np.array_equal(read.vectors, embeddings.vectors):
        raise SystemExit("what was read is not what was written")
    for title, medians in results.items():
        print_table(title, medians, "floor: one .npy", PHOTOS, "rows")
    reaches = [
        at_least(
            f"{title} vectors of 768",
            PHOTOS / results[title][f"{title}_embeddings"],
            wanted,
            PHOTOS / results[title]["one .npy a photo"],
            "rows/s",
        )
        for title, wanted in (("write", 60_000), ("read", 250_000))
    ]
    write_results(arguments.json, results, reaches)


if __name__ == "__main__":
    main()
