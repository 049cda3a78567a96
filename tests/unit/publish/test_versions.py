"""Publishing into a real PostgreSQL: what readers see, before, between and after."""

import sqlite3
import threading
from dataclasses import replace

import numpy as np
import psycopg
import pytest
from tests.unit.publish.conftest import IDS, make_publication

from vibe_photos.errors import DatabaseError
from vibe_photos.publish import versions
from vibe_photos.publish.versions import is_published, prune, publish
from vibe_photos.storage.postgres import open_postgres
from vibe_photos.storage.vectors import read_embeddings


def ask(url, query):
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def publish_into(url, publication):
    with open_postgres(url) as connection:
        return publish(connection, publication)


def read_table(publication, query):
    with sqlite3.connect(publication.labels.path) as connection:
        return connection.execute(query).fetchall()


CURRENT = "SELECT image_id, label_key, level, source, score, threshold, value FROM {}"


def test_readers_see_what_stands_in_the_labels(app_database, labels_only):
    assert publish_into(app_database, labels_only)
    expected = read_table(labels_only, CURRENT.format("label_assignment"))
    assert sorted(ask(app_database, CURRENT.format("vibe_photos.current_label_assignment"))) == sorted(
        (*row[:6], row[6] == 1) for row in expected
    )
    photos = read_table(labels_only, "SELECT image_id, scene, attributes, objects FROM photo_labels")
    assert sorted(ask(app_database, "SELECT * FROM vibe_photos.current_photo_labels")) == sorted(
        (image_id, scene, *((text.split(",") if text else []) for text in lists))
        for image_id, scene, *lists in photos
    )
    assert {row[0] for row in photos} == set(IDS)
    tree = read_table(labels_only, "SELECT key, level, parent FROM label")
    assert set(ask(app_database, "SELECT * FROM vibe_photos.current_label")) == set(tree)


def test_publishing_again_changes_nothing(app_database, publication):
    everything = "SELECT xmin::text, tableoid::regclass::text, version FROM vibe_photos.label_assignment"
    assert publish_into(app_database, publication)
    before = ask(app_database, everything)
    assert not publish_into(app_database, publication)
    assert ask(app_database, everything) == before


def test_an_older_version_stays_and_can_be_gone_back_to(app_database, labels_only, tmp_path):
    publish_into(app_database, labels_only)
    first = ask(app_database, CURRENT.format("vibe_photos.current_label_assignment"))
    second = replace(make_publication(tmp_path / "two", "two", seed=1), vectors=None)
    publish_into(app_database, second)
    assert ask(app_database, CURRENT.format("vibe_photos.current_label_assignment")) != first
    old = CURRENT.format("vibe_photos.label_assignment") + " WHERE version = 'one'"
    assert sorted(ask(app_database, old)) == sorted(first)
    assert not publish_into(app_database, labels_only)
    assert sorted(ask(app_database, CURRENT.format("vibe_photos.current_label_assignment"))) == sorted(first)


def test_a_version_whose_photos_changed_is_replaced_whole(app_database, labels_only, tmp_path):
    publish_into(app_database, labels_only)
    fewer = replace(make_publication(tmp_path / "fewer", "one", ids=IDS[:3]), vectors=None)
    publish_into(app_database, fewer)
    found = ask(app_database, "SELECT DISTINCT image_id FROM vibe_photos.label_assignment")
    assert {image_id for (image_id,) in found} == set(IDS[:3])
    assert ask(app_database, "SELECT version, photos FROM vibe_photos.label_version") == [("one", 3)]


def test_versions_are_pruned_only_when_asked_and_never_the_current_one(app_database, publication, tmp_path):
    for number, name in enumerate(["a", "b'; --", "c"]):
        publish_into(
            app_database, replace(make_publication(tmp_path / str(number), name, number), vectors=None)
        )
    publish_into(app_database, publication)
    publish_into(app_database, replace(make_publication(tmp_path / "0", "a", 0), vectors=None))
    with open_postgres(app_database) as connection:
        assert prune(connection, 2) == ["c", "b'; --"]
        assert prune(connection, 1) == ["one"]
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'vibe_photos' AND tablename ~ '_[0-9]+$'"
    assert ask(app_database, tables) == [(1,)]
    assert ask(app_database, "SELECT version FROM vibe_photos.current_version") == [("a",)]


