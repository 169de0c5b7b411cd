"""``Workers`` of a Ray cluster: each task is a Ray task. Ray decides where it runs, and runs it again elsewhere if
its computer is lost.

What it needs: ``pip install '.[ray]'`` in the clone. All computers see the footage and the results
under the same paths (a shared folder), and have the same versions of Python, Ray and posetrack.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posetrack import __version__
from posetrack.batch.ray_cluster import import_ray, join, on_cluster
from posetrack.batch.tasks import ClipResult, ClipTask, Compute
from posetrack.batch.workers import Finished, Progress, Reporter
from posetrack.ranges import require_above, require_kinds, require_whole

_REPORT_EVERY_S = 1.0
_LOOK_EVERY_S = 0.5
_COUNT_AGAIN_S = 10.0

_WAITING_PER_PLACE = 2
"""Tasks handed to Ray for each that can run: none waits for the next, and growing clusters see what is wanted."""

_GPU_SHARE = 0.5
"""Of a GPU, for a task: while one decodes and encodes, another one's networks run."""


@dataclass(frozen=True, kw_only=True)
class RayConfig:
    """Which cluster, and how it is used.

    Attributes:
        address: ``auto`` joins the running cluster (``RAY_ADDRESS``, or this computer's), and makes this computer
            a cluster of its own if there is none; else the address of a cluster.
        node_losses: How often a task is begun again because its computer, or its process, was lost.
        timeout_s: A clip that has begun and does not come a frame further for so long has failed; None: wait.
    """

    address: str = "auto"
    node_losses: int = 5
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        require_whole(0, node_losses=self.node_losses)
        if self.timeout_s is not None:
            require_above(0, timeout_s=self.timeout_s)


@dataclass
class _Task:
    """A task that Ray has, the folder made for it, and when it was last heard of; None: it waits for its turn."""

    task: ClipTask
    last_sign_s: float | None = None


