"""Running one part of a chain of generators ahead of the rest, in a thread."""

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
"""How often whoever is blocked looks whether anybody still wants the items."""

_PATIENCE_S = 5.0
"""How long the program waits in the end for threads that nobody has closed."""

_ending = threading.Event()
"""The program ends: nobody wants anything any more."""

_threads: WeakSet[threading.Thread] = WeakSet()
"""All that were started."""


@atexit.register
def _end() -> None:
    """End the threads of generators that were given up half-way: one left over would abort the program."""
    _ending.set()
    last_s = time.monotonic() + _PATIENCE_S
    for thread in list(_threads):
        thread.join(max(0.0, last_s - time.monotonic()))


class _End:
    """Travels through the queue behind the last item, with the error that ended the iteration, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterable[Item], capacity: int, patience_s: float | None = None) -> Generator[Item]:
    """The same items in the same order, made up to ``capacity`` ahead in a thread of their own.

    The thread runs when this returns. An error of the iteration is raised where its item would have come. Closing
    the generator (also by an error or Ctrl-C in the consumer) ends the thread before it returns, and closes
    ``items`` if it is a generator.

    Args:
        items: What is iterated in the thread.
        capacity: How many items may wait.
        patience_s: Closing waits at most this long: a thread that hangs (reading a stream that sends nothing) is
            left to itself. None: as long as it takes.

    Raises (by the generator):
        ConfigError: an item is asked for in a process forked from the one in which this was called.
    """
    # Not with the first item: Ctrl-C while that is awaited must find a thread that closing knows of. One that
    # is left over aborts the program when it ends, inside the networks' libraries.
    generator = _items(items, capacity, patience_s, os.getpid())
    next(generator)
    return cast(Generator[Item], generator)


def _items(items: Iterable[Item], capacity: int, patience_s: float | None, process: int) -> Generator[Item | None]:
    """None once the thread runs, in the process of that number, and then the items."""
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
            if thread is not threading.current_thread():  # where the garbage collector closes what was given up
                thread.join(patience_s)


def _next(ready: queue.Queue[Item | _End], process: int) -> Item | _End:
    if os.getpid() != process:
        raise ConfigError(
            "This process was forked while a video was being tracked, and the threads that track it are missing "
            "here: go on in the process that began."
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
    except BaseException as error:  # noqa: BLE001 (not handled here: handed over to the consumer's thread)
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
