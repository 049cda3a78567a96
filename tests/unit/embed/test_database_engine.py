"""A library whose vectors an app has already, in SQLite and in a real PostgreSQL."""

import json
import sqlite3
from contextlib import closing

import msgspec
import numpy as np
import psycopg
import pytest
from tests.unit.drawn_library import embed_into

from vibe_photos.embed.database import FOLDER_VARIABLE
from vibe_photos.embed.outs import Digest
from vibe_photos.encoders.encoder import load_encoder
from vibe_photos.encoders.recipe import name_encoder
from vibe_photos.errors import ConfigurationError, DatabaseError, EncoderError, InputError, TooManyFailures
from vibe_photos.records.photos import PhotoProblem, read_manifest
from vibe_photos.settings import Embedder
from vibe_photos.storage.jsonl import read_jsonl
from vibe_photos.storage.postgres import URL_VARIABLE
from vibe_photos.storage.vectors import read_embeddings, to_unit_norm

DIM = 8
DATABASE = Embedder(kind="database", name="app", source_model="siglip-raw", dim=DIM, revision=1)
TYPES = ["sqlite", "bytea", "real[]", "vector", "jsonb", "text"]


@pytest.fixture
def ids(manifest):
    return [photo.image_id for photo in read_manifest(manifest)]


@pytest.fixture
def raw(ids):
    """Vectors as an encoder gives them, of no particular length; exact in float16."""
    return np.random.default_rng(3).integers(-9, 10, (len(ids), DIM)).astype(np.float32) / 4


def write_sqlite(path, ids, vectors):
    rows = [
        (image_id, "siglip-raw", DIM, vector.astype("<f4").tobytes())
        for image_id, vector in zip(ids, vectors, strict=True)
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS image_embedding(image_id TEXT, model TEXT, dim INTEGER, vector BLOB)"
        )
        connection.executemany("INSERT INTO image_embedding VALUES (?, ?, ?, ?)", rows)
        connection.execute(
            "INSERT INTO image_embedding SELECT image_id, 'other', dim, x'00' FROM image_embedding"
        )
    return f"sqlite:///{path}"


def write_postgres(url, kind, ids, vectors):
    with psycopg.connect(url, autocommit=True) as connection:
        if kind == "vector":
            if not connection.execute(
                "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"
            ).fetchone():
                pytest.skip("this PostgreSQL has no pgvector; the wheel pgserver brings it")
            connection.execute("CREATE EXTENSION vector")
        connection.execute(f"CREATE TABLE image_embedding(image_id text, model text, dim int, vector {kind})")
        for image_id, vector in zip(ids, vectors, strict=True):
            listed = vector.tolist()
            value = vector.tobytes() if kind == "bytea" else listed if "[]" in kind else json.dumps(listed)
            connection.execute(
                "INSERT INTO image_embedding VALUES (%s, 'siglip-raw', %s, %s)", (image_id, DIM, value)
            )
    return url


@pytest.fixture
def run(manifest, root, embed, tmp_path):
    """A function that runs the stage and returns its vectors and problems."""

    def run_stage(embedder=DATABASE, photos=manifest, share=1.0):
        out = tmp_path / "out"
        chosen = msgspec.structs.replace(embed, max_failed_share=share)
        embed_into(photos, root, embedder, chosen, out, tmp_path / "store")
        problems = {
            problem.image_id: problem.reason for problem in read_jsonl(out / "problems.jsonl", PhotoProblem)
        }
        return read_embeddings(out / "embeddings.sqlite"), problems

    return run_stage


@pytest.mark.parametrize("kind", TYPES)
def test_vectors_come_from_the_apps_table_at_unit_norm(
    run, ids, raw, tmp_path, monkeypatch, request, kind, caplog
):
    if kind == "sqlite":
        url = write_sqlite(tmp_path / "app.sqlite", ids, raw)
    else:
        url = write_postgres(request.getfixturevalue("app_database"), kind, ids, raw)
    monkeypatch.setenv(URL_VARIABLE, url)
    with caplog.at_level("INFO", "vibe_photos.embed"):
        found, problems = run()
    assert problems == {}
    assert found.image_ids == ids
    np.testing.assert_array_equal(found.vectors, to_unit_norm(raw))
    assert caplog.records[0].message == (
        "embed: 10 vectors of siglip-raw read from the app's database, 10 of them scaled to unit norm"
    )


