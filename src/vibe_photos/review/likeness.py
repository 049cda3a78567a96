"""Which photos are alike, and a map of the library, from the embeddings in use.

A process of its own reduces the vectors by principal components, and draws the map: t-SNE of some photos, the
others beside the most similar of these. So the server needs 128 bytes a photo, and neither waits nor grows.
The result is kept in the machine's store until the embeddings change.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.out_of_fold import write_arrays
from vibe_photos.review.api import Refusal
from vibe_photos.review.record_file import fingerprint
from vibe_photos.statistics.metrics import Bools
from vibe_photos.storage.vectors import read_embeddings

COMPONENTS = 64
"""Principal components that are kept: near-duplicates and scenes stay apart."""

FITTED_PHOTOS = 20_000
"""Photos that the components are computed from, evenly spread."""

LANDMARKS = 1_000
"""Photos that t-SNE places; the others lie beside the landmarks most like them."""

NEIGHBOURS = 500
"""How many photos are shown as alike."""

_BESIDE = 4
_CHUNK = 4_096


class Likeness:
    """Likeness by the embeddings of a library; `row_of` gives the rows of all results."""

    def __init__(self, embeddings: Path, store: Path, row_of: Mapping[str, int]) -> None:
        self._source = embeddings / "embeddings.sqlite"
        self._store = store / "review"
        self._row_of = row_of
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, ...], NDArray[np.float16], NDArray[np.float32]] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._near: tuple[int, NDArray[np.float32]] | None = None

    def nearest(self, row: int) -> NDArray[np.float32]:
        """Return float32 [photos]: the distance (0..2) of the photos most like one, -1 for all others.

        Raises:
            Refusal: there are no embeddings, or they are being read: ask again.
        """
        vectors, _ = self._load()
        if self._near is None or self._near[0] != row:
            distance = np.full(len(vectors), -1.0, np.float32)
            wanted = vectors[row].astype(np.float32)
            if np.isfinite(wanted).all():
                found = np.concatenate(
                    [
                        vectors[at : at + _CHUNK].astype(np.float32) @ wanted
                        for at in range(0, len(vectors), _CHUNK)
                    ]
                )
                known = np.flatnonzero(~np.isnan(found))
                best = known[np.argsort(-found[known], kind="stable")[:NEIGHBOURS]]
                distance[best] = np.clip(1.0 - found[best], 0.0, 2.0)
            self._near = (row, distance)
        return self._near[1]

    def map_positions(self) -> NDArray[np.float32]:
        """Return the map, float32 [photos, 2] in 0..1, NaN without a vector; errors as `nearest`."""
        return self._load()[1]

    def close(self) -> None:
        """End a process that still draws."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def _load(self) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        with self._lock:
            current = fingerprint(self._source)
            if not current:
                raise Refusal(HTTPStatus.NOT_FOUND, "there are no embeddings yet: run dvc repro embed")
            if self._read is None or self._read[0] != current:
                path = self._store / f"likeness-{'-'.join(map(str, current))}.npz"
                if not path.exists():
                    self._wait_for(path)
                with np.load(path, allow_pickle=False) as arrays:
                    rows = np.array([self._row_of.get(i, -1) for i in arrays["image_ids"].tolist()])
                    vectors = np.full((len(self._row_of), arrays["vectors"].shape[1]), np.nan, np.float16)
                    positions = np.full((len(self._row_of), 2), np.nan, np.float32)
                    vectors[rows[rows >= 0]] = arrays["vectors"][rows >= 0]
                    positions[rows[rows >= 0]] = arrays["places"][rows >= 0]
                self._near, self._read = None, (current, vectors, positions)
            return self._read[1], self._read[2]

    def _wait_for(self, path: Path) -> None:
        """Start the process or look after it; raise until it has written the file."""
        if self._process is None or (self._process.poll() is not None and self._process.returncode == 0):
            for old in self._store.glob("likeness-*.npz"):
                old.unlink()
            command = [sys.executable, "-m", "vibe_photos.review.likeness", str(self._source), str(path)]
            # One thread: t-SNE's threads would wait for each other on a machine that has other work.
            self._process = subprocess.Popen(
                command, start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
        if self._process.poll():
            self._process = None
            raise Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the embeddings cannot be read: see the terminal")
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the embeddings are being read: some seconds more")


def lies_within(positions: NDArray[np.float32], lasso: str) -> Bools:
    """Return bool [photos]: which lie within a polygon, `x,y;x,y;…` in 0..1 (even-odd rule)."""
    try:
        corners = [corner.split(",") for corner in lasso.split(";") if corner]
        polygon = np.array([(float(x), float(y)) for x, y in corners]).reshape(-1, 2)
    except ValueError:
        raise Refusal(HTTPStatus.BAD_REQUEST, "lasso is x,y;x,y;… in 0..1") from None
    x, y = positions[:, 0], positions[:, 1]
    inside = np.zeros(len(positions), bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


def write_likeness(source: Path, target: Path) -> None:
    """Write `image_ids`, `vectors` float16 [n, components] of unit norm and `places` float32 [n, 2] in 0..1.

    Raises:
        InputError: the embeddings are missing or damaged.
    """
    embeddings = read_embeddings(source)
    reduced = _reduce(embeddings.vectors)
    arrays = {
        "image_ids": np.array(embeddings.image_ids, dtype=np.str_),
        "vectors": reduced.astype(np.float16),
        "places": _draw_map(reduced),
    }
    write_arrays(target, arrays)


def _reduce(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    from sklearn.decomposition import PCA

    size = min(COMPONENTS, *vectors.shape)
    if size < 1:
        return np.zeros((len(vectors), 1), np.float32)
    step = max(1, len(vectors) // FITTED_PHOTOS)
    pca = PCA(size, svd_solver="covariance_eigh").fit(vectors[::step])
    reduced = np.concatenate(
        [pca.transform(vectors[at : at + _CHUNK]) for at in range(0, len(vectors), _CHUNK)]
    )
    lengths = np.linalg.norm(reduced, axis=1, keepdims=True)
    return np.asarray(reduced / np.maximum(lengths, 1e-12), np.float32)


def _draw_map(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    if len(vectors) < 4:
        return np.linspace(0.1, 0.9, 2 * len(vectors), dtype=np.float32).reshape(-1, 2)
    chosen = np.random.default_rng(0).permutation(len(vectors))[:LANDMARKS]
    landmarks = vectors[chosen]
    perplexity = min(30.0, (len(chosen) - 1) / 3)
    drawn = TSNE(perplexity=perplexity, init="pca", max_iter=500, random_state=0).fit_transform(landmarks)
    positions = np.empty((len(vectors), 2), np.float32)
    beside = min(_BESIDE, len(chosen))
    for at in range(0, len(vectors), _CHUNK):
        likeness = vectors[at : at + _CHUNK] @ landmarks.T
        best = np.argpartition(-likeness, beside - 1, axis=1)[:, :beside]
        weights = np.maximum(np.take_along_axis(likeness, best, axis=1), 1e-3) ** 8
        weights /= weights.sum(axis=1, keepdims=True)
        positions[at : at + _CHUNK] = (weights[:, :, None] * drawn[best]).sum(axis=1)
    positions[chosen] = drawn
    low, high = positions.min(axis=0), positions.max(axis=0)
    return np.asarray(0.02 + 0.96 * (positions - low) / np.maximum(high - low, 1e-9), np.float32)


if __name__ == "__main__":
    write_likeness(Path(sys.argv[1]), Path(sys.argv[2]))
