"""One run over the photos without an answer: each is prepared, asked about, and its answer kept.

Photos are prepared in threads ahead of the requests. A reply counts once it is fsynced. Ctrl-C lets what is
in flight end, a second one drops it. A photo that failed because of the server keeps its last attempts for a
second pass at the end.
"""

import asyncio
import errno
import logging
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TextIO

from vibe_photos.annotate.answers import Answer, Answers
from vibe_photos.annotate.question import Question, data_url, prepare_jpeg, request_body
from vibe_photos.annotate.reply import Reply, is_repetitive
from vibe_photos.annotate.server import AskFailed, Attempts, TeacherServer
from vibe_photos.errors import (
    DecodeError,
    LibraryError,
    RunInterrupted,
    StoreError,
    TeacherError,
    VibePhotosError,
)
from vibe_photos.pixels import PIXELS_VERSION
from vibe_photos.records.failures import Failure, FailureKind
from vibe_photos.records.photos import Photo, photo_path, verified
from vibe_photos.settings import Rates, Settings
from vibe_photos.terminal import escape_control_characters

logger = logging.getLogger(__name__)

_TRUNCATED_REPLY_FACTOR = 2
"""A reply that was truncated at `max_tokens` is asked for once more with this times as many."""

_KEPT_ATTEMPTS = 2
"""So many of a photo's attempts are kept for the second pass."""

_MIN_FREE_BYTES = 32 << 20
"""With less room on the disk nothing more is sent: an answer could be paid for and not kept."""

_HINTS: dict[FailureKind, str] = {
    "refused": "Check teacher.model and QWEN_API_KEY, and whether this model takes images.",
    "no_answer": "Look at the server's own log.",
}
_TERMINAL_SECONDS = 0.5
_LOG_SECONDS = 30.0

_Prepared = tuple[Photo, int, Future[str]]
"""A photo, the number of attempts that it has cost, and its data URL as soon as it is prepared."""