class RayWorkers:
    """``Workers`` of a Ray cluster. A context manager: leaves the cluster in the end.

    Args:
        compute: Where networks run on each computer: ``cpu``, ``cuda`` (Ray chooses the GPU), or ``auto`` (GPUs if
            the cluster has any). ``threads`` is the number of processors that Ray keeps free for a task; 0: one.
        config: Which cluster.

    Raises:
        ConfigError: Ray is not installed, there is no such cluster, or it has no GPU where one is wanted.
    """

    def __init__(self, compute: Compute, config: RayConfig) -> None:
        self._ray = import_ray()
        self._config = config
        self._joined = not self._ray.is_initialized()
        if self._joined:
            join(self._ray, config.address)
        try:
            self._compute = on_cluster(compute, self._ray.cluster_resources().get("GPU", 0.0))
            self._needs = {"CPU": float(self._compute.threads)}
            if self._compute.device == "cuda":
                self._needs["GPU"] = _GPU_SHARE
            self._perform = self._ray.remote(
                num_cpus=self._needs["CPU"], num_gpus=self._needs.get("GPU", 0), max_calls=0,
                max_retries=config.node_losses, retry_exceptions=False,
            )(_perform)  # fmt: skip
            self._board = _post_board(self._ray)
        except BaseException:
            self._leave()
            raise
        self._tasks: dict[Any, _Task] = {}
        self._serial = 0
        self._places = 0
        self._counted_s = -_COUNT_AGAIN_S

    @property
    def free(self) -> int:
        """How many tasks Ray can be given."""
        now = time.monotonic()
        if now - self._counted_s >= _COUNT_AGAIN_S:
            there = self._ray.cluster_resources()
            self._places = min(int(there.get(kind, 0.0) / share) for kind, share in self._needs.items())
            self._counted_s = now
        return max(0, _WAITING_PER_PLACE * max(1, self._places) - len(self._tasks))

    def start(self, task: ClipTask) -> None:
        """Hand a task to Ray."""
        self._serial += 1
        folder = task.unfinished / f"{self._serial}"  # chunks of a clip must not remove each other's
        folder.mkdir(parents=True, exist_ok=True)  # by which a computer knows that it sees the results
        task = replace(task, unfinished=folder, compute=replace(self._compute, seed=task.compute.seed))
        reference = self._perform.remote(task, self._board, __version__)
        self._tasks[reference] = _Task(task)

    def events(self) -> list[Progress | Finished]:
        """What has happened since the last call; waits half a second at most for something to happen."""
        if not self._tasks:
            return []
        waiting = list(self._tasks)
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=_LOOK_EVERY_S)
        if ready:
            ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        told = self._progress()
        told += [self._finished(reference) for reference in ready]
        if self._config.timeout_s is not None:
            told += self._given_up(self._config.timeout_s)
        return told

    def _progress(self) -> list[Progress | Finished]:
        try:
            news: dict[str, Progress] = self._ray.get(self._board.take.remote(), timeout=_LOOK_EVERY_S)
        except self._ray.exceptions.RayError:  # its computer is lost; Ray makes it anew
            return []
        told: list[Progress | Finished] = []
        for known in self._tasks.values():
            progress = news.get(known.task.clip)
            if progress is not None:
                known.last_sign_s = time.monotonic()
                told.append(progress)
        return told

    def _finished(self, reference: Any) -> Finished:
        task = self._tasks.pop(reference).task
        shutil.rmtree(task.unfinished, ignore_errors=True)
        errors = self._ray.exceptions
        try:
            result = self._ray.get(reference)
        except errors.RayTaskError as error:
            sentence = (
                f"Tracking {task.source} failed unexpectedly on the cluster: {error.cause or 'see the trace'}."
            )
            return Finished(task.clip, ClipResult.failed(sentence, "chance", str(error)))
        except errors.RayError as error:
            first = str(error).strip().partition("\n")[0]
            sentence = f"The cluster has lost {task.source} too often: {first}"
            return Finished(task.clip, ClipResult.failed(sentence, "chance", str(error)))
        if isinstance(result, str):  # what the computer lacks; a clip that is not here either is simply gone
            result = ClipResult.failed(result, "setup") if task.source.exists() else task.perform()
        return Finished(task.clip, result)

    def _given_up(self, timeout_s: float) -> list[Finished]:
        late = [
            reference
            for reference, known in self._tasks.items()
            if known.last_sign_s is not None and time.monotonic() - known.last_sign_s >= timeout_s
        ]
        told = []
        for reference in late:
            self._ray.cancel(reference, force=True)
            task = self._tasks.pop(reference).task
            error = f"{task.source} has been given up: no new frame for {timeout_s:g} s."
            told.append(Finished(task.clip, ClipResult.failed(error, "clip")))
        return told

    def stop(self) -> None:
        """Have Ray end everything at once."""
        for reference in self._tasks:
            self._ray.cancel(reference, force=True)
        self._tasks.clear()

    def __enter__(self) -> RayWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._leave()

    def _leave(self) -> None:
        """Once; what belongs to this batch alone goes with it."""
        if self._joined and self._ray.is_initialized():
            self._ray.shutdown()
        self._joined = False


class _Board:
    """Where tasks write how far they are, and the coordinator reads it: an actor of Ray."""

    def __init__(self) -> None:
        self._news: dict[str, Progress] = {}

    def report(self, progress: Progress) -> None:
        """Of a task."""
        self._news[progress.clip] = progress

    def take(self) -> dict[str, Progress]:
        """The latest of each task since the last call."""
        news, self._news = self._news, {}
        return news


def _post_board(ray: Any) -> Any:
    """The board, on the coordinator's computer if that can be."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    kind = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0, scheduling_strategy=here)(_Board)
    return kind.remote()


def _perform(task: ClipTask, board: Any, version: str) -> ClipResult | str:
    """What a computer of the cluster does: the task, or else say in a sentence what it lacks."""
    host = socket.gethostname()
    if version != __version__:
        return f"The computer {host} has posetrack {__version__}, not {version}: install one version everywhere."
    if task.remote is None and not task.unfinished.is_dir():
        return f"The computer {host} does not see the output folder: mount {task.folder} on every computer."
    if not task.source.exists():
        return f"The computer {host} does not see {task.source}: mount the footage on every computer."
    # Whoever was believed lost may still be writing to his own folder.
    own = f"{host}-{os.getpid()}"
    folder = task.unfinished / own if task.remote is None else Path(tempfile.mkdtemp(prefix="posetrack-"))
    task = replace(task, unfinished=folder)
    reporter = Reporter(board.report.remote, task.clip, _REPORT_EVERY_S)
    reporter(0, None)
    return _in_a_thread(lambda: task.perform(reporter))


def _in_a_thread(work: Callable[[], ClipResult]) -> ClipResult:
    """The main thread's signals belong to Ray: ``run`` would take them for itself."""
    results: list[ClipResult] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join()
    return results[0]
