"""Ctrl-C that ends the work, not the program: what is being written is finished first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether the user wants the work to end.

    Ctrl-C while the program waits for the next frame ends the wait at once (``KeyboardInterrupt``); at any other
    time it is noted, however often it comes, so that no frame is half written and every file is closed. A third
    Ctrl-C ends any wait, also that for a thread to end which may be stuck.
    """

    def __init__(self) -> None:
        self._times = 0
        self._waiting = False

    @property
    def requested(self) -> bool:
        """The user wants the work to end."""
        return self._times > 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark a part of the program that may be broken off anywhere."""
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._times += 1
        if self._waiting and self._times != 2:  # the second is impatience: the first has ended the wait
            self._waiting = self._times == 1
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
