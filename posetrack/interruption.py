"""Makes Ctrl-C end the work rather than the program: files being written are completed first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")


class Interruption:
    """Whether the user has asked to stop.

    Ctrl-C raises ``KeyboardInterrupt`` while the program waits for the next frame. At any other time it is only
    noted, so that no frame is written halfway and every file is closed; the next wait then raises.

    Attributes:
        stopped: Whether work was left unfinished because of it.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._requested = False
        self._waiting = False

    @property
    def requested(self) -> bool:
        """Whether the user has asked to stop."""
        return self._requested

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark a block that may be interrupted anywhere.

        Raises:
            KeyboardInterrupt: the user asks to stop, or has asked before.
        """
        self._waiting = True  # first: a Ctrl-C after the check below would only be noted
        try:
            if self._requested:
                raise KeyboardInterrupt
            yield
        finally:
            self._waiting = False

    def until_requested(self, items: Generator[Item]) -> Generator[Item]:
        """Yield items until they end or the user asks to stop (which sets ``stopped``). Closes ``items``."""
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
            self._waiting = False  # the handling must not be interrupted
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Note the signals that end the program in the block. Does nothing outside the main thread."""
    interruption = Interruption()
    with handled_by(interruption._handle):
        yield interruption


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle the signals that end the program in the block. Does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ending_signals()}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def ending_signals() -> list[signal.Signals]:
    """The signals that end the program: SIGINT, SIGTERM and, unless ignored as under nohup, SIGHUP."""
    wanted = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    return wanted
