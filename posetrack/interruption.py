"""Ctrl-C that ends the work, not the program: what is being written is finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether the user wants the work to end.

    Ctrl-C while the program waits for the next frame ends the wait at once (``KeyboardInterrupt``); at any
    other time it is noted, so that a frame is never half written. A second Ctrl-C is never held back.
    """

    def __init__(self) -> None:
        self.requested = False
        self._waiting = False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark a part of the program that may be broken off anywhere."""
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again = self.requested
        self.requested = True
        if self._waiting or again:
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
