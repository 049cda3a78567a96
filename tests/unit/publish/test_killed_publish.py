"""A publisher killed when all its rows are written and only the switch is left: nobody notices."""

import signal
import subprocess
import sys
import time

import psycopg
from tests.unit.publish.conftest import make_publication

from vibe_photos.publish.versions import publish
from vibe_photos.storage.postgres import open_postgres

_PUBLISH = """
import sys
from pathlib import Path
from tests.unit.publish.conftest import make_publication
from vibe_photos.publish.versions import publish
from vibe_photos.storage.postgres import open_postgres
with open_postgres(sys.argv[1]) as connection:
    publish(connection, make_publication(Path(sys.argv[2]), "two", seed=1))
"""
_VISIBLE = "SELECT * FROM vibe_photos.current_label_assignment ORDER BY image_id, label_key"


def count(connection, query):
    return connection.execute(query).fetchone()[0]


def wait_until(connection, query):
    for _ in range(3000):
        if count(connection, query):
            return
        time.sleep(0.02)
    raise AssertionError(f"never true: {query}")


def test_a_killed_publisher_leaves_the_old_version(app_database, publication, tmp_path, repository):
    with open_postgres(app_database) as connection:
        publish(connection, publication)
    with psycopg.connect(app_database, autocommit=True) as reader:
        before = reader.execute(_VISIBLE).fetchall()
        with psycopg.connect(app_database) as holder:
            # Nobody can move the pointer now: the publisher comes to wait for it, with all rows written.
            holder.execute("LOCK TABLE vibe_photos.current_version IN SHARE MODE")
            command = [sys.executable, "-c", _PUBLISH, app_database, str(tmp_path / "two")]
            child = subprocess.Popen(command, cwd=repository)
            pointer = "relation = 'vibe_photos.current_version'::regclass"
            wait_until(reader, f"SELECT count(*) FROM pg_locks WHERE {pointer} AND NOT granted")
            assert reader.execute(_VISIBLE).fetchall() == before
            child.send_signal(signal.SIGKILL)
            child.wait()
        wait_until(reader, "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'")
        assert reader.execute(_VISIBLE).fetchall() == before
        assert count(reader, "SELECT count(*) FROM vibe_photos.label_version") == 1
        assert count(reader, "SELECT count(*) FROM pg_tables WHERE tablename ~ '_[0-9]+$'") == 1
        with open_postgres(app_database) as connection:
            assert publish(connection, make_publication(tmp_path / "two", "two", seed=1))
        assert reader.execute(_VISIBLE).fetchall() != before
