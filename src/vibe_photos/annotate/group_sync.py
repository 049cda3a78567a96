"""One fsync for many: those who wait while one runs share the next."""

import asyncio
from collections.abc import Callable


class GroupSync:
    """Runs a blocking `sync` in a thread, never twice at once, for all who wait for it."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._waiting: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None

    async def sync(self) -> None:
        """Return when a sync that began after this call has ended; raise what it raised."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await waiter

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._sync)
            except Exception as error:
                _settle(group, error)
            else:
                _settle(group, None)
        self._task = None


def _settle(group: list[asyncio.Future[None]], error: Exception | None) -> None:
    for waiter in group:
        if waiter.done():  # its owner was cancelled
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
