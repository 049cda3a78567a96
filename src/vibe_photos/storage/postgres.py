"""PostgreSQL connections by URL; errors are readable and never show the password."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from vibe_photos.errors import DatabaseError

if TYPE_CHECKING:
    import psycopg

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

URL_VARIABLE = "VIBE_PHOTOS_DATABASE_URL"
"""The environment variable with the URL of an app's database, which may contain a password."""

SCHEMES = ("postgresql://", "postgres://")


@contextmanager
def open_postgres(url: str) -> Iterator[Connection]:
    """Connect for the block; each statement is a transaction unless `connection.transaction()` groups some.

    For parts that the URL lacks, libpq uses `PGPASSWORD`, `~/.pgpass`, `PGHOST` and so on.

    Raises:
        DatabaseError: the package psycopg is missing, the server cannot be reached or refuses, or a
            statement in the block fails. The message names host and database, never the password.
    """
    try:
        import psycopg
    except ImportError as error:
        raise DatabaseError(f"PostgreSQL needs psycopg ({error}): install vibe-photos[postgres]") from None
    address = name_address(url)
    try:
        with psycopg.connect(url, autocommit=True, application_name="vibe-photos") as connection:
            yield connection
    # `from None`, because psycopg's traceback would show the URL.
    except psycopg.Error as error:
        raise DatabaseError(f"{address}: {_hide_password(str(error).strip(), url)}") from None


def fetch_one(connection: Connection, query: str, *values: object) -> tuple[Any, ...]:
    """Return the row of a query that always gives one row."""
    row = connection.execute(query.encode(), values).fetchone()
    if row is None:
        raise DatabaseError(f"the database returned no row for: {query}")
    return row


def name_address(url: str) -> str:
    """Return a URL as `host:port/database`, without the password.

    Raises:
        DatabaseError: it is not a PostgreSQL URL.
    """
    parts = _split(url)
    host, database = parts.get("host") or "localhost", parts.get("dbname") or parts.get("user") or ""
    return f"{host}:{parts.get('port') or 5432}/{database}"


def _split(url: str) -> dict[str, Any]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        if not url.startswith(SCHEMES):
            raise ValueError
        return dict(conninfo_to_dict(url))
    # libpq's message may contain the password.
    except (psycopg.Error, ValueError):
        raise DatabaseError(
            "not a PostgreSQL URL: write postgresql://USER@HOST:PORT/DATABASE, special characters as %XX"
        ) from None


def _hide_password(text: str, url: str) -> str:
    password = _split(url).get("password")
    for secret in (password, quote(password, safe="")) if password else ():
        text = text.replace(secret, "***")
    return text
