"""One review session: name the reviewer, open the files, serve the page, say what to do next."""

import contextlib
import ctypes
import getpass
import re
import subprocess
import threading
import unicodedata
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from vibe_photos.errors import ConfigurationError, InputError, LibraryError
from vibe_photos.human_truth.backup import find_untracked
from vibe_photos.review.app import build_app
from vibe_photos.review.decisions import log_path
from vibe_photos.review.likeness import Likeness
from vibe_photos.review.photo_images import PhotoImages
from vibe_photos.review.server import serve
from vibe_photos.review.service import ReviewService
from vibe_photos.review.sources import ReviewSources, open_sources
from vibe_photos.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_reviewer(name: str) -> str:
    """Return the name, if it can be a file name.

    Raises:
        ConfigurationError: it has other characters than letters, digits, `-`, `_` and `.`.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"--reviewer {name!r}: a reviewer's name is also a file's name; use letters, digits, - _ and ., "
            "beginning with a letter or digit"
        )
    return name


def guess_reviewer() -> str:
    """Return git's `user.name` as a name for a log, else the login name, else `reviewer`.

    It has lower-case ASCII letters and digits: `Ada Lovelace` is `ada-lovelace`.
    """
    for read in (_read_git_name, getpass.getuser):
        try:
            plain = unicodedata.normalize("NFKD", read()).encode("ascii", "ignore").decode().lower()
        except (KeyError, OSError):
            continue
        if name := "-".join(re.findall(r"[a-z0-9]+", plain))[:64].strip("-"):
            return name
    return "reviewer"


def _read_git_name() -> str:
    command = ["git", "config", "user.name"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def serve_review(
    settings: Settings,
    reviewer: str,
    store: Path,
    *,
    port: int,
    is_blind: bool,
    opens_browser: bool,
    only: Sequence[str] = (),
) -> None:
    """Serve the page to one reviewer until interrupted; print its address, and where decisions are.

    The page begins with the photos `only`, given by id or path, if there are any.

    Raises:
        LibraryError: the photos are not here.
        InputError: a file is missing or damaged, or the library has no photo of `only`.
        StoreError: another server holds this reviewer's log.
        ConfigurationError: the port cannot be used.
    """
    root = Path(settings.library.root)
    if not root.is_dir():
        raise LibraryError(f"the photos are not here: {root} (library.root in params.yaml) is not a folder")
    _return_memory()
    sources = open_sources(settings, reviewer, store)
    likeness = Likeness(settings.paths.embeddings, store, sources.row_of)
    with (
        contextlib.closing(sources.decisions),
        contextlib.closing(likeness),
        contextlib.closing(PhotoImages(root, settings.embed.max_pixels)) as images,
    ):

        def on_ready(address: str, once: str) -> None:
            _print_address(sources, address)
            threading.Thread(target=_read_ahead, args=(sources,), daemon=True).start()
            if opens_browser:
                # Some browsers return only when they are closed.
                threading.Thread(target=webbrowser.open, args=(once,), daemon=True).start()

        app = build_app(ReviewService(sources, likeness, is_blind=is_blind), images)
        serve(app, port, on_ready, find_start(sources, only))
    print(f"\nEvery decision is in {log_path(settings.paths.human, reviewer)}", flush=True)
    if find_untracked(settings.paths.human):
        print(f"git does not have it yet: git add {settings.paths.human} && git commit", flush=True)
    print("Now: dvc repro", flush=True)


def _return_memory() -> None:
    """Let large arrays go back to the system when they are freed: glibc would keep them, for each thread."""
    mmap_threshold, most_arenas = -3, -8  # M_MMAP_THRESHOLD, M_ARENA_MAX of malloc.h
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, 1 << 17)
        libc.mallopt(most_arenas, 1)


def _read_ahead(sources: ReviewSources) -> None:
    """Read what takes seconds in a large library, so that who comes to the mistakes or to Teach finds it."""
    sources.opinions.values("student")
    sources.teaching.begin()


def find_start(sources: ReviewSources, only: Sequence[str]) -> str:
    """Return where the page begins, under its address: one photo large, several in the grid.

    Raises:
        InputError: the library has no such photo.
    """
    by_path = {photo.rel_path: photo.image_id for photo in sources.photos} if only else {}
    ids = [name if name in sources.row_of else by_path.get(name, "") for name in only]
    if "" in ids:
        raise InputError(f"--only {only[ids.index('')]}: no photo of the library has this id or path")
    if len(ids) == 1:
        return f"?{urlencode({'list': 'all', 'status': '', 'only': ids[0], 'photo': ids[0]})}"
    return f"mistakes?{urlencode({'list': 'all', 'status': '', 'only': ','.join(ids)})}" if ids else ""


def _print_address(sources: ReviewSources, address: str) -> None:
    measure, trains = len(sources.queued), int(sources.trains.sum())
    reviewer = sources.decisions.reviewer
    print(f"{reviewer} has {measure} photos to measure with, {trains} to teach with, at", flush=True)
    print(address, flush=True)
    if sources.not_in_library:
        print(f"photos of the sample that are no longer in the library: {sources.not_in_library}", flush=True)
    print("Anyone who has this address can decide in your name. Ctrl-C ends the review.", flush=True)
