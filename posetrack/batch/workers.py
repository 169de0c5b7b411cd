"""Worker processes on this computer that track clips and report progress. If one dies, its clip has failed."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Protocol, Self

from posetrack.batch.tasks import ClipResult, ClipTask, Compute

_REPORT_EVERY_S = 0.25
_POLL_S = 0.5
_KILL_WAIT_S = 10.0
"""Maximum wait for a killed process to end: one blocked on a lost network disk may hang for ever."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Frames of a clip done, and the total (an estimate; ``None`` if unknown)."""

    clip: str
    frames: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Finished:
    """A clip is no longer being tracked."""

    clip: str
    result: ClipResult


class Workers(Protocol):
    """Tracks clips, in local processes or on a cluster. A context manager that stops all of them."""

    @property
    def free(self) -> int:
        """Number of tasks that can start now."""
        ...

    def start(self, task: ClipTask) -> None:
        """Start a task. A worker must be free."""
        ...

    def events(self) -> list[Progress | Finished]:
        """Events since the last call. Waits briefly for one."""
        ...

    def stop(self) -> None:
        """Stop everything now. Running tasks leave no results."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LocalWorkers:
    """``Workers`` on this computer, one process each, started on demand.

    A process tracks clips one after another and keeps its networks loaded. It is restarted after an unexpected
    error, ends when this process ends, however that happens, and ignores Ctrl-C.

    Args:
        computes: One per worker: where its networks run.
        timeout_s: A clip without a new frame for this many seconds has failed. ``None`` disables the timeout.
    """

    def __init__(self, computes: Sequence[Compute], timeout_s: float | None = None) -> None:
        self._workers = [_Worker(compute) for compute in computes]
        self._timeout_s = timeout_s
        self._failed_starts: list[Finished] = []

    @property
    def free(self) -> int:
        """Number of idle workers."""
        return sum(worker.task is None for worker in self._workers)

    def start(self, task: ClipTask) -> None:
        """Give a task to an idle worker, if possible one whose process is running."""
        worker = min((one for one in self._workers if one.task is None), key=lambda one: not one.alive)
        try:
            worker.start(task)
        except OSError as error:
            worker.kill()
            failure = f"Cannot start a process for {task.source}: {error.strerror}."
            self._failed_starts.append(Finished(task.clip, ClipResult.failed(failure, "chance")))

    def events(self) -> list[Progress | Finished]:
        """Events since the last call. Waits at most half a second for one."""
        busy = {worker.connection: worker for worker in self._workers if worker.task and worker.connection}
        events: list[Progress | Finished] = [*self._failed_starts]
        self._failed_starts.clear()
        for connection in wait(list(busy), timeout=0 if events else _POLL_S):
            events += busy[connection].listen()  # type: ignore[index]
        if self._timeout_s is not None:
            for worker in self._workers:
                events += worker.give_up(self._timeout_s)
        return events

    def stop(self) -> None:
        """Kill all processes. Their unfinished files are in folders that are removed later."""
        for worker in self._workers:
            worker.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Worker:
    """The handle of one worker process."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._process: SpawnProcess | None = None
        self._last_report_s = math.inf
        self.connection: Connection | None = None
        self.task: ClipTask | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def start(self, task: ClipTask) -> None:
        task = replace(task, compute=self._compute)
        if not self.alive:
            self._spawn()
        assert self.connection is not None
        try:
            self.connection.send(task)
        except OSError:  # it has just died
            self._spawn()
            self.connection.send(task)
        self.task = task
        self._last_report_s = math.inf  # the clock starts when the process takes the task

    def _spawn(self) -> None:
        self.kill()
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _without_ctrl_c():
            self._process.start()
        theirs.close()

    def listen(self) -> list[Progress | Finished]:
        """Receive the next message, or notice that the process died."""
        assert self.connection is not None and self.task is not None
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            return [self._finish(self._result_of_dead_process())]
        self._last_report_s = time.monotonic()
        return [self._finish(message) if isinstance(message, ClipResult) else message]

    def give_up(self, timeout_s: float) -> list[Progress | Finished]:
        if self.task is None or time.monotonic() - self._last_report_s < timeout_s:
            return []
        error = f"Gave up on {self.task.source}: no new frame for {timeout_s:g} s."
        self.kill()
        return [self._finish(ClipResult.failed(error, "clip"))]

    def _finish(self, result: ClipResult) -> Finished:
        assert self.task is not None
        finished = Finished(self.task.clip, result)
        self.task = None
        if result.cause == "chance" or result.status == "interrupted":
            self.kill()
        return finished

    def _result_of_dead_process(self) -> ClipResult:
        assert self._process is not None and self.task is not None
        self._process.join()
        status = self._process.exitcode or 0
        if status in (-signal.SIGTERM, -signal.SIGHUP):
            return ClipResult(status="interrupted")
        if status == -signal.SIGKILL:
            why = "was killed, probably because memory ran out: use fewer --workers"
        elif status < 0:
            why = f"crashed with signal {-status} ({signal.strsignal(-status)}) in a decoder or a network"
        else:
            why = f"ended with exit status {status}"
        return ClipResult.failed(f"The process that tracked {self.task.source} {why}.", "chance")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join(_KILL_WAIT_S)
            self._process = None
        if self.connection is not None:
            self.connection.close()
            self.connection = None


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C for processes started in the block until they can ignore it themselves."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection) -> None:
    """The worker process: its main thread waits for the parent to end, a second thread tracks.

    Tracking runs in the second thread because ``run`` would handle Ctrl-C in the main one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_track_all, args=(connection,), daemon=True).start()
    wait([parent.sentinel])
    os._exit(1)


def _track_all(connection: Connection) -> None:
    try:
        while True:
            task: ClipTask = connection.recv()
            connection.send(Progress(task.clip, 0, None))
            connection.send(task.perform(Reporter(connection.send, task.clip, _REPORT_EVERY_S)))
    except (EOFError, OSError):  # the parent has ended
        os._exit(1)
    except BaseException:  # noqa: BLE001 (end the process with its thread; the parent reports it)
        traceback.print_exc()
        os._exit(1)


class Reporter:
    """A ``FrameObserver`` that sends progress: the first frame at once, then at intervals.

    Args:
        send: Receives the progress.
        clip: Name of the clip.
        every_s: Minimum seconds between messages.
    """

    def __init__(self, send: Callable[[Progress], object], clip: str, every_s: float) -> None:
        self._send = send
        self._clip = clip
        self._every_s = every_s
        self._next_s = 0.0

    def __call__(self, frames: int, total: int | None) -> None:
        now = time.monotonic()
        if now >= self._next_s:
            self._next_s = now + self._every_s
            self._send(Progress(self._clip, frames, total))
