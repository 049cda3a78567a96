"""The older application's tables, in a real PostgreSQL."""

import psycopg
import pytest

from vibe_photos.errors import DatabaseError
from vibe_photos.publish.older_tables import publish_into_older_tables
from vibe_photos.records.label_tables import read_labels
from vibe_photos.storage.postgres import open_postgres

TABLES = """
CREATE TABLE labels (id serial PRIMARY KEY, key text NOT NULL UNIQUE);
CREATE TABLE label_assignment (
    id serial PRIMARY KEY,
    target_type text NOT NULL,
    target_id text NOT NULL,
    label_id integer NOT NULL REFERENCES labels,
    source text NOT NULL,
    label_space_ver text NOT NULL,
    score double precision NOT NULL,
    created_at double precision NOT NULL,
    UNIQUE (target_type, target_id, label_id, source, label_space_ver)
);
INSERT INTO labels (key) VALUES ('attr.has_text'), ('object.food'), ('scene.food'), ('scene.other');
"""


def read_rows(connection):
    query = (
        "SELECT target_id, key, label_space_ver, score FROM label_assignment "
        "JOIN labels ON label_id = labels.id WHERE target_type = 'image' AND source = 'classifier'"
    )
    return {row[:3]: row[3] for row in connection.execute(query).fetchall()}


def test_its_labels_are_replaced_by_ours_and_all_else_stays(publication, app_database, caplog):
    table = read_labels(publication.labels.path)
    expected = {
        (image_id, key, "object_v1" if key.startswith("object") else "scene_v1"): table.score[row, column]
        for row, image_id in enumerate(table.image_ids)
        for column, key in enumerate(table.keys)
        if table.value[row, column] == 1 and key != "object.food.dessert"
    }
    others = [
        ("image", "another photo", "classifier", "scene_v1"),
        ("image", table.image_ids[0], "person", "scene_v1"),
        ("region", table.image_ids[0], "classifier", "scene_v1"),
        ("image", table.image_ids[0], "classifier", "cluster_v1"),
    ]
    with open_postgres(app_database) as connection:
        connection.execute(TABLES)
        insert = (
            "INSERT INTO label_assignment (target_type, target_id, source, label_space_ver, label_id, score, "
            "created_at) VALUES (%s, %s, %s, %s, (SELECT id FROM labels WHERE key = 'scene.other'), 0.5, 1.0)"
        )
        connection.cursor().executemany(
            insert, [*others, ("image", table.image_ids[0], "classifier", "scene_v1")]
        )
        for _ in range(2):  # a second time the same
            assert publish_into_older_tables(connection, publication.labels.path) == len(expected)
            ours = read_rows(connection)
            assert ours.items() >= expected.items()
            assert len(ours) == len(expected) + 2  # another photo, another label space
        assert connection.execute("SELECT count(*) FROM label_assignment").fetchone() == (len(expected) + 4,)
    assert "has no object.food.dessert: left out of" in caplog.text


def test_a_failure_leaves_what_was_there(publication, app_database):
    with psycopg.connect(app_database, autocommit=True) as connection:
        connection.execute(TABLES)
    with open_postgres(app_database) as connection:
        publish_into_older_tables(connection, publication.labels.path)
        before = read_rows(connection)
        connection.execute("ALTER TABLE label_assignment ADD COLUMN run text NOT NULL DEFAULT 'old'")
        connection.execute("ALTER TABLE label_assignment ALTER run DROP DEFAULT")
    with pytest.raises(DatabaseError, match="run"), open_postgres(app_database) as connection:
        publish_into_older_tables(connection, publication.labels.path)
    with open_postgres(app_database) as connection:
        assert before
        assert read_rows(connection) == before


def test_another_database_is_told(publication, app_database):
    told = pytest.raises(DatabaseError, match=r"no table label_assignment with .*Publish without")
    with told, open_postgres(app_database) as connection:
        publish_into_older_tables(connection, publication.labels.path)
