"""A real PostgreSQL for the tests: the wheel `pgserver` (which carries pgvector), else the system's own."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest

PASSWORD = "not:a/secret%"
_URL_PASSWORD = "not%3Aa%2Fsecret%25"
_NOBODY = 65534
_numbers = count()


@contextmanager
def start_postgres() -> Iterator[str]:
    """Run a server on loopback and give the URL of its administrator; skip the test where there is none."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here: neither the wheel pgserver nor /usr/lib/postgresql")
    # Not pytest's folder: PostgreSQL refuses to run as root, and nobody else may enter that one.
    folder = Path(tempfile.mkdtemp(prefix="vibe-photos-postgres-"))
    user = _NOBODY if os.geteuid() == 0 else None
    try:
        if user is not None:
            os.chown(folder, user, user)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)

        def run(*command: str) -> None:
            # Into a file: the server keeps its output open, and a pipe would be waited for.
            with (folder / "output").open("ab") as output:
                result = subprocess.run(
                    [binaries / command[0], *command[1:]],
                    user=user,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
            if result.returncode:
                pytest.skip(f"{command[0]} does not run here: {(folder / 'output').read_text()[-300:]}")

        data, port = str(folder / "data"), _find_port()
        run("initdb", "-D", data, "-U", "owner", "-A", "scram-sha-256", "--pwfile=password", "-E", "UTF8")
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
        run("pg_ctl", "start", "-w", "-D", data, "-l", str(folder / "log"), "-o", options)
        yield f"postgresql://owner:{_URL_PASSWORD}@127.0.0.1:{port}/postgres"
        run("pg_ctl", "stop", "-w", "-D", data, "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create_database(server: str) -> str:
    """Create an empty database on the server; return its URL."""
    import psycopg

    name = f"app_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server.removesuffix("postgres") + name


def find_binaries() -> Path | None:
    """Return the folder with `initdb` and `pg_ctl`. Importing pgserver would start by making folders."""
    wheel = find_spec("pgserver")
    folders = (wheel.submodule_search_locations if wheel else None) or []
    places = [Path(folder) / "pginstall" / "bin" for folder in folders]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").is_file()), None)


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