class AnnotationRun:
    """One run over photos that have no usable answer.

    `failures` holds, by id, why this run got no answer about a photo.
    """

    def __init__(
        self, settings: Settings, question: Question, server: TeacherServer, answers: Answers
    ) -> None:
        self.failures: dict[str, Failure] = {}
        self._annotate = settings.annotate
        self._rates = settings.rates
        self._model = settings.teacher.model
        self._root = Path(settings.library.root)
        self._question = question
        self._server = server
        self._answers = answers
        self._group_sync = GroupSync(answers.sync)
        self._progress = Progress(total=0)
        self._retry_queue: list[tuple[Photo, int]] = []
        self._stopped_by: VibePhotosError | None = None

    async def ask_about(self, photos: Iterable[Photo], total: int) -> None:
        """Ask about `photos`, `total` in number, roughly in their order: several are in flight at once.

        Raises:
            TeacherRefused, TeacherUnreachable: the run cannot go on; what was in flight is kept.
            RunInterrupted: a person stopped it.
            StoreError: the disk is full, and what was in flight is kept; or an answer could not be kept, and
                everything in flight was dropped at once.
            LibraryError: this machine or the library is in a state in which every photo would fail.
        """
        task = asyncio.current_task()
        assert task is not None  # a coroutine runs in one
        self._progress = Progress(total, describe_server=self._server.state.describe)
        reporter = asyncio.create_task(self._report())
        with _handle_signals(lambda: self._interrupt(task)):
            try:
                await self._run_pass(((photo, 0) for photo in photos), is_second_pass=False)
                if self._retry_queue and self._stopped_by is None:
                    logger.info("photos without an answer that are retried: %d", len(self._retry_queue))
                    self._progress.failed -= len(self._retry_queue)
                    await self._run_pass(self._retry_queue, is_second_pass=True)
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None
            except asyncio.CancelledError:
                self._stopped_by = self._stopped_by or RunInterrupted("interrupted")
            finally:
                reporter.cancel()
                self._progress.end()
                logger.info(self._progress.describe_run(self._rates))
        if isinstance(self._stopped_by, RunInterrupted):
            raise RunInterrupted(
                f"interrupted; {len(self._answers)} answers are kept. Run the same command again to go on"
            )
        if self._stopped_by:
            raise self._stopped_by

    async def _run_pass(self, photos: Iterable[tuple[Photo, int]], is_second_pass: bool) -> None:
        """Ask about photos, each with the attempts it has cost.

        Each slot (a worker) asks about one photo at a time, and has its next one in preparation meanwhile.
        """
        pool = ThreadPoolExecutor(self._annotate.workers, "prepare")
        prepared = ((photo, made, pool.submit(self._prepare, photo)) for photo, made in photos)
        try:
            async with asyncio.TaskGroup() as group:
                for slot, first in enumerate(islice(prepared, self._annotate.concurrency)):
                    group.create_task(self._work(slot, first, prepared, is_second_pass))
        finally:
            pool.shutdown(cancel_futures=True)

    async def _work(
        self, slot: int, photo: _Prepared | None, prepared: Iterator[_Prepared], is_second_pass: bool
    ) -> None:
        try:
            while photo and self._stopped_by is None:
                async with self._server.state.begin_photo():
                    ahead = next(prepared, None)  # this submits it to the pool
                    await self._handle_photo(slot, *photo, is_second_pass)
                photo = ahead
        except (TeacherError, RunInterrupted, LibraryError, _DiskFull) as error:
            self._stop(error)

    async def _handle_photo(
        self, slot: int, photo: Photo, made: int, image_url: Future[str], is_second_pass: bool
    ) -> None:
        """Get an answer about one photo, or note why there is none."""
        most = self._annotate.max_attempts
        kept = 0 if is_second_pass else min(_KEPT_ATTEMPTS, most - 1)
        attempts = Attempts(left=most - made, made=made, kept=kept)
        try:
            problem = await self._ask(slot, photo, await asyncio.wrap_future(image_url), attempts)
        except AskFailed as error:
            self._progress.failed += 1
            if error.kind == "no_answer" and attempts.left > 0:
                # Not `attempts.made`: it counts requests repeated in a looser response format too.
                self._retry_queue.append((photo, most - attempts.left))
            else:
                self.failures[photo.image_id] = Failure(
                    image_id=photo.image_id, rel_path=photo.rel_path, kind=error.kind, detail=error.detail
                )
            # In the second pass all photos have failed before: several in a row mean nothing new.
            if error.kind != "unreadable" and not is_second_pass:
                self._server.state.record_no_usable_answer(
                    f"{error.detail.rstrip('.')}. {_HINTS[error.kind]}"
                )
        else:
            if not problem:
                self._progress.done += 1
                self._server.state.record_usable_answer()
            else:
                self._progress.failed += 1
                answer = self._answers.find(photo.image_id)
                example = f" Its reply: {answer.reply[:80]!r}." if answer and answer.reply else ""
                self._server.state.record_no_usable_answer(f"{problem.rstrip('.')}.{example}")

    async def _ask(self, slot: int, photo: Photo, image_url: str, attempts: Attempts) -> str:
        """Ask about one photo, and once more with a larger `max_tokens` if the reply was truncated.

        Returns why the reply is not usable, or an empty text.
        """
        max_tokens = self._question.sampling.max_tokens
        made_before = attempts.made

        def body(response_format: str) -> bytes:
            return request_body(
                self._question, self._model, image_url, response_format=response_format, max_tokens=max_tokens
            )

        self._check_disk_space()
        try:
            reply = await self._server.ask(slot, photo.image_id, body, attempts)
            problem = await self._keep(photo, reply)
            if reply.finish_reason == "length" and not reply.problem and not is_repetitive(reply.text):
                max_tokens *= _TRUNCATED_REPLY_FACTOR
                attempts.kept = 0  # the server answers now: nothing is kept for later
                if attempts.left:
                    reply = await self._server.ask(slot, photo.image_id, body, attempts)
                    problem = await self._keep(photo, reply)
        finally:
            self._progress.requests += attempts.made - made_before
        return problem

    def _check_disk_space(self) -> None:
        """Check that the disk has room for an answer. Raises _DiskFull: it has not."""
        free_bytes = shutil.disk_usage(self._answers.folder).free
        if free_bytes < _MIN_FREE_BYTES:
            raise _DiskFull(
                f"the disk of {self._answers.folder} has {free_bytes >> 20} MiB left: nothing more is sent. "
                "Every answer so far is kept: make room, and run the same command again"
            )

    async def _keep(self, photo: Photo, reply: Reply) -> str:
        """Keep a reply; return, once it is safe, why it is not usable, or an empty text."""
        answer = Answer(
            image_id=photo.image_id,
            model=self._answers.key.model,
            prompt_id=self._answers.key.prompt_id,
            reply=reply.text,
            finish_reason=reply.finish_reason,
            usage=dict(reply.usage) if reply.usage else None,
            created_at=reply.created_at,
            simulated=reply.simulated,
            pixels_version=PIXELS_VERSION,
            served_model=reply.model if not reply.simulated and reply.model != self._model else None,
            problem=reply.problem,
        )
        offset = self._answers.append(answer)
        await self._group_sync.sync()
        usage = reply.usage or {}
        self._progress.prompt_tokens += usage.get("prompt_tokens", 0)
        self._progress.completion_tokens += usage.get("completion_tokens", 0)
        return self._answers.record(answer, offset)

    def _prepare(self, photo: Photo) -> str:
        """Return the photo as the data URL that is sent; runs in a thread.

        Raises:
            AskFailed: the file is gone, has changed since the scan or cannot be decoded.
            LibraryError: no file can be read now: the folder is gone, or too many files are open.
        """
        path = photo_path(self._root, photo)
        try:
            with verified(path, photo):
                return data_url(prepare_jpeg(path, self._question.image, self._annotate.max_pixels))
        except DecodeError as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and (
                cause.errno in (errno.EMFILE, errno.ENFILE) or not _holds_files(self._root)
            ):
                raise LibraryError(
                    f"{path} cannot be read: {cause.strerror}. No photo is marked as failed: raise the limit "
                    "(ulimit -n) or mount the folder again, and run the same command again"
                ) from None
            raise AskFailed("unreadable", f"{error.reason}: {error}") from None

    def _stop(self, error: VibePhotosError) -> None:
        """Send nothing more; the first reason is the one that is reported."""
        if self._stopped_by is None:
            self._stopped_by = error
            self._server.state.stop()
            logger.warning("the run stops after the requests in flight; press Ctrl-C to drop them")

    def _interrupt(self, run: "asyncio.Task[None]") -> None:
        if self._stopped_by is None:
            self._stop(RunInterrupted("interrupted"))
        else:
            run.cancel()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_TERMINAL_SECONDS if self._progress.stream.isatty() else _LOG_SECONDS)
            self._progress.show()


