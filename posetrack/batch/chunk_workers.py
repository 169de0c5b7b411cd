"""``Workers`` that split long clips into chunks and let other workers track the chunks in parallel."""

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
        task: The task for the whole clip.
        started_s: When it was started (monotonic clock).
        split: The chunks; ``None`` before the split and for short clips.
        frames: Frames tracked so far, by chunk.
        running: Names of its tasks now running.
        left: Names of the chunks not yet tracked.
        failure: The first chunk failure.
    """

    task: ClipTask
    started_s: float
    split: SplitResult | None = None
    frames: dict[str, int] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    failure: ClipResult | None = None


class ChunkingWorkers:
    """Splits long clips, tracks the chunks and joins them. Tracks short clips whole.

    Chunks of started clips run before new clips. The poses of finished chunks stay on disk, so a restarted clip
    tracks only the missing ones.

    Args:
        workers: Run the tasks.
        config: Where to cut.
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
        """Number of clips that can start now."""
        return max(0, self._workers.free - len(self._waiting))

    def start(self, task: ClipTask) -> None:
        """Start a clip."""
        clip = _Clip(task, time.perf_counter())
        self._clips[task.clip] = clip
        self._give(clip, split_task(task, self._config, self._store))

    def events(self) -> list[Progress | Finished]:
        """Clip events since the last call."""
        events: list[Progress | Finished] = []
        for event in self._workers.events():
            clip = self._owners[event.clip]
            if isinstance(event, Finished):
                events += self._finished(clip, event)
            else:
                events.append(_overall(clip, event))
        while self._waiting and self._workers.free:
            self._give(*self._waiting.popleft())
        return events

    def stop(self) -> None:
        """Stop everything now. Poses of chunks are kept until their clip is done, even by a later batch."""
        self._workers.stop()
        with suppress(OSError):  # not empty, or never made
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
        if event.clip not in clip.left:  # the whole clip, tracked at once or joined
            return self._ended(clip, result)
        if result.status != "done":
            return self._chunk_failed(clip, result)
        clip.left.discard(event.clip)
        clip.frames[event.clip] = result.frames
        if clip.failure is not None:
            return self._chunk_failed(clip, clip.failure)
        if not clip.left:
            assert clip.split is not None
            self._waiting.appendleft((clip, stitch_task(clip.task, clip.split)))
        return []

    def _chunk_failed(self, clip: _Clip, failure: ClipResult) -> list[Progress | Finished]:
        """A chunk failed. The clip fails once none of its other chunks is running."""
        clip.failure = clip.failure or failure
        self._waiting = deque((owner, task) for owner, task in self._waiting if owner is not clip)
        at_once = failure.cause in ("setup", "disk")  # which end the whole batch
        return self._ended(clip, clip.failure) if at_once or not clip.running else []

    def _ended(self, clip: _Clip, result: ClipResult) -> list[Progress | Finished]:
        if self._clips.pop(clip.task.clip, None) is None:  # already reported
            return []
        if result.is_whole:
            shutil.rmtree(self._store / hashed(clip.task.clip), ignore_errors=True)
        return [Finished(clip.task.clip, replace(result, seconds=time.perf_counter() - clip.started_s))]


def _overall(clip: _Clip, event: Progress) -> Progress:
    """The clip's progress. While it is being joined, all its frames count as tracked."""
    if clip.split is None:
        return event
    total = sum(chunk.own_frames for chunk in clip.split.chunks)
    if event.clip not in clip.left:
        return Progress(clip.task.clip, total, total)
    clip.frames[event.clip] = event.frames
    share = sum(clip.frames.values()) / sum(chunk.frames for chunk in clip.split.chunks)
    return Progress(clip.task.clip, int(share * total), total)
