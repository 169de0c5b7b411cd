"""The tasks for a long clip, which run on any worker: split it into chunks, track each, join them."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from posetrack.batch.chunk_poses import ChunkPoses, is_saved
from posetrack.batch.chunks import Chunk, ChunkConfig, open_chunk, plan
from posetrack.batch.identity import unchanged
from posetrack.batch.names import hashed
from posetrack.batch.settings import settings_hash
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
from posetrack.provenance.meta import Repetition
from posetrack.records import as_json
from posetrack.runner import Outputs
from posetrack.runner.summary import made_with
from posetrack.stages import FrameSource
from posetrack.stopwatch import Stopwatch
from posetrack.types import Frame, Poses
from posetrack.video import open_source
from posetrack.video.identity import Identity

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker

Task = TypeVar("Task", bound=ClipTask)

_IN_CHUNKS = Repetition(hindrance="the clip was tracked in chunks, by `posetrack batch`")


@dataclass(frozen=True, kw_only=True)
class SplitResult(ClipResult):
    """The clip is long and was split; nothing is tracked yet.

    Attributes:
        chunks: The chunks in order.
        files: For each chunk, the file for its poses.
    """

    chunks: tuple[Chunk, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SplitTask(ClipTask):
    """Splits a long clip (the result is a ``SplitResult``) and tracks a short one.

    Attributes:
        config: Where to cut.
        store: Folder for the poses of chunks.
    """

    config: ChunkConfig
    store: Path

    def perform(self, observer: FrameObserver | None = None) -> ClipResult:
        """Split or track the clip."""
        return attempted(self, partial(self._split_or_tracked, observer))

    def _split_or_tracked(self, observer: FrameObserver | None) -> ClipResult:
        config, chunks = self.config, []
        try:
            if isinstance(self.tracker, PresetTracker):
                with open_source(self.source, self.reading) as source:
                    config = config.fitted(self.tracker.preset, source.info.delivered_fps)
            chunks = plan(self.source, self.reading, config)
        except VideoError:  # tracking reports the same error, after the frames that can be read
            pass
        if not chunks:
            return tracked(self, observer)
        folder = self.store / hashed(self.clip) / self._key(config)
        files = tuple(folder / f"{chunk.number:05d}.npz" for chunk in chunks)
        return SplitResult(status="done", chunks=tuple(chunks), files=files)

    def _key(self, config: ChunkConfig) -> str:
        """A hash of everything that affects the chunks' poses."""
        everything = {
            "content": as_json(self.content or Identity.now(self.source)),
            "settings": settings_hash(self.tracker, self.reading, Outputs(), self.compute.seed),
            "cuts": as_json(config),
        }
        return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class ChunkTask(ClipTask):
    """Tracks one chunk, unless an earlier run has saved its poses.

    Attributes:
        chunk: The part of the clip to track.
        file: The file for its poses.
    """

    chunk: Chunk
    file: Path

    def perform(self, observer: FrameObserver | None = None) -> ClipResult:
        """Track the chunk."""
        return attempted(self, partial(self._tracked, observer))

    def _tracked(self, observer: FrameObserver | None) -> ClipResult:
        with tempfile.TemporaryDirectory(prefix="posetrack-") as folder:
            file = self.file if self.remote is None else Path(folder) / "poses.npz"
            if self.remote is not None:
                self.remote.download(self.file, file)
            if not is_saved(file):
                with unchanged(self.source, self.content):
                    poses = ChunkPoses.collect(self._readable(observer), made_with(self.load()))
                poses.save(file)
                if self.remote is not None:
                    self.remote.upload({file: self.file})
        return ClipResult(status="done", frames=self.chunk.frames)

    def _readable(self, observer: FrameObserver | None) -> Iterator[tuple[Frame, Poses]]:
        """Yield the frames that can be read. ``StitchTask`` notices missing ones."""
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
    """Joins the chunks of a clip and writes its files, in one pass over the clip.

    Tracks the whole clip instead if its frames are not the ones tracked in the chunks.

    Attributes:
        chunks: The chunks in order.
        files: The pose file of each chunk. Remote ones are removed when the clip is done.
        config: How tracks are matched.
    """

    chunks: tuple[Chunk, ...]
    files: tuple[Path, ...]
    config: StitchConfig = field(default_factory=StitchConfig)

    def perform(self, observer: FrameObserver | None = None) -> ClipResult:
        """Join the chunks."""
        result = attempted(self, partial(self._stitched_or_tracked, observer))
        if self.remote is not None and result.is_whole:
            with suppress(OutputError):
                self.remote.remove(self.files[0].parents[1])
        return result

    def load(self) -> PoseTracker:
        """A stand-in for the tracker that returns the known poses."""
        parts = map(self._loaded, self.files)
        first = next(parts)
        known = stitched(chain([first], parts), self.chunks, self.config)
        return cast("PoseTracker", _KnownPoses(known, first.made_with))

    def _loaded(self, file: Path) -> ChunkPoses:
        if self.remote is None:
            return ChunkPoses.load(file)
        with tempfile.TemporaryDirectory(prefix="posetrack-") as folder:
            self.remote.download(file, Path(folder) / file.name)
            return ChunkPoses.load(Path(folder) / file.name)

    def _stitched_or_tracked(self, observer: FrameObserver | None) -> ClipResult:
        try:
            return tracked(replace(self, repetition=_IN_CHUNKS), observer)
        except (SeamError, DataFormatError):
            return tracked(_as(ClipTask, self), observer)


class _KnownPoses:
    """Replaces the tracker where the poses of a source are already known."""

    def __init__(self, known: Iterable[tuple[Frame, Poses]], facts: Mapping[str, Any]) -> None:
        self._known = iter(known)
        self.stopwatch = Stopwatch()
        self.made_with = facts

    def track(self, source: FrameSource) -> Iterator[tuple[Frame, Poses]]:
        """Yield each frame with its people.

        Raises:
            SeamError: the source's frames differ from those with known poses.
        """
        for frame in source:
            known, poses = next(self._known, (frame, None))
            if poses is None or known.index != frame.index or abs(known.time_s - frame.time_s) > SAME_TIME_S:
                raise SeamError(f"{source.info.name} shows different frames from its chunks.")
            yield replace(frame, scene=known.scene), poses
        if next(self._known, None) is not None:
            raise SeamError(f"{source.info.name} shows fewer frames than its chunks.")


def split_task(task: ClipTask, config: ChunkConfig, store: Path) -> SplitTask:
    """The first task for a clip, which may be long."""
    return _as(SplitTask, task, config=config, store=store)


def chunk_task(task: ClipTask, split: SplitResult, number: int) -> ChunkTask:
    """The task for one chunk. Its name differs from the clip's."""
    name = f"{task.clip}\0{number}"
    return _as(ChunkTask, task, clip=name, chunk=split.chunks[number], file=split.files[number])


def stitch_task(task: ClipTask, split: SplitResult) -> StitchTask:
    """The task that joins a clip. Its name differs from the clip's."""
    return _as(StitchTask, task, clip=f"{task.clip}\0", chunks=split.chunks, files=split.files)


def _as(kind: type[Task], task: ClipTask, **more: Any) -> Task:
    """A task of another class with the same clip and settings."""
    return kind(**({one.name: getattr(task, one.name) for one in fields(ClipTask)} | more))
