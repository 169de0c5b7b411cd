"""How the program begins and ends: before the first large import, and whatever interrupts it.

Imports nothing that takes time.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""

BAD_INPUT = 2
"""Exit status where the user can cure it: one sentence on standard error, no traceback."""

_LEAST_BYTES = 256 * 1024**2
_AGAIN_S = 0.05
_PATIENCE_S = 1.0


def main() -> None:
    """Entry point of the ``posetrack`` command."""
    _open_standard_streams()
    for number in _signals():
        signal.signal(number, _leave)
    _check_memory()
    from posetrack.cli.main import main as run

    try:
        run()
    except SystemExit as end:
        if (
            end.code == INTERRUPTED and threading.active_count() > 1
        ):  # one hangs, in the middle of a library's work
            os._exit(INTERRUPTED)
        raise
    finally:
        for number in _signals():
            signal.signal(number, _leave_silently)


def _signals() -> list[signal.Signals]:
    """What ends the program: Ctrl-C, SIGTERM and, unless it is ignored (nohup), the end of the terminal."""
    wanted = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    return wanted


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """As long as nothing has been begun there is nothing to clear up."""
    _say("interrupted.")
    os._exit(INTERRUPTED)


def _leave_silently(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(INTERRUPTED)


def _check_memory() -> None:
    """Whether there is room for the libraries' first imports, some of which abort the program for want of it."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < _LEAST_BYTES:
        _say(f"there is not enough memory: raise the limit (ulimit -v), which is {limit // 1024} KiB.")
        sys.exit(BAD_INPUT)


def _say(sentence: str) -> None:
    with suppress(OSError):
        os.write(2, f"posetrack: {sentence}\n".encode())


def _open_standard_streams() -> None:
    """Open those that are closed: a file opened later would get the number, and what is printed there."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


@contextmanager
def interrupting_signals() -> Iterator[None]:
    """Meanwhile the signals that end the program raise ``KeyboardInterrupt``, as Ctrl-C does, but in no import.

    In threads other than the main one there is nothing to take over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _signals()}
    try:
        interrupt = _Interrupter()
        for number in before:
            signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Interrupter:
    """Raises; in an import it comes again a moment later, and leaves if that takes long.

    What libraries do in their first import cannot be broken off: they swallow the exception, or abort the program.
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
        timer = threading.Timer(_AGAIN_S, signal.pthread_kill, (threading.main_thread().ident, number))
        timer.daemon = True
        timer.start()


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