class _DiskFull(StoreError):
    """Nothing was lost yet: what is in flight can still be kept."""


class GroupSync:
    """Group commit: concurrent callers share one call of the blocking `sync`, which runs in a thread."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._lock = asyncio.Lock()
        self._calls = 0
        self._synced_calls = 0

    async def sync(self) -> None:
        """Return when a sync that began after this call has ended; raise what it raised."""
        self._calls += 1
        call = self._calls
        async with self._lock:
            if self._synced_calls < call:
                calls = self._calls
                await asyncio.to_thread(self._sync)
                self._synced_calls = calls


@dataclass(slots=True)
class Progress:
    """Counts of a run over `total` photos, shown on one redrawn line of a terminal, else as a log line.

    The line reads `annotate done=1200 failed=3 of=3000 rate=15.2/s left=118s tokens=1523004`; what the run
    waits for, if anything, comes before the counts.
    """

    total: int
    describe_server: Callable[[], str] = lambda: ""
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    done: int = 0
    failed: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _started: float = field(default_factory=time.monotonic)

    def describe_run(self, rates: Rates) -> str:
        """Return what the run took: requests, tokens, time, and what these cost."""
        seconds = round(time.monotonic() - self._started)
        price = rates.price(self.prompt_tokens, self.completion_tokens, seconds / 3600)
        return (
            f"this run: {self.requests} requests, {self.done} answers, {self.failed} failures, "
            f"{self.prompt_tokens + self.completion_tokens} tokens in {timedelta(seconds=seconds)} "
            f"(h:mm:ss), {price:.2f} {rates.currency}"
        )

    def show(self) -> None:
        """Show how far the run is."""
        ended = self.done + self.failed
        rate = ended / max(1e-9, time.monotonic() - self._started)
        left_seconds = f"{(self.total - ended) / rate:.0f}s" if rate else "?"
        trouble = escape_control_characters(self.describe_server())
        line = (
            f"annotate {trouble and trouble + ': '}done={self.done} failed={self.failed} of={self.total} "
            f"rate={rate:.1f}/s left={left_seconds} tokens={self.prompt_tokens + self.completion_tokens}"
        )
        if self.stream.isatty():  # a line that wraps could not be redrawn
            self.stream.write(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K")
            self.stream.flush()
        else:
            logger.info(line)

    def end(self) -> None:
        """Draw the line a last time and go on below it."""
        if self.stream.isatty():
            self.show()
            self.stream.write("\n")


def _holds_files(folder: Path) -> bool:
    """Return whether a folder holds anything: the mount point of a disk that is not mounted is empty."""
    return folder.is_dir() and any(folder.iterdir())


@contextmanager
def _handle_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` at every Ctrl-C or SIGTERM, where this is the main thread."""
    loop, signals = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
    with suppress(RuntimeError, ValueError):  # only the main thread receives signals
        for number in signals:
            loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
