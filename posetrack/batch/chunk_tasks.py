"""A long clip as several pieces of work that can be done anywhere: cut it, track chunks, put them together."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from posetrack.batch.chunk_poses import ChunkPoses, is_saved
from posetrack.batch.chunks import Chunk, ChunkConfig, open_chunk, plan
from posetrack.batch.identity import Identity, unchanged
from posetrack.batch.names import hashed
from posetrack.batch.settings import plain, settings_hash
from posetrack.batch.stitch import SAME_TIME_S, SeamError, StitchConfig, stitched
from posetrack.batch.tasks import (
    ClipResult,
    ClipTask,
    FrameObserver,
    PresetTracker,
    attempted,
    tracked,
)
from posetrack.errors import DataFormatError, OutputError, VideoError
from posetrack.runner import Outputs
from posetrack.stages import FrameSource
from posetrack.stopwatch import Stopwatch
from posetrack.types import Frame, Poses
from posetrack.video import open_source

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker

Task = TypeVar("Task", bound=ClipTask)


@dataclass(frozen=True, kw_only=True)
class SplitResult(ClipResult):
    """The clip is long: it has been cut, and nothing tracked yet.

    Attributes:
        chunks: Its parts in order.
        files: Where the poses of each are to be kept.
    """

    chunks: tuple[Chunk, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SplitTask(ClipTask):
    """Cuts a clip if it is long (the result is a ``SplitResult``), and tracks it if it is not.

    Attributes:
        config: How it is cut.
        store: Folder for the poses of chunks.
    """

    config: ChunkConfig
    store: Path

    def perform(self, observer: FrameObserver | None = None) -> ClipResult:
        """Do it."""
        return attempted(self, partial(self._split_or_tracked, observer))

    def _split_or_tracked(self, observer: FrameObserver | None) -> ClipResult:
        config, chunks = self.config, []
        try:
            if isinstance(self.tracker, PresetTracker):
                with open_source(self.source, self.reading) as source:
                    config = config.fitted(self.tracker.preset, source.info.delivered_fps)
            chunks = plan(self.source, self.reading, config)
        except VideoError:  # which tracking it says as well, and what can be read is tracked
            pass
        if not chunks:
            return tracked(self, observer)
        folder = self.store / hashed(self.clip) / self._key(config)
        files = tuple(folder / f"{chunk.number:05d}.npz" for chunk in chunks)
        return SplitResult(status="done", chunks=tuple(chunks), files=files)

    def _key(self, config: ChunkConfig) -> str:
        """A name that stands for everything that decides over the chunks' poses."""
        everything = {
            "content": plain(self.content or Identity.now(self.source)),
            "settings": settings_hash(self.tracker, self.reading, Outputs(), self.compute.seed),
            "cuts": plain(config),
        }
        return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class ChunkTask(ClipTask):
    """Tracks one chunk; done at once if an earlier run has left its poses.

    Attributes:
        chunk: Which part of the clip.
        file: Where its poses are kept.
    """

    chunk: Chunk
    file: Path

    def perform(self, observer: FrameObserver | None = None) -> ClipResult:
        """Do it."""
        return attempted(self, partial(self._tracked, observer))

    def _tracked(self, observer: FrameObserver | None) -> ClipResult:
        with tempfile.TemporaryDirectory(prefix="posetrack-") as folder:
            file = self.file if self.remote is None else Path(folder) / "poses.npz"
            if self.remote is not None:
                self.remote.download(self.file, file)
            if not is_saved(file):
                with unchanged(self.source, self.content):
                    poses = ChunkPoses.collect(self._readable(observer))
                poses.save(file)
                if self.remote is not None:
                    self.remote.upload({file: self.file})
        return ClipResult(status="done", frames=self.chunk.frames)

    def _readable(self, observer: FrameObserver | None) -> Iterator[tuple[Frame, Poses]]:
        """What can be read: whoever puts the chunks together finds out what is missing."""
        try:
            with open_chunk(self.source, self.chunk) as source:
                for number, result in enumerate(self.load().track(source), start=1):
                    yield result
                    if observer is not None:
                        observer(number, self.chunk.frames)
        except VideoError:
            return


@dataclass(frozen=True, kw_only=True)
class StitchTask(ClipTask):
    """Puts the chunks of a clip together and writes its files, in one pass over the clip.

    If the clip does not show the frames in which the chunks were tracked, it is tracked as a whole.

    Attributes:
        chunks: In order.
        files: The poses of each. Those in another place are removed once they are not needed any more.
        config: How they are put together.
    """

    chunks: tuple[Chunk, ...]
    files: tuple[Path, ...]
    config: StitchConfig = field(default_factory=StitchConfig)

    def perform(self, observer: FrameObserver | None = None) -> ClipResult:
        """Do it."""
        result = attempted(self, partial(self._stitched_or_tracked, observer))
        if self.remote is not None and (result.status == "done" or result.partial):
            with suppress(OutputError):
                self.remote.remove(self.files[0].parents[1])
        return result

    def load(self) -> PoseTracker:
        """What knows the poses already."""
        parts = map(self._loaded, self.files)
        return cast("PoseTracker", _KnownPoses(stitched(parts, self.chunks, self.config)))

    def _loaded(self, file: Path) -> ChunkPoses:
        if self.remote is None:
            return ChunkPoses.load(file)
        with tempfile.TemporaryDirectory(prefix="posetrack-") as folder:
            self.remote.download(file, Path(folder) / file.name)
            return ChunkPoses.load(Path(folder) / file.name)

    def _stitched_or_tracked(self, observer: FrameObserver | None) -> ClipResult:
        try:
            return tracked(self, observer)
        except (SeamError, DataFormatError):
            return tracked(_as(ClipTask, self), observer)


class _KnownPoses:
    """Stands for a tracker: goes through a source whose poses are known."""

    def __init__(self, known: Iterable[tuple[int, float, Poses]]) -> None:
        self._known = iter(known)
        self.stopwatch = Stopwatch()

    def track(self, source: FrameSource) -> Iterator[tuple[Frame, Poses]]:
        """Each frame and its people.

        Raises:
            SeamError: the frames are not those whose poses are known.
        """
        for frame in source:
            index, time_s, poses = next(self._known, (None, 0.0, None))
            if poses is None or index != frame.index or abs(time_s - frame.time_s) > SAME_TIME_S:
                raise SeamError(f"{source.info.name} shows other frames than its chunks did.")
            yield frame, poses
        if next(self._known, None) is not None:
            raise SeamError(f"{source.info.name} shows fewer frames than its chunks did.")


def split_task(task: ClipTask, config: ChunkConfig, store: Path) -> SplitTask:
    """Of a clip that may be long."""
    return _as(SplitTask, task, config=config, store=store)


def chunk_task(task: ClipTask, split: SplitResult, number: int) -> ChunkTask:
    """Of one chunk of a clip, under a name of its own."""
    name = f"{task.clip}\0{number}"
    return _as(ChunkTask, task, clip=name, chunk=split.chunks[number], file=split.files[number])


def stitch_task(task: ClipTask, split: SplitResult) -> StitchTask:
    """Of putting a clip together, under a name of its own."""
    return _as(StitchTask, task, clip=f"{task.clip}\0", chunks=split.chunks, files=split.files)


def _as(kind: type[Task], task: ClipTask, **more: Any) -> Task:
    """A task of another kind for the same clip."""
    return kind(**({one.name: getattr(task, one.name) for one in fields(ClipTask)} | more))
