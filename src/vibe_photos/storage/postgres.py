"""PostgreSQL by its URL: connections whose errors are readable and never show the password."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from vibe_photos.errors import DatabaseError

if TYPE_CHECKING:
    import psycopg

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

URL_VARIABLE = "VIBE_PHOTOS_DATABASE_URL"
"""The environment variable with an app's database: an address may hold a password."""

SCHEMES = ("postgresql://", "postgres://")


@contextmanager
def open_postgres(url: str) -> Iterator[Connection]:
    """Connect for the block; each statement is a transaction unless `connection.transaction()` groups some.

    What the URL leaves out, libpq finds: `PGPASSWORD`, `~/.pgpass`, `PGHOST` and the like.

    Raises:
        DatabaseError: the package psycopg is missing, the server cannot be reached or refuses, or a
            statement of the block fails. It names host and database, never the password.
    """
    try:
        import psycopg
    except ImportError as error:
        raise DatabaseError(f"PostgreSQL needs psycopg ({error}): install vibe-photos[postgres]") from None
    address = name_address(url)
    try:
        with psycopg.connect(url, autocommit=True, application_name="vibe-photos") as connection:
            yield connection
    # Without its cause: a traceback of psycopg's own frames shows what it was called with.
    except psycopg.Error as error:
        raise DatabaseError(f"{address}: {_hide_password(str(error).strip(), url)}") from None


def fetch_one(connection: Connection, query: str, *values: object) -> tuple[Any, ...]:
    """Return the one row of a query that always has one."""
    row = connection.execute(query.encode(), values).fetchone()
    if row is None:
        raise DatabaseError(f"the database has no answer to: {query}")
    return row


def name_address(url: str) -> str:
    """Return where a URL leads, as `host:port/database`, which holds no secret.

    Raises:
        DatabaseError: it is no URL of PostgreSQL.
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
    # libpq repeats what it cannot read, which may be the password.
    except (psycopg.Error, ValueError):
        raise DatabaseError(
            "that is no address of PostgreSQL: write postgresql://USER@HOST:PORT/DATABASE, special "
            "characters as %XX"
        ) from None


def _hide_password(text: str, url: str) -> str:
    password = _split(url).get("password")
    for secret in (password, quote(password, safe="")) if password else ():
        text = text.replace(secret, "***")
    return text
