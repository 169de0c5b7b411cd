"""Ctrl-C that ends the work, not the program: what is being written is finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")


class Interruption:
    """Whether the user wants the work to end.

    Ctrl-C while the program waits for the next frame ends the wait at once (``KeyboardInterrupt``); at any other
    time it is noted, however often it comes, so that no frame is half written and every file is closed. No wait
    begins after it.

    Attributes:
        stopped: Something has been left unfinished for it.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._requested = False
        self._waiting = False

    @property
    def requested(self) -> bool:
        """The user wants the work to end."""
        return self._requested

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark a part of the program that may be broken off anywhere.

        Raises:
            KeyboardInterrupt: the user wants the work to end, or has said so before.
        """
        self._waiting = True  # first: a Ctrl-C behind the question would be noted, and waited upon
        try:
            if self._requested:
                raise KeyboardInterrupt
            yield
        finally:
            self._waiting = False

    def until_requested(self, items: Generator[Item]) -> Generator[Item]:
        """Items until their end, or until the user wants no more (``stopped``). They are closed in the end."""
        try:
            while True:
                try:
                    with self.waiting():
                        item = next(items)
                except StopIteration:
                    return
                except KeyboardInterrupt:
                    self.stopped = True
                    return
                yield item
        finally:
            items.close()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._requested = True
        if self._waiting:
            self._waiting = False  # what is done about it may not be broken off
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Take over Ctrl-C (SIGINT), SIGTERM and, unless it is ignored (nohup), the terminal's end (SIGHUP).

    In threads other than the main one there is nothing to take over.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        previous[signal.SIGHUP] = signal.getsignal(signal.SIGHUP)
    try:
        for number in previous:
            signal.signal(number, interruption._handle)
        yield interruption
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
