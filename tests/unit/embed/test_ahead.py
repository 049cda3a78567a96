import threading
from collections.abc import Iterator

import pytest

from vibe_photos.embed.local import map_ahead


def test_results_come_in_order_though_later_items_are_done_first() -> None:
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(10)
        elif item == 1:
            second_is_done.set()
        return item * 10

    assert list(map_ahead(work, range(5), workers=2, ahead=3)) == [0, 10, 20, 30, 40]


def test_no_more_than_the_bound_is_taken_ahead() -> None:
    taken: list[int] = []

    def take() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = map_ahead(lambda item: item, take(), workers=2, ahead=3)
    next(results)
    assert taken == [0, 1, 2]
    next(results)
    assert taken == [0, 1, 2, 3]
    results.close()


def test_an_error_comes_in_its_place_and_ends_the_work() -> None:
    results = map_ahead(lambda item: 1 // item, [1, 0, 1], workers=1, ahead=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []
