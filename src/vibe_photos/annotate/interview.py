"""The night's loop: every photo without an answer is prepared, asked about, and its answer kept.

Photos are prepared in threads ahead of a sliding window of requests. A reply counts once it is fsynced.
Ctrl-C lets what is in flight end, a second one drops it.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from vibe_photos.annotate.answer import Answer
from vibe_photos.annotate.answers import Answers
from vibe_photos.annotate.completion import Reply
from vibe_photos.annotate.failures import AskFailed, Failure
from vibe_photos.annotate.group_sync import GroupSync
from vibe_photos.annotate.payload import request_body
from vibe_photos.annotate.preparation import PreparedPhotos, prepare_photo
from vibe_photos.annotate.progress import Progress
from vibe_photos.annotate.prompt import CUT_REPLY_FACTOR, Question
from vibe_photos.annotate.server import Attempts, TeacherServer
from vibe_photos.errors import RunInterrupted, TeacherError
from vibe_photos.records.photos import Photo
from vibe_photos.settings import Annotate

logger = logging.getLogger(__name__)


class Interview:
    """One run over the photos that have no usable answer.

    `model` is the name that the server is asked for. `failures` holds, by id, what this run could not get.
    """

    def __init__(
        self,
        server: TeacherServer,
        question: Question,
        model: str,
        answers: Answers,
        root: Path,
        annotate: Annotate,
        progress: Progress,
    ) -> None:
        self.failures: dict[str, Failure] = {}
        self._server = server
        self._question = question
        self._model = model
        self._answers = answers
        self._root = root
        self._annotate = annotate
        self._progress = progress
        self._group = GroupSync(answers.sync)
        self._stopped_by: TeacherError | RunInterrupted | None = None

    async def run(self, photos: Iterable[Photo]) -> None:
        """Ask about `photos`, in their order as far as a window of requests has one.

        Raises:
            TeacherRefused, TeacherUnreachable: the run cannot go on; what was in flight is kept.
            RunInterrupted: a person stopped it.
            StoreError: an answer could not be kept; everything in flight was dropped at once.
        """
        task = asyncio.current_task()
        assert task is not None  # a coroutine runs in one
        reporter = asyncio.create_task(self._report())
        with (
            _hear_signals(lambda: self._interrupt(task)),
            PreparedPhotos(
                photos, self._prepare, self._annotate.workers, self._annotate.concurrency
            ) as ahead,
        ):
            try:
                async with asyncio.TaskGroup() as workers:
                    for slot in range(self._annotate.concurrency):
                        workers.create_task(self._work(slot, ahead))
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None
            except asyncio.CancelledError:
                raise self._interrupted() from None
            finally:
                reporter.cancel()
                self._progress.end()
        if isinstance(self._stopped_by, RunInterrupted):
            raise self._interrupted()
        if self._stopped_by:
            raise self._stopped_by

    async def _work(self, slot: int, ahead: PreparedPhotos) -> None:
        while self._stopped_by is None and (prepared := ahead.take()) is not None:
            photo, image_url = prepared
            try:
                await self._ask(slot, photo, await image_url)
            except AskFailed as failed:
                self._note_failure(photo, failed)
            except (TeacherError, RunInterrupted) as error:
                self._stop(error)

    async def _ask(self, slot: int, photo: Photo, image_url: str) -> None:
        """Ask about one photo, and once more with a larger cap when the reply broke off."""
        attempts = Attempts(self._annotate.max_attempts)
        max_tokens = self._question.sampling.max_tokens
        try:
            reply = await self._ask_once(slot, photo, image_url, max_tokens, attempts)
            is_usable = await self._keep(photo, reply)
            if reply.is_cut and attempts.left:
                reply = await self._ask_once(slot, photo, image_url, CUT_REPLY_FACTOR * max_tokens, attempts)
                is_usable = await self._keep(photo, reply)
        finally:
            self._progress.requests += attempts.made
        if is_usable:
            self._progress.done += 1
        else:
            self._progress.failed += 1

    async def _ask_once(
        self, slot: int, photo: Photo, image_url: str, max_tokens: int, attempts: Attempts
    ) -> Reply:
        def body(response_format: str) -> bytes:
            return request_body(
                self._question, self._model, image_url, response_format=response_format, max_tokens=max_tokens
            )

        return await self._server.ask(slot, photo.image_id, body, attempts)

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
        )
        offset = self._answers.append(answer)
        await self._group.sync()
        self._progress.tokens += reply.tokens
        return self._answers.count(answer, offset)

    def _prepare(self, photo: Photo) -> str:
        return prepare_photo(self._root, photo, self._question.image, self._annotate.max_pixels)

    def _note_failure(self, photo: Photo, failed: AskFailed) -> None:
        self._progress.failed += 1
        self.failures[photo.image_id] = Failure(
            image_id=photo.image_id, rel_path=photo.rel_path, kind=failed.kind, detail=failed.detail
        )

    def _stop(self, error: TeacherError | RunInterrupted) -> None:
        """Send nothing more; the first reason is the one that is told."""
        if self._stopped_by is None:
            self._stopped_by = error
            self._server.window.close()
            logger.warning("%s: what is in flight may still end, another Ctrl-C drops it", error)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(self._progress.interval_seconds)
            self._progress.show()

    def _interrupt(self, run: "asyncio.Task[None]") -> None:
        if self._stopped_by is None:
            self._stop(RunInterrupted("interrupted"))
        else:
            run.cancel()

    def _interrupted(self) -> RunInterrupted:
        return RunInterrupted(
            f"interrupted; {len(self._answers)} answers are kept. Run the same command again to go on"
        )


@contextlib.contextmanager
def _hear_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` at every Ctrl-C or SIGTERM, where this is the main thread."""
    loop = asyncio.get_running_loop()
    heard: list[int] = []
    with contextlib.suppress(RuntimeError, ValueError):  # only the main thread hears signals
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
            heard.append(number)
    try:
        yield
    finally:
        for signal_number in heard:
            loop.remove_signal_handler(signal_number)
