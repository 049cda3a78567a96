"""Work done ahead in threads, results in order, never more than so many waiting."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(
    function: Callable[[T], R], items: Iterable[T], workers: int, ahead: int
) -> Generator[R, None, None]:
    """Yield `function(item)` in the order of `items`, while threads are at the following items.

    At most `ahead` results are computed or waiting at a time, which bounds memory. An error of `function`
    is raised where its result would have come; what has not begun by then is left.
    """
    pool = ThreadPoolExecutor(workers)
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
