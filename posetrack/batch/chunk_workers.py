"""``Workers`` that have long clips tracked in chunks, side by side, by other workers."""

from __future__ import annotations

import shutil
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from posetrack.batch.chunk_tasks import SplitResult, chunk_task, split_task, stitch_task
from posetrack.batch.chunks import ChunkConfig
from posetrack.batch.names import CHUNKS as CHUNKS
from posetrack.batch.names import hashed
from posetrack.batch.tasks import ClipResult, ClipTask
from posetrack.batch.workers import Finished, Progress, Workers


@dataclass
class _Clip:
    """A clip that is being tracked.

    Attributes:
        task: All of it.
        started_s: When, by a clock that only goes forward.
        split: How it has been cut; None: not yet, or it is short.
        frames: Frames tracked in each chunk that has begun.
        running: Names of its tasks that somebody works on.
        left: Chunks not tracked yet.
        failure: Of a chunk, if one has failed.
    """

    task: ClipTask
    started_s: float
    split: SplitResult | None = None
    frames: dict[str, int] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    failure: ClipResult | None = None


class ChunkingWorkers:
    """Cuts what is long, has its chunks tracked, and the clip put together; what is short is tracked as it is.

    Chunks of clips that have begun go before clips that have not. The poses of chunks outlive the program: a clip
    that is begun again goes on with the chunks that are left.

    Args:
        workers: Who does the work.
        config: How clips are cut.
        store: Folder for the poses of chunks, on a disk that all workers see.
    """

    def __init__(self, workers: Workers, config: ChunkConfig, store: Path) -> None:
        self._workers = workers
        self._config = config
        self._store = store
        self._clips: dict[str, _Clip] = {}
        self._waiting: deque[tuple[_Clip, ClipTask]] = deque()
        self._owners: dict[str, _Clip] = {}

    @property
    def free(self) -> int:
        """How many clips could be started now."""
        return max(0, self._workers.free - len(self._waiting))

    def start(self, task: ClipTask) -> None:
        """Begin a clip."""
        clip = _Clip(task, time.perf_counter())
        self._clips[task.clip] = clip
        self._give(clip, split_task(task, self._config, self._store))

    def events(self) -> list[Progress | Finished]:
        """What has happened to clips since the last call."""
        told: list[Progress | Finished] = []
        for event in self._workers.events():
            clip = self._owners[event.clip]
            if isinstance(event, Finished):
                told += self._finished(clip, event)
            else:
                told.append(_overall(clip, event))
        while self._waiting and self._workers.free:
            self._give(*self._waiting.popleft())
        return told

    def stop(self) -> None:
        """End everything at once. Poses of chunks are kept until their clip is done, be it in another batch."""
        self._workers.stop()
        with suppress(OSError):  # there are some, or have been none
            self._store.rmdir()

    def __enter__(self) -> ChunkingWorkers:
        self._workers.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._workers.__exit__(None, None, None)

    def _give(self, clip: _Clip, task: ClipTask) -> None:
        self._owners[task.clip] = clip
        clip.running.add(task.clip)
        self._workers.start(task)

    def _finished(self, clip: _Clip, event: Finished) -> list[Progress | Finished]:
        result = event.result
        del self._owners[event.clip]
        clip.running.discard(event.clip)
        if isinstance(result, SplitResult):
            clip.split = result
            tasks = [chunk_task(clip.task, result, number) for number in range(len(result.chunks))]
            clip.left = {task.clip for task in tasks}
            self._waiting.extend((clip, task) for task in tasks)
            return []
        if event.clip not in clip.left:  # all of the clip, at once or put together
            return self._ended(clip, result)
        if result.status != "done":
            return self._torn(clip, result)
        clip.left.discard(event.clip)
        clip.frames[event.clip] = result.frames
        if clip.failure is not None:
            return self._torn(clip, clip.failure)
        if not clip.left:
            assert clip.split is not None
            self._waiting.appendleft((clip, stitch_task(clip.task, clip.split)))
        return []

    def _torn(self, clip: _Clip, failure: ClipResult) -> list[Progress | Finished]:
        """A chunk has failed, and so has the clip, once nobody works on its other chunks any more."""
        clip.failure = clip.failure or failure
        self._waiting = deque((owner, task) for owner, task in self._waiting if owner is not clip)
        at_once = failure.cause in ("setup", "disk")  # the whole batch ends
        return self._ended(clip, clip.failure) if at_once or not clip.running else []

    def _ended(self, clip: _Clip, result: ClipResult) -> list[Progress | Finished]:
        if self._clips.pop(clip.task.clip, None) is None:  # told already
            return []
        if result.status == "done" or result.partial:
            shutil.rmtree(self._store / hashed(clip.task.clip), ignore_errors=True)
        return [Finished(clip.task.clip, replace(result, seconds=time.perf_counter() - clip.started_s))]


def _overall(clip: _Clip, event: Progress) -> Progress:
    """How far the clip is; while it is being put together, its frames are all tracked."""
    if clip.split is None:
        return event
    total = sum(chunk.own_frames for chunk in clip.split.chunks)
    if event.clip not in clip.left:
        return Progress(clip.task.clip, total, total)
    clip.frames[event.clip] = event.frames
    share = sum(clip.frames.values()) / sum(chunk.frames for chunk in clip.split.chunks)
    return Progress(clip.task.clip, int(share * total), total)
