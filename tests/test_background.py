"""Running ahead in a thread changes when things happen, but not what happens."""

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from posetrack.background import ahead


def test_all_items_come_in_order() -> None:
    assert list(ahead(range(1000), 3)) == list(range(1000))


def test_an_error_is_raised_in_place_of_its_item() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("third")

    seen = []
    with pytest.raises(ValueError, match="third"):
        for item in ahead(failing(), 10):
            seen.append(item)
    assert seen == [1, 2]


def test_the_producer_is_never_more_than_capacity_items_ahead() -> None:
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


GIVEN_UP = """
import os
from posetrack.background import ahead

def endless():
    try:
        while True:
            yield 0
    finally:
        os.write(1, b"closed\\n")  # at once: print writes the end of the line on its own

items = ahead(ahead(endless(), 2), 2)
next(items)
cycle = [ahead(endless(), 2)]
cycle.append(cycle)
next(cycle[0])
"""


def test_a_program_ends_the_threads_of_unfinished_iterations_first() -> None:
    done = subprocess.run([sys.executable, "-c", GIVEN_UP], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\nclosed\n", "")


def test_abandoned_items_may_be_closed_by_their_own_thread() -> None:
    """The garbage collector may run in any thread."""
    wanted, collected = threading.Event(), threading.Event()

    def collecting() -> Iterator[int]:
        yield 0
        wanted.wait(10)
        gc.collect()
        collected.set()
        yield 1

    cycle: list[object] = [ahead(collecting(), 1)]
    cycle.append(cycle)
    assert next(cycle[0]) == 0  # type: ignore[call-overload]
    del cycle
    wanted.set()
    assert collected.wait(10)
