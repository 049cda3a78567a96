"""A password is in no message, whatever goes wrong with it."""

import traceback

import pytest
from tests.postgres import PASSWORD

from vibe_photos.errors import DatabaseError
from vibe_photos.storage.postgres import name_address, open_postgres


def fail_to_open(url):
    with pytest.raises(DatabaseError) as caught, open_postgres(url):
        pass
    return "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:geheim-17@127.0.0.1:1/app", "127.0.0.1:1/app: "),
        ("postgresql://me:geheim-17%zz@127.0.0.1/app", "not a PostgreSQL URL"),
        ("postgresql://me:geheim-17@127.0.0.1:port/app", "127.0.0.1:port/app: "),
        ("mysql://me:geheim-17@127.0.0.1/app", "not a PostgreSQL URL"),
        ("host=127.0.0.1 password=geheim-17", "not a PostgreSQL URL"),
    ],
)
def test_an_address_that_does_not_work_is_told_without_its_password(url, expected):
    said = fail_to_open(url)
    assert expected in said
    assert "geheim-17" not in said


def test_a_wrong_password_and_a_wrong_statement_are_told_without_it(app_database):
    wrong = fail_to_open(app_database.replace("secret", "geheim-17"))
    assert "password authentication failed" in wrong
    assert "geheim-17" not in wrong
    with pytest.raises(DatabaseError) as caught, open_postgres(app_database) as connection:
        connection.execute(f"SELECT '{PASSWORD}'::integer")
    assert str(caught.value).startswith(f"{name_address(app_database)}: invalid input syntax")
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_an_address_names_host_port_and_database_alone():
    assert name_address("postgresql://me:x@db.example:5433/app?sslmode=require") == "db.example:5433/app"
    assert name_address("postgres://me@/app") == "localhost:5432/app"