def test_nothing_outside_its_schema_is_touched(app_database, publication):
    outside = (
        "SELECT nspname, relname, relkind::text, pg_class.xmin::text FROM pg_class "
        "JOIN pg_namespace ON pg_namespace.oid = relnamespace "
        "WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'vibe_photos'"
    )
    with psycopg.connect(app_database) as connection:
        connection.execute("CREATE TABLE label (id int); CREATE TABLE image_embedding (mine text)")
        connection.execute("INSERT INTO label VALUES (7)")
    before = ask(app_database, outside)
    publish_into(app_database, publication)
    assert ask(app_database, outside) == before
    assert ask(app_database, "SELECT * FROM label") == [(7,)]


@pytest.mark.parametrize("vector_type", ["vector", "real[]"])
def test_vectors_arrive_number_by_number(app_database, publication, vector_type):
    with psycopg.connect(app_database, autocommit=True) as connection:
        query = "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'"
        if vector_type == "vector" and not connection.execute(query).fetchone()[0]:
            pytest.skip("this PostgreSQL has no pgvector; the wheel pgserver brings it")
        if vector_type == "real[]":
            hide_pgvector(connection)
    publish_into(app_database, publication)
    query = (
        "SELECT data_type FROM information_schema.columns "
        "WHERE column_name = 'vector' AND table_name = 'image_embedding'"
    )
    assert ask(app_database, query) == [("ARRAY" if vector_type == "real[]" else "USER-DEFINED",)]
    query = "SELECT image_id, model, dim, vector::real[] FROM vibe_photos.current_image_embedding"
    found = {row[0]: row[1:] for row in ask(app_database, query)}
    expected = read_embeddings(publication.vectors.path)
    assert set(found) == set(expected.image_ids)
    for image_id, vector in zip(expected.image_ids, expected.vectors, strict=True):
        model, dim, numbers = found[image_id]
        assert (model, dim) == ("tiny-encoder", 6)
        np.testing.assert_array_equal(np.array(numbers, dtype=np.float32), vector)
    models = ask(app_database, "SELECT model, content, dim, photos FROM vibe_photos.embedding_model")
    assert models == [("tiny-encoder", publication.vectors.content, 6, len(IDS))]


def hide_pgvector(connection):
    """Begin the table as a server without the extension would."""
    connection.execute(versions._TABLES)
    connection.execute(versions._EMBEDDINGS.format(vector_type="real[]"))


def test_vectors_that_stay_the_same_are_not_written_again(app_database, publication, tmp_path):
    publish_into(app_database, publication)
    rows = "SELECT image_id, xmin::text FROM vibe_photos.image_embedding"
    before = dict(ask(app_database, rows))
    publish_into(app_database, make_publication(tmp_path / "two", "two", ids=IDS[:4]))
    assert dict(ask(app_database, rows)) == {image_id: before[image_id] for image_id in IDS[:4]}
    with open_postgres(app_database) as connection:
        assert is_published(connection, publication) == (True, False)


def test_what_fails_in_the_middle_leaves_what_was_there(app_database, labels_only, tmp_path):
    publish_into(app_database, labels_only)
    broken = make_publication(tmp_path / "broken", "two", seed=3)
    with sqlite3.connect(broken.labels.path) as connection:
        connection.execute(
            "UPDATE label_assignment SET image_id = image_id || char(0) WHERE label_key = 'scene.other'"
        )
    with pytest.raises(DatabaseError, match="app_"):
        publish_into(app_database, replace(broken, vectors=None))
    assert ask(app_database, "SELECT version FROM vibe_photos.label_version") == [("one",)]
    assert ask(app_database, "SELECT count(*) FROM pg_tables WHERE tablename ~ '_[0-9]+$'") == [(1,)]


def test_two_publishers_at_once_take_turns(app_database, tmp_path, caplog):
    publications = [
        replace(make_publication(tmp_path / name, name, seed), vectors=None)
        for seed, name in enumerate("abcd")
    ]
    with open_postgres(app_database) as holder, caplog.at_level("INFO", "vibe_photos.publish"):
        publish(holder, publications[0])
        threads = [threading.Thread(target=publish_into, args=(app_database, each)) for each in publications]
        for thread in threads:
            thread.start()
        while sum("waiting for it" in record.message for record in caplog.records) < len(threads):
            threads[0].join(0.01)
        holder.execute("SELECT pg_advisory_unlock_all()")
        for thread in threads:
            thread.join()
    assert {row[0] for row in ask(app_database, "SELECT version FROM vibe_photos.label_version")} == set(
        "abcd"
    )
    for each in publications:
        count = f"SELECT count(*) FROM vibe_photos.label_assignment WHERE version = '{each.version}'"
        assert ask(app_database, count) == [(each.labels.rows,)]
