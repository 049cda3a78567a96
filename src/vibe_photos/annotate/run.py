"""One run over the photos without an answer: each is prepared, asked about, and its answer kept.

Photos are prepared in threads ahead of the requests. A reply counts once it is fsynced. Ctrl-C lets what is
in flight end, a second one drops it.
"""

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Self, TextIO

from vibe_photos.annotate.answers import Answer, Answers
from vibe_photos.annotate.outputs import Failure
from vibe_photos.annotate.question import Question, data_url, prepare_jpeg, request_body
from vibe_photos.annotate.reply import Reply
from vibe_photos.annotate.server import AskFailed, Attempts, TeacherServer
from vibe_photos.errors import DecodeError, RunInterrupted, TeacherError
from vibe_photos.pixels.decode import PIXELS_VERSION
from vibe_photos.records.photos import Photo, photo_path
from vibe_photos.settings import Rates, Settings

logger = logging.getLogger(__name__)

CUT_REPLY_FACTOR = 2
"""A reply that broke off at `max_tokens` is asked for once more with this times as many."""

_TERMINAL_SECONDS = 0.5
_LOG_SECONDS = 30.0


class AnnotationRun:
    """One run over photos that have no usable answer.

    `failures` holds, by id, why this run got no answer about a photo.
    """

    def __init__(
        self, settings: Settings, question: Question, server: TeacherServer, answers: Answers
    ) -> None:
        self.failures: dict[str, Failure] = {}
        self._annotate = settings.annotate
        self._model = settings.teacher.model
        self._root = Path(settings.library.root)
        self._question = question
        self._server = server
        self._answers = answers
        self._group_sync = GroupSync(answers.sync)
        self._progress = Progress(total=0)
        self._stopped_by: TeacherError | RunInterrupted | None = None

    async def ask_about(self, photos: Iterable[Photo], total: int) -> None:
        """Ask about `photos`, `total` in number, roughly in their order: several are in flight at once.

        Raises:
            TeacherRefused, TeacherUnreachable: the run cannot go on; what was in flight is kept.
            RunInterrupted: a person stopped it.
            StoreError: an answer could not be kept; everything in flight was dropped at once.
        """
        task = asyncio.current_task()
        assert task is not None  # a coroutine runs in one
        self._progress = Progress(total)
        reporter = asyncio.create_task(self._report())
        workers, concurrency = self._annotate.workers, self._annotate.concurrency
        with (
            _handle_signals(lambda: self._interrupt(task)),
            PreparedPhotos(photos, self._prepare, workers, concurrency) as ahead,
        ):
            try:
                async with asyncio.TaskGroup() as group:
                    for slot in range(concurrency):
                        group.create_task(self._work(slot, ahead))
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None
            except asyncio.CancelledError:
                raise self._interrupted() from None
            finally:
                reporter.cancel()
                self._progress.end()
                logger.info(self._progress.describe_run(self._annotate.rates))
        if isinstance(self._stopped_by, RunInterrupted):
            raise self._interrupted()
        if self._stopped_by:
            raise self._stopped_by

    async def _work(self, slot: int, ahead: "PreparedPhotos") -> None:
        while self._stopped_by is None and (prepared := ahead.take()) is not None:
            photo, image_url = prepared
            try:
                await self._ask(slot, photo, await image_url)
            except AskFailed as error:
                self._progress.failed += 1
                self.failures[photo.image_id] = Failure(
                    image_id=photo.image_id, rel_path=photo.rel_path, kind=error.kind, detail=error.detail
                )
            except (TeacherError, RunInterrupted) as error:
                self._stop(error)

    async def _ask(self, slot: int, photo: Photo, image_url: str) -> None:
        """Ask about one photo, and once more with a larger cap when the reply broke off."""
        attempts = Attempts(self._annotate.max_attempts)
        max_tokens = self._question.sampling.max_tokens

        def body(response_format: str) -> bytes:
            return request_body(
                self._question, self._model, image_url, response_format=response_format, max_tokens=max_tokens
            )

        try:
            reply = await self._server.ask(slot, photo.image_id, body, attempts)
            is_usable = await self._keep(photo, reply)
            if reply.finish_reason == "length" and attempts.left:
                max_tokens *= CUT_REPLY_FACTOR
                reply = await self._server.ask(slot, photo.image_id, body, attempts)
                is_usable = await self._keep(photo, reply)
        finally:
            self._progress.requests += attempts.made
        if is_usable:
            self._progress.done += 1
        else:
            self._progress.failed += 1

    async def _keep(self, photo: Photo, reply: Reply) -> bool:
        """Keep a reply; return, once it is safe, whether it is usable."""
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
        )
        offset = self._answers.append(answer)
        await self._group_sync.sync()
        self._progress.tokens += reply.tokens
        return self._answers.count(answer, offset)

    def _prepare(self, photo: Photo) -> str:
        """Return the photo as the data URL that is sent; runs in a thread.

        Raises:
            AskFailed: the file is gone, has changed since the scan or cannot be decoded.
        """
        path = photo_path(self._root, photo)
        try:
            if path.stat().st_size != photo.bytes:
                raise AskFailed("unreadable", "the file has changed since the scan")
            return data_url(prepare_jpeg(path, self._question.image, self._annotate.max_pixels))
        except DecodeError as error:
            raise AskFailed("unreadable", f"{error.reason}: {error}") from None
        except OSError as error:
            raise AskFailed("unreadable", f"the file cannot be read: {error.strerror}") from None

    def _stop(self, error: TeacherError | RunInterrupted) -> None:
        """Send nothing more; the first reason is the one that is reported."""
        if self._stopped_by is None:
            self._stopped_by = error
            self._server.window.close()
            logger.warning("%s: waiting for what is in flight; another Ctrl-C drops it", error)

    def _interrupt(self, run: "asyncio.Task[None]") -> None:
        if self._stopped_by is None:
            self._stop(RunInterrupted("interrupted"))
        else:
            run.cancel()

    def _interrupted(self) -> RunInterrupted:
        return RunInterrupted(
            f"interrupted; {len(self._answers)} answers are kept. Run the same command again to go on"
        )

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_TERMINAL_SECONDS if self._progress.stream.isatty() else _LOG_SECONDS)
            self._progress.show()


