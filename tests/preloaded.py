"""Commands whose libraries are imported already: one process that forks for each command.

A `dvc repro` starts some twenty Pythons that spend most of their time importing torch, Hydra and DVC. The
folder of `start_preloaded` has `python`, `dvc` and `vibe-photos`, which ask this process for a fork. The fork
does what the command would, in the caller's folder and environment, on the caller's standard streams. No
module of vibe-photos is imported before. A caller whose environment changes what libraries do gets the real
command (so a processor's profile does), and so does `python` with anything but a script.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

LIBRARIES = (
    *("dvc.cli", "dvc.commands.repro", "dvc.commands.status", "dvc.repo.reproduce", "dvc.repo.commit"),
    *(
        "dvc.fs",
        "dvc.scm",
        "dvc.stage.run",
        "dvc.stage.serialize",
        "dvc_data.hashfile.cache",
        "pygit2",
        "git",
    ),
    *("hydra", "httpx", "jinja2", "msgspec", "numpy", "omegaconf", "orjson", "PIL.ImageCms", "ruamel.yaml"),
    *("scipy.optimize", "scipy.special", "sqlite3", "torch"),
)
DECIDES_LIBRARIES = (
    "ATEN_",
    "GLIBC_",
    "HF_",
    "HYDRA_",
    "LD_",
    "MKL_",
    "NPY_",
    "OMP_",
    "ONEDNN_",
    "OPENBLAS_",
    "PYTHON",
)
BIN = Path(sys.executable).parent
Request = tuple[str, list[str], str, dict[str, str]]
"""A command, its arguments, its folder and its environment."""

PRELOADED = "PYTEST_PRELOADED"
"""The variable with the folder of the commands."""

CLIENT = f"""\
#!{sys.executable} -ISE
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(os.path.join(os.path.dirname(sys.argv[0]), "socket"))
request = json.dumps([os.path.basename(sys.argv[0]), sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(connection, [len(request).to_bytes(8, "big")], [0, 1, 2])
connection.sendall(request)
os._exit(int(connection.recv(8)))
"""


def clean_environment() -> dict[str, str]:
    """This process's environment without variables that would lead out of a test's folder."""
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("QWEN_", "VIBE_PHOTOS_", "DVC_", "GIT_", "PYTEST_"))
    }


def preloaded_environment() -> dict[str, str]:
    """A clean environment whose commands are the preloaded ones, while `start_preloaded` runs."""
    clean = clean_environment()
    return clean | {"PATH": os.pathsep.join((os.environ[PRELOADED], str(BIN), clean["PATH"]))}


@contextmanager
def start_preloaded(folder: Path) -> Iterator[None]:
    """Make the commands of `preloaded_environment` work until the block ends or this process does."""
    server = subprocess.Popen(
        [sys.executable, "-P", __file__, str(folder)],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        for name in ("python", "dvc", "vibe-photos"):
            (folder / name).write_text(CLIENT)
            (folder / name).chmod(0o755)
        os.environ[PRELOADED] = str(folder)
        yield
    finally:
        server.communicate()


def serve(folder: Path) -> None:
    """Fork for each request until stdin is closed."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.listen(64)
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()
    print("ready", flush=True)
    waiting = selectors.DefaultSelector()
    waiting.register(sys.stdin.fileno(), selectors.EVENT_READ)
    waiting.register(listener, selectors.EVENT_READ)
    while True:
        key = waiting.select()[0][0]  # one at a time, as handling it may end what another is about
        if key.fileobj == sys.stdin.fileno():
            return
        if key.fileobj is listener:
            connection, _ = listener.accept()
            streams, request = receive(connection)
            if not (pid := os.fork()):
                listener.close()
                connection.close()
                exit_quickly(streams, request)
            for stream in streams:
                os.close(stream)
            child = os.pidfd_open(pid)
            waiting.register(child, selectors.EVENT_READ, (connection, pid))
            waiting.register(connection, selectors.EVENT_READ, (None, pid))
        elif isinstance(key.fileobj, socket.socket):  # the client was killed
            os.kill(key.data[1], signal.SIGKILL)
            waiting.unregister(key.fileobj)
        else:
            connection, pid = key.data
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            waiting.unregister(key.fileobj)
            os.close(key.fd)
            if connection in waiting.get_map():
                waiting.unregister(connection)
                connection.send(str(status if status >= 0 else 128 - status).encode())
            connection.close()


def exit_quickly(streams: list[int], request: Request) -> NoReturn:
    """Run a command and exit as Python does, but without taking apart all that was imported."""
    status: object = 1
    try:
        status = run_command(streams, *request)
    except SystemExit as exit_:
        status = exit_.code or 0
        if isinstance(status, str):
            print(status, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


def receive(connection: socket.socket) -> tuple[list[int], Request]:
    """Return the caller's standard streams, and what it asks for."""
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    request = b""
    while len(request) < int.from_bytes(size, "big"):
        request += connection.recv(1 << 20)
    command, arguments, folder, environment = json.loads(request)
    return streams, (command, arguments, folder, environment)


def run_command(
    streams: list[int], command: str, arguments: list[str], folder: str, environment: dict[str, str]
) -> int:
    """Become the command."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    if list_deciding(environment) != list_deciding(os.environ) or (
        command == "python" and not arguments[0].endswith(".py")
    ):
        os.execve(BIN / command, [str(BIN / command), *arguments], environment)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [arguments.pop(0) if command == "python" else str(BIN / command), *arguments]
    if command == "python":
        sys.path.insert(0, str(Path(folder, sys.argv[0]).parent))
        runpy.run_path(sys.argv[0], run_name="__main__")
        return 0
    return importlib.import_module({"dvc": "dvc.cli", "vibe-photos": "vibe_photos.cli"}[command]).main() or 0


def list_deciding(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the variables that libraries may read when they are imported."""
    return sorted((name, value) for name, value in environment.items() if name.startswith(DECIDES_LIBRARIES))


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
