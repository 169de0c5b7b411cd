"""Processes of this computer that track clips, and what they tell of it. When one dies, its clip has failed."""

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
_LOOK_EVERY_S = 0.5
_DEATH_S = 10.0
"""A killed process may hang in the system for longer (a network disk that is gone): it is not waited for."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Frames of a clip that are done, and how many there are (an estimate; None if unknown)."""

    clip: str
    frames: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Finished:
    """A clip that is not being tracked any more."""

    clip: str
    result: ClipResult


class Workers(Protocol):
    """Who tracks clips: processes here, or a cluster. A context manager that ends them all."""

    @property
    def free(self) -> int:
        """How many tasks could be started now."""
        ...

    def start(self, task: ClipTask) -> None:
        """Begin a task; there must be somebody free."""
        ...

    def events(self) -> list[Progress | Finished]:
        """What has happened since the last call; waits a moment for something to happen."""
        ...

    def stop(self) -> None:
        """End everything at once; tasks that are running leave no results."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LocalWorkers:
    """``Workers`` of this computer: one process each, started when there is something to do.

    A process tracks one clip after the other and keeps its networks. It is started afresh after an unexpected
    error. It ends when this process does, whatever ends it; Ctrl-C is left to this process.

    Args:
        computes: Where each worker's networks run: as many workers as there are items.
        timeout_s: A clip that does not come a frame further for so long has failed; None: wait for ever.
    """

    def __init__(self, computes: Sequence[Compute], timeout_s: float | None = None) -> None:
        self._workers = [_Worker(compute) for compute in computes]
        self._timeout_s = timeout_s
        self._unborn: list[Finished] = []

    @property
    def free(self) -> int:
        """Workers without a task."""
        return sum(worker.task is None for worker in self._workers)

    def start(self, task: ClipTask) -> None:
        """Give a free worker a task; one that is running is preferred to one that must be started."""
        worker = min((one for one in self._workers if one.task is None), key=lambda one: not one.alive)
        try:
            worker.start(task)
        except OSError as error:
            worker.kill()
            failure = f"No process could be started for {task.source}: {error.strerror}."
            self._unborn.append(Finished(task.clip, ClipResult.failed(failure, "chance")))

    def events(self) -> list[Progress | Finished]:
        """What has happened since the last call; waits half a second at most for something to happen."""
        busy = {worker.connection: worker for worker in self._workers if worker.task and worker.connection}
        told: list[Progress | Finished] = [*self._unborn]
        self._unborn.clear()
        for connection in wait(list(busy), timeout=0 if told else _LOOK_EVERY_S):
            told += busy[connection].listen()  # type: ignore[index]
        if self._timeout_s is not None:
            for worker in self._workers:
                told += worker.give_up(self._timeout_s)
        return told

    def stop(self) -> None:
        """Kill all processes: what they were writing is in folders that nobody needs any more."""
        for worker in self._workers:
            worker.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Worker:
    """One process, as this process sees it."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._process: SpawnProcess | None = None
        self._last_sign_s = math.inf
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
        except OSError:  # it has died in this moment
            self._spawn()
            self.connection.send(task)
        self.task = task
        self._last_sign_s = math.inf  # until the process, which may have to be started, has taken the task

    def _spawn(self) -> None:
        self.kill()
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _without_ctrl_c():
            self._process.start()
        theirs.close()

    def listen(self) -> list[Progress | Finished]:
        """The next message, or the news of the process's death."""
        assert self.connection is not None and self.task is not None
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            return [self._finish(self._obituary())]
        self._last_sign_s = time.monotonic()
        return [self._finish(message) if isinstance(message, ClipResult) else message]

    def give_up(self, timeout_s: float) -> list[Progress | Finished]:
        if self.task is None or time.monotonic() - self._last_sign_s < timeout_s:
            return []
        error = f"{self.task.source} has been given up: no new frame for {timeout_s:g} s."
        self.kill()
        return [self._finish(ClipResult.failed(error, "clip"))]

    def _finish(self, result: ClipResult) -> Finished:
        assert self.task is not None
        finished = Finished(self.task.clip, result)
        self.task = None
        if result.cause == "chance" or result.status == "interrupted":
            self.kill()
        return finished

    def _obituary(self) -> ClipResult:
        assert self._process is not None and self.task is not None
        self._process.join()
        status = self._process.exitcode or 0
        if status in (-signal.SIGTERM, -signal.SIGHUP):
            return ClipResult(status="interrupted")
        if status == -signal.SIGKILL:
            why = "killed, as systems do when memory runs out: give fewer --workers"
        elif status < 0:
            why = f"ended by signal {-status} ({signal.strsignal(-status)}): a decoder or a network has crashed"
        else:
            why = f"ended with status {status}"
        return ClipResult.failed(f"The process that tracked {self.task.source} was {why}.", "chance")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join(_DEATH_S)
            self._process = None
        if self.connection is not None:
            self.connection.close()
            self.connection = None


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """A process that is started meanwhile gets no Ctrl-C before it can say that it wants none."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection) -> None:
    """What a worker does: its main thread waits for the parent's end, another one tracks.

    (In a thread of its own, because in the main thread ``run`` would take Ctrl-C for itself.)
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
    except BaseException:  # noqa: BLE001 (the thread is the process: it ends with it, and the parent tells)
        traceback.print_exc()
        os._exit(1)


class Reporter:
    """A ``FrameObserver`` that passes frames on, the first at once and then every so often.

    Args:
        send: Takes what is told.
        clip: What is told of.
        every_s: Seconds from one message to the next.
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