class PreparedPhotos:
    """Photos in order, the next `depth` of them in preparation or ready; memory holds no more than those."""

    def __init__(
        self, photos: Iterable[Photo], prepare: Callable[[Photo], str], threads: int, depth: int
    ) -> None:
        self._photos = iter(photos)
        self._prepare = prepare
        self._pool = ThreadPoolExecutor(threads, "prepare")
        self._depth = depth
        self._ahead: deque[tuple[Photo, asyncio.Future[str]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _photo, image_url in self._ahead:
            if not image_url.cancel() and not image_url.cancelled():
                image_url.exception()  # read it, so that asyncio does not report it
        self._pool.shutdown(cancel_futures=True)

    def take(self) -> tuple[Photo, asyncio.Future[str]] | None:
        """Return the next photo and a future of what `prepare` returns for it; None after the last photo."""
        for photo in islice(self._photos, self._depth - len(self._ahead)):
            image_url = asyncio.get_running_loop().run_in_executor(self._pool, self._prepare, photo)
            self._ahead.append((photo, image_url))
        return self._ahead.popleft() if self._ahead else None


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

    The line reads `annotate done=1200 failed=3 of=3000 rate=15.2/s left=118s tokens=1523004`.
    """

    total: int
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    done: int = 0
    failed: int = 0
    requests: int = 0
    tokens: int = 0
    _started: float = field(default_factory=time.monotonic)

    def describe_run(self, rates: Rates) -> str:
        """Return what the run took: requests, tokens, time, and the cost of that time."""
        seconds = round(time.monotonic() - self._started)
        return (
            f"this run: {self.requests} requests, {self.done} answers, {self.failed} failures, "
            f"{self.tokens} tokens in {timedelta(seconds=seconds)} (h:mm:ss), "
            f"{seconds / 3600 * rates.price_per_hour:.2f} {rates.currency}"
        )

    def show(self) -> None:
        """Show how far the run is."""
        ended = self.done + self.failed
        rate = ended / max(1e-9, time.monotonic() - self._started)
        left_seconds = f"{(self.total - ended) / rate:.0f}s" if rate else "?"
        line = (
            f"annotate done={self.done} failed={self.failed} of={self.total} rate={rate:.1f}/s "
            f"left={left_seconds} tokens={self.tokens}"
        )
        if self.stream.isatty():
            self.stream.write(f"\r{line}\x1b[K")
            self.stream.flush()
        else:
            logger.info(line)

    def end(self) -> None:
        """Leave the redrawn line standing."""
        if self.stream.isatty():
            self.show()
            self.stream.write("\n")


@contextlib.contextmanager
def _handle_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` at every Ctrl-C or SIGTERM, where this is the main thread."""
    loop = asyncio.get_running_loop()
    handled: list[int] = []
    with contextlib.suppress(RuntimeError, ValueError):  # only the main thread receives signals
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
            handled.append(number)
    try:
        yield
    finally:
        for signal_number in handled:
            loop.remove_signal_handler(signal_number)
