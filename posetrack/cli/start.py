"""How the program begins and ends: before the first large import, and whatever interrupts it.

Imports nothing that takes time.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""

_AGAIN_S = 0.05


def main() -> None:
    """Entry point of the ``posetrack`` command."""
    _open_standard_streams()
    for number in _signals():
        signal.signal(number, _leave)
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
    with suppress(OSError):
        os.write(2, b"posetrack: interrupted.\n")
    os._exit(INTERRUPTED)


def _leave_silently(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(INTERRUPTED)


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
        for number in before:
            signal.signal(number, _interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise, or come again a moment later: what libraries do in their first import cannot be broken off."""
    if _is_importing(frame):
        timer = threading.Timer(_AGAIN_S, _thread.interrupt_main, (number,))
        timer.daemon = True
        timer.start()
        return
    raise KeyboardInterrupt


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
