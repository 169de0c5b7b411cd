"""Running ahead in a thread changes when things happen, never what happens."""

import threading
import time
from collections.abc import Iterator

import pytest

from posetrack.background import ahead


def test_items_come_in_order_and_all_of_them() -> None:
    assert list(ahead(range(1000), 3)) == list(range(1000))


def test_an_error_comes_where_its_item_would_have_come() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("third")

    seen = []
    with pytest.raises(ValueError, match="third"):
        for item in ahead(failing(), 10):
            seen.append(item)
    assert seen == [1, 2]


def test_the_producer_is_never_further_ahead_than_allowed() -> None:
    made = 0

    def counted() -> Iterator[int]:
        nonlocal made
        for item in range(100):
            made += 1
            yield item

    items = ahead(counted(), 4)
    next(items)
    time.sleep(0.2)
    assert made <= 1 + 4 + 1
    items.close()


def test_closing_ends_the_thread_and_the_iteration_below() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    threads = threading.active_count()
    items = ahead(ahead(endless(), 2), 2)
    next(items)
    items.close()
    assert closed.is_set()
    assert threading.active_count() == threads