OLDER_TABLE = (
    "CREATE TABLE image_embedding(image_id TEXT, model_name TEXT, embedding_path TEXT, embedding_dim "
    "INTEGER, model_backend TEXT, updated_at REAL)"
)


def older_rows(folder, ids, vectors):
    """Write one `.npy` file a photo, as the older application keeps them; return the rows of its table."""
    for image_id, vector in zip(ids, vectors, strict=True):
        (folder / image_id[:2]).mkdir(parents=True, exist_ok=True)
        np.save(folder / image_id[:2] / f"{image_id}.npy", vector)
    return [(i, "siglip-raw", f"{i[:2]}/{i}.npy", DIM, "siglip", 1764000000.0) for i in ids]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_vectors_come_from_the_older_applications_files(run, ids, raw, tmp_path, monkeypatch, request, kind):
    vectors, folder = to_unit_norm(raw), tmp_path / "cache"
    rows = older_rows(folder, ids, vectors)
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path / 'app.sqlite'}"
        with closing(sqlite3.connect(tmp_path / "app.sqlite")) as connection, connection:
            connection.execute(OLDER_TABLE)
            connection.executemany("INSERT INTO image_embedding VALUES (?, ?, ?, ?, ?, ?)", rows)
    else:
        url = request.getfixturevalue("app_database")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(OLDER_TABLE)
            connection.cursor().executemany(
                "INSERT INTO image_embedding VALUES (%s, %s, %s, %s, %s, %s)", rows
            )
    monkeypatch.setenv(URL_VARIABLE, url)
    with pytest.raises(DatabaseError, match=r"set VIBE_PHOTOS_VECTOR_FOLDER .*not set"):
        run()
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    files = {image_id: folder / image_id[:2] / f"{image_id}.npy" for image_id in ids}
    files[ids[0]].unlink()
    files[ids[1]].write_bytes(files[ids[1]].read_bytes()[:-4])
    np.save(files[ids[2]], np.ones(DIM + 1, np.float32))
    found, problems = run()
    assert problems == {ids[0]: "no_vector", ids[1]: "damaged", ids[2]: "wrong_dim"}
    np.testing.assert_array_equal(found.vectors, vectors[3:])


def test_photos_are_hashed_as_with_any_encoder(
    run, manifest, root, hog, embed, ids, raw, tmp_path, monkeypatch
):
    monkeypatch.setenv(URL_VARIABLE, write_sqlite(tmp_path / "app.sqlite", ids, raw))
    run()
    embed_into(manifest, root, hog, embed, tmp_path / "hog", tmp_path / "hog-store")
    assert (tmp_path / "out" / "perceptual_hashes.jsonl").read_bytes() == (
        tmp_path / "hog" / "perceptual_hashes.jsonl"
    ).read_bytes()


def test_each_photo_without_a_usable_vector_is_a_problem_of_its_own(run, ids, raw, tmp_path, monkeypatch):
    url = write_sqlite(tmp_path / "app.sqlite", ids[1:], raw[1:])
    monkeypatch.setenv(URL_VARIABLE, url)
    with closing(sqlite3.connect(tmp_path / "app.sqlite")) as connection, connection:
        change = "UPDATE image_embedding SET vector = ?, dim = ? WHERE image_id = ? AND model = 'siglip-raw'"
        nan, zero = np.full(DIM, np.nan, "<f4").tobytes(), bytes(4 * DIM)
        connection.execute(change, (nan, DIM, ids[1]))
        connection.execute(change, (zero, DIM, ids[2]))
        connection.execute(change, (zero, DIM + 1, ids[3]))
        connection.execute(change, (zero[:-1], DIM, ids[4]))
        mine = "SELECT * FROM image_embedding WHERE image_id = ? AND model = 'siglip-raw'"
        connection.execute(f"INSERT INTO image_embedding {mine}", (ids[5],))
    found, problems = run()
    assert problems == {
        ids[0]: "no_vector",
        ids[1]: "not_finite",
        ids[2]: "no_direction",
        ids[3]: "wrong_dim",
        ids[4]: "wrong_dim",
        ids[5]: "several_vectors",
    }
    assert found.image_ids == ids[6:]
    with pytest.raises(TooManyFailures, match="6 of 10"):
        run(share=0.5)


def test_a_photo_that_cannot_be_read_is_one_problem_and_keeps_its_vector(
    run, manifest, root, ids, raw, tmp_path, monkeypatch
):
    monkeypatch.setenv(URL_VARIABLE, write_sqlite(tmp_path / "app.sqlite", ids, raw))
    photos = read_manifest(manifest)
    gone = msgspec.structs.replace(photos[0], rel_path="gone.jpg")
    (tmp_path / "some.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, [gone, *photos[1:]])))
    found, problems = run(photos=tmp_path / "some.jsonl")
    assert problems == {ids[0]: "missing"}
    assert found.image_ids == ids


def test_what_was_read_is_kept_until_the_revision_changes(run, ids, raw, tmp_path, monkeypatch):
    path = tmp_path / "app.sqlite"
    monkeypatch.setenv(URL_VARIABLE, write_sqlite(path, ids[:9], raw[:9]))
    run()
    path.unlink()
    write_sqlite(path, ids, raw[:, ::-1])
    later, problems = run()
    np.testing.assert_array_equal(later.vectors, to_unit_norm(np.vstack([raw[:9], raw[9:, ::-1]])))
    assert problems == {}
    # Nothing is left to read: the database may be out of reach.
    monkeypatch.delenv(URL_VARIABLE)
    run()
    before = msgspec.json.decode((tmp_path / "out" / "digest.json").read_bytes(), type=Digest)
    monkeypatch.setenv(URL_VARIABLE, f"sqlite:///{path}")
    renewed, _ = run(msgspec.structs.replace(DATABASE, revision=2))
    np.testing.assert_array_equal(renewed.vectors, to_unit_norm(raw[:, ::-1]))
    after = msgspec.json.decode((tmp_path / "out" / "digest.json").read_bytes(), type=Digest)
    assert after.model != before.model
    assert after.rows_digest != before.rows_digest


def test_a_database_that_cannot_be_used_is_told_in_a_sentence(run, ids, raw, tmp_path, monkeypatch):
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    with pytest.raises(DatabaseError, match=URL_VARIABLE):
        run()
    url = write_sqlite(tmp_path / "app.sqlite", ids, raw)
    monkeypatch.setenv(URL_VARIABLE, url)
    with pytest.raises(DatabaseError, match=r"no vectors of 'clip'.*other \(10\), siglip-raw \(10\)"):
        run(msgspec.structs.replace(DATABASE, source_model="clip"))
    monkeypatch.setenv(URL_VARIABLE, f"sqlite:///{tmp_path}/away.sqlite")
    with pytest.raises(InputError, match=r"away\.sqlite does not exist"):
        run()
    sqlite3.connect(tmp_path / "empty.sqlite").close()
    (tmp_path / "empty.sqlite").touch()
    monkeypatch.setenv(URL_VARIABLE, f"sqlite:///{tmp_path}/empty.sqlite")
    with pytest.raises(DatabaseError, match=r"empty\.sqlite: no such table: image_embedding"):
        run()
    monkeypatch.setenv(URL_VARIABLE, "mysql://me:geheim-17@db/app")
    with pytest.raises(DatabaseError) as caught:
        run()
    assert "geheim-17" not in str(caught.value)


def test_a_postgres_without_the_table_is_told_without_the_password(run, app_database, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, app_database)
    with pytest.raises(DatabaseError, match=r'relation "image_embedding" does not exist') as caught:
        run()
    assert "secret" not in str(caught.value)


def test_there_is_no_encoder_for_another_photo(embed):
    assert name_encoder(DATABASE, embed).startswith("app-")
    with pytest.raises(EncoderError, match="there is no encoder for other photos"):
        load_encoder(DATABASE, embed)
    for key in ("source_model", "dim", "revision"):
        with pytest.raises(ConfigurationError, match=f"embedder.{key}"):
            name_encoder(msgspec.structs.replace(DATABASE, **{key: None}), embed)
