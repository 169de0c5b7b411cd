"""``Workers`` on a Ray cluster. Ray decides where each task runs, and restarts it elsewhere if a computer is lost.

Needs ``pip install '.[ray]'`` in the clone. All computers must see the footage and the results under the same
paths (a shared folder) and have the same versions of Python, Ray and posetrack.
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
_POLL_S = 0.5
_RECOUNT_S = 10.0

_WAITING_PER_PLACE = 2
"""Tasks handed to Ray per task that can run at once: none idles, and autoscaling clusters see the demand."""

_GPU_SHARE = 0.5
"""Share of a GPU per task: one task's networks run while another decodes and encodes."""


@dataclass(frozen=True, kw_only=True)
class RayConfig:
    """Which cluster to use, and how.

    Attributes:
        address: ``HOST:PORT`` of a cluster. ``auto`` joins the running cluster (``RAY_ADDRESS`` or this
            computer's), or starts one on this computer.
        node_losses: Maximum restarts of a task whose computer or process was lost.
        timeout_s: A started clip without a new frame for this many seconds has failed. ``None`` disables the
            timeout.
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
    """A task handed to Ray, and when it last reported; ``None`` if it has not started."""

    task: ClipTask
    last_report_s: float | None = None


class RayWorkers:
    """``Workers`` on a Ray cluster: a context manager that leaves the cluster at the end.

    Args:
        compute: Where networks run: ``cpu``, ``cuda`` (Ray chooses the GPU), or ``auto`` (GPUs if the cluster has
            any). ``threads`` is the number of processors Ray reserves for a task; 0 reserves one.
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
            self._board = _start_board(self._ray)
        except BaseException:
            self._leave()
            raise
        self._tasks: dict[Any, _Task] = {}
        self._serial = 0
        self._places = 0
        self._counted_s = -_RECOUNT_S

    @property
    def free(self) -> int:
        """Number of tasks Ray can take now."""
        now = time.monotonic()
        if now - self._counted_s >= _RECOUNT_S:
            there = self._ray.cluster_resources()
            self._places = min(int(there.get(kind, 0.0) / share) for kind, share in self._needs.items())
            self._counted_s = now
        return max(0, _WAITING_PER_PLACE * max(1, self._places) - len(self._tasks))

    def start(self, task: ClipTask) -> None:
        """Hand a task to Ray."""
        self._serial += 1
        folder = task.unfinished / f"{self._serial}"  # chunks of one clip must not remove each other's files
        folder.mkdir(parents=True, exist_ok=True)  # a computer that sees it sees the output folder
        task = replace(task, unfinished=folder, compute=replace(self._compute, seed=task.compute.seed))
        reference = self._perform.remote(task, self._board, __version__)
        self._tasks[reference] = _Task(task)

    def events(self) -> list[Progress | Finished]:
        """Events since the last call. Waits at most half a second for one."""
        if not self._tasks:
            return []
        waiting = list(self._tasks)
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=_POLL_S)
        if ready:
            ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        events = self._progress()
        events += [self._finished(reference) for reference in ready]
        if self._config.timeout_s is not None:
            events += self._timed_out(self._config.timeout_s)
        return events

    def _progress(self) -> list[Progress | Finished]:
        try:
            news: dict[str, Progress] = self._ray.get(self._board.take.remote(), timeout=_POLL_S)
        except self._ray.exceptions.RayError:  # the board's computer is lost; Ray restarts it
            return []
        events: list[Progress | Finished] = []
        for known in self._tasks.values():
            progress = news.get(known.task.clip)
            if progress is not None:
                known.last_report_s = time.monotonic()
                events.append(progress)
        return events

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
            sentence = f"The cluster lost the task for {task.source} too often: {first}"
            return Finished(task.clip, ClipResult.failed(sentence, "chance", str(error)))
        if isinstance(result, str):  # what the computer lacks; if the clip is missing here too, it was removed
            result = ClipResult.failed(result, "setup") if task.source.exists() else task.perform()
        return Finished(task.clip, result)

    def _timed_out(self, timeout_s: float) -> list[Finished]:
        late = [
            reference
            for reference, known in self._tasks.items()
            if known.last_report_s is not None and time.monotonic() - known.last_report_s >= timeout_s
        ]
        events = []
        for reference in late:
            self._ray.cancel(reference, force=True)
            task = self._tasks.pop(reference).task
            error = f"Gave up on {task.source}: no new frame for {timeout_s:g} s."
            events.append(Finished(task.clip, ClipResult.failed(error, "clip")))
        return events

    def stop(self) -> None:
        """Cancel all tasks now."""
        for reference in self._tasks:
            self._ray.cancel(reference, force=True)
        self._tasks.clear()

    def __enter__(self) -> RayWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._leave()

    def _leave(self) -> None:
        """Leave the cluster, once. A cluster started for this batch ends."""
        if self._joined and self._ray.is_initialized():
            self._ray.shutdown()
        self._joined = False


class _Board:
    """A Ray actor that collects the tasks' progress for the coordinator."""

    def __init__(self) -> None:
        self._news: dict[str, Progress] = {}

    def report(self, progress: Progress) -> None:
        """Store a task's progress."""
        self._news[progress.clip] = progress

    def take(self) -> dict[str, Progress]:
        """The latest progress of each task that reported since the last call."""
        news, self._news = self._news, {}
        return news


def _start_board(ray: Any) -> Any:
    """Start the board, on the coordinator's computer if possible."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    kind = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0, scheduling_strategy=here)(_Board)
    return kind.remote()


def _perform(task: ClipTask, board: Any, version: str) -> ClipResult | str:
    """Perform a task on a computer of the cluster, or return a sentence saying what that computer lacks."""
    host = socket.gethostname()
    if version != __version__:
        return f"The computer {host} has posetrack {__version__}, not {version}: install one version everywhere."
    if task.remote is None and not task.unfinished.is_dir():
        return f"The computer {host} does not see the output folder: mount {task.folder} on every computer."
    if not task.source.exists():
        return f"The computer {host} does not see {task.source}: mount the footage on every computer."
    # A process believed lost may still be writing: each process has its own folder.
    own = f"{host}-{os.getpid()}"
    folder = task.unfinished / own if task.remote is None else Path(tempfile.mkdtemp(prefix="posetrack-"))
    task = replace(task, unfinished=folder)
    reporter = Reporter(board.report.remote, task.clip, _REPORT_EVERY_S)
    reporter(0, None)
    return _in_a_thread(lambda: task.perform(reporter))


def _in_a_thread(work: Callable[[], ClipResult]) -> ClipResult:
    """Run outside the main thread, whose signal handlers belong to Ray: ``run`` would replace them."""
    results: list[ClipResult] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join()
    return results[0]
