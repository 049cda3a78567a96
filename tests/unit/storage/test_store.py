import sqlite3
from pathlib import Path

import numpy as np
import pytest

from vibe_photos.errors import InputError
from vibe_photos.storage.vectors import (
    Embeddings,
    read_embeddings,
    read_image_ids,
    to_unit_norm,
    write_embeddings,
    write_rows,
)


def make_embeddings(n: int, dim: int = 5) -> Embeddings:
    rng = np.random.default_rng(0)
    ids = [f"{number:04x}" for number in rng.permutation(n)]
    return Embeddings(ids, to_unit_norm(rng.standard_normal((n, dim))), "model-1")


# 256 rows are read at a time.
@pytest.mark.parametrize("n", [1, 255, 256, 257, 600])
def test_what_is_written_is_read_in_its_order(tmp_path: Path, n: int) -> None:
    written = make_embeddings(n)
    write_embeddings(tmp_path / "embeddings.sqlite", written)
    read = read_embeddings(tmp_path / "embeddings.sqlite")
    assert (read.image_ids, read.model) == (written.image_ids, "model-1")
    assert read.vectors.dtype == np.float32
    np.testing.assert_array_equal(read.vectors, written.vectors)


def test_rows_of_other_photos_are_left_out_in_the_same_order(tmp_path: Path) -> None:
    written = make_embeddings(600)
    write_embeddings(tmp_path / "embeddings.sqlite", written)
    # None of the second block of 256 rows is wanted.
    kept = [row for row in range(600) if row % 3 == 0 and not 256 <= row < 512]
    read = read_embeddings(tmp_path / "embeddings.sqlite", {written.image_ids[row] for row in kept})
    assert read.image_ids == [written.image_ids[row] for row in kept]
    np.testing.assert_array_equal(read.vectors, written.vectors[kept])


def test_ids_are_read_without_their_vectors(tmp_path: Path) -> None:
    written = make_embeddings(30)
    write_embeddings(tmp_path / "embeddings.sqlite", written)
    assert read_image_ids(tmp_path / "embeddings.sqlite") == written.image_ids


def test_a_library_without_photos_gives_no_rows(tmp_path: Path) -> None:
    write_rows(tmp_path / "embeddings.sqlite", "model-1", [])
    assert read_embeddings(tmp_path / "embeddings.sqlite").image_ids == []


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_embeddings(tmp_path / name, make_embeddings(300))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_any_sqlite_client_finds_little_endian_float32(tmp_path: Path) -> None:
    path = tmp_path / "embeddings.sqlite"
    write_embeddings(path, Embeddings(["a"], np.array([[1.0, 0.0]], dtype=np.float32), "model-1"))
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT image_id, model, dim, vector FROM image_embedding").fetchall()
    connection.close()
    # 1.0 is 0x3f800000.
    assert rows == [("a", "model-1", 2, bytes.fromhex("0000803f00000000"))]
    assert [file.name for file in tmp_path.iterdir()] == ["embeddings.sqlite"]


def test_vectors_of_two_models_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "embeddings.sqlite"
    write_embeddings(path, make_embeddings(2))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE image_embedding SET model = 'model-2' WHERE rowid = 1")
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match="model-1, model-2"):
        read_embeddings(path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE image_embedding SET vector = x'00' WHERE rowid = 1",
        "DROP TABLE image_embedding",
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "embeddings.sqlite"
    write_embeddings(path, make_embeddings(2))
    connection = sqlite3.connect(path)
    connection.execute(damage)
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match=r"embeddings\.sqlite is not an embeddings file"):
        read_embeddings(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.sqlite does not exist"):
        read_embeddings(tmp_path / "gone.sqlite")
