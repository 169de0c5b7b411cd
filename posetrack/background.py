"""Runs a part of a generator chain ahead of the rest, in a thread."""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import suppress
from typing import TypeVar, cast
from weakref import WeakSet

from posetrack.errors import ConfigError

Item = TypeVar("Item")

_POLL_S = 0.1
"""How often a blocked thread checks whether its items are still wanted."""

_PATIENCE_S = 5.0
"""Maximum wait at exit for threads that were not closed."""

_ending = threading.Event()
"""Set when the program exits: all threads must end."""

_threads: WeakSet[threading.Thread] = WeakSet()
"""All threads started here."""


@atexit.register
def _end() -> None:
    """End the threads of abandoned generators: one still running at exit would abort the program."""
    _ending.set()
    last_s = time.monotonic() + _PATIENCE_S
    for thread in list(_threads):
        thread.join(max(0.0, last_s - time.monotonic()))


class _End:
    """Follows the last item through the queue, with the error that ended the iteration, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterable[Item], capacity: int, patience_s: float | None = None) -> Generator[Item]:
    """Iterate in a thread, up to ``capacity`` items ahead; yields the same items in the same order.

    The thread is running when this returns. An error in the iteration is raised in place of its item. Closing the
    generator, also through an error or Ctrl-C in the consumer, first ends the thread and closes ``items`` if it
    is a generator.

    Args:
        items: Iterated in the thread.
        capacity: Maximum number of waiting items.
        patience_s: Maximum wait for the thread when closing; a thread that still hangs then (on a silent stream)
            is abandoned. ``None`` waits without limit.

    Raises (from the generator):
        ConfigError: the process was forked after this call.
    """
    # Start the thread now, not at the first item: if Ctrl-C interrupts that wait, closing must be able to end the
    # thread. One still running at exit would abort the program, inside the networks' libraries.
    generator = _items(items, capacity, patience_s, os.getpid())
    next(generator)
    return cast(Generator[Item], generator)


def _items(items: Iterable[Item], capacity: int, patience_s: float | None, process: int) -> Generator[Item | None]:
    """Yield ``None`` once the thread runs, then the items. ``process`` is the id of the starting process."""
    ready: queue.Queue[Item | _End] = queue.Queue(maxsize=capacity)
    unwanted = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, ready, unwanted), daemon=True)
    _threads.add(thread)
    thread.start()
    try:
        yield None
        while not isinstance(item := _next(ready, process), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        if os.getpid() == process:
            unwanted.set()
            if thread is not threading.current_thread():  # the garbage collector may close this in that thread
                thread.join(patience_s)


def _next(ready: queue.Queue[Item | _End], process: int) -> Item | _End:
    if os.getpid() != process:
        raise ConfigError(
            "This process was forked while a video was being tracked, and lacks the threads that track it: "
            "continue in the parent process."
        )
    while not _ending.is_set():
        with suppress(queue.Empty):
            return ready.get(timeout=_POLL_S)
    return _End(None)


def _produce(items: Iterable[Item], ready: queue.Queue[Item | _End], unwanted: threading.Event) -> None:
    end = _End(None)
    iterator = iter(items)
    try:
        for item in iterator:
            if not _offer(item, ready, unwanted):
                break
    except BaseException as error:  # noqa: BLE001 (passed to the consumer's thread)
        end.error = error
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
    _offer(end, ready, unwanted)


def _offer(item: Item | _End, ready: queue.Queue[Item | _End], unwanted: threading.Event) -> bool:
    while not (unwanted.is_set() or _ending.is_set()):
        try:
            ready.put(item, timeout=_POLL_S)
        except queue.Full:
            continue
        return True
    return False
