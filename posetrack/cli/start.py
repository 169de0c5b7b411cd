"""The entry point: handles signals from the start, before any slow import.

This module imports nothing slow.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from contextlib import AbstractContextManager, suppress
from types import FrameType
from typing import NoReturn

from posetrack.interruption import ending_signals, handled_by

INTERRUPTED = 130
"""Exit status after Ctrl-C, as in shells."""

BAD_INPUT = 2
"""Exit status for errors the user can fix: one sentence on standard error, no traceback."""

_MIN_BYTES = 256 * 1024**2
_RETRY_S = 0.05
_PATIENCE_S = 1.0


def main() -> None:
    """Entry point of the ``posetrack`` command."""
    _open_standard_streams()
    for number in ending_signals():
        signal.signal(number, _leave)
    _check_memory()
    from posetrack.cli.main import main as run

    try:
        run()
    except SystemExit as end:
        if end.code == INTERRUPTED and threading.active_count() > 1:  # a thread hangs in a library call
            os._exit(INTERRUPTED)
        raise
    finally:
        for number in ending_signals():
            signal.signal(number, _leave_silently)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Exit at once: nothing has started yet, so there is nothing to clean up."""
    _say("interrupted.")
    os._exit(INTERRUPTED)


def _leave_silently(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(INTERRUPTED)


def _check_memory() -> None:
    """Check that the memory limit allows the first imports: some libraries abort the program without enough."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < _MIN_BYTES:
        _say(f"there is not enough memory: raise the limit (ulimit -v) of {limit // 1024} KiB.")
        sys.exit(BAD_INPUT)


def _say(sentence: str) -> None:
    with suppress(OSError):
        os.write(2, f"posetrack: {sentence}\n".encode())


def _open_standard_streams() -> None:
    """Open closed standard streams: a file opened later would get their number, and whatever is printed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def interrupting_signals() -> AbstractContextManager[None]:
    """Make the signals that end the program raise ``KeyboardInterrupt`` in the block, except during imports.

    Does nothing outside the main thread.
    """
    return handled_by(_Interrupter())


class _Interrupter:
    """Raises ``KeyboardInterrupt``. During an import it waits, and exits if the import takes long.

    Libraries cannot be interrupted in their first import: they swallow the exception, or abort the program.
    """

    def __init__(self) -> None:
        self._first_s: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not _is_importing(frame):
            raise KeyboardInterrupt
        now_s = time.monotonic()
        self._first_s = now_s if self._first_s is None else self._first_s
        if now_s - self._first_s > _PATIENCE_S:
            _leave(number, frame)
        timer = threading.Timer(_RETRY_S, signal.pthread_kill, (threading.main_thread().ident, number))
        timer.daemon = True
        timer.start()


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
