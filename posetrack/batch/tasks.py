"""One clip as a piece of work that any process on any computer can do, given the same paths."""

from __future__ import annotations

import errno
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from posetrack.batch.identity import ChangedError, Identity, unchanged
from posetrack.batch.remote import RemoteFolder
from posetrack.batch.report import unpublished_overview
from posetrack.errors import ConfigError, OutputError, PoseTrackError, WeightsError, is_out_of_memory
from posetrack.formats.pending import output_errors, publish
from posetrack.models.engines import Engine, check_threads_and_seed
from posetrack.ranges import require_kinds
from posetrack.runner import Outputs, RunSummary, run
from posetrack.stages import SourceInfo
from posetrack.video import ReadOptions

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker
    from posetrack.presets import Preset

Cause = Literal["clip", "chance", "setup", "disk"]
"""Of a failure: the clip itself; something that may be gone the next time; the tracker cannot be made, for no
clip; the disk is full."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where and with how much networks run; and the seed of random numbers.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        threads: Processor threads of each network; 0: half of the processors.
        processors: How many processors all else may keep busy; 0: all of them.
        seed: Of torch's and OpenCV's random numbers.
    """

    device: str = "auto"
    threads: int = 0
    processors: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        require_kinds(self)
        check_threads_and_seed(self.threads, self.seed)


@runtime_checkable
class TrackerFactory(Protocol):
    """Makes a tracker in a worker: a function of a module, or a hashable object like ``PresetTracker``."""

    def __call__(self, compute: Compute, /) -> PoseTracker:
        """A tracker that runs on these processors or this GPU."""
        ...

    def __hash__(self) -> int:
        """A worker keeps one tracker per factory."""
        ...


@dataclass(frozen=True)
class PresetTracker:
    """Makes trackers of a preset.

    Attributes:
        preset: Which networks, and how they are used.
        precision: Of the networks: ``auto``, ``fp32``, ``fp16`` or ``bf16``.
        compile: Have ``torch.compile`` make them faster.
        models_dir: Folder of downloaded weights; None: the usual one.
        engine: What they run in: ``torch`` or ``onnxruntime``.
    """

    preset: Preset
    precision: str = "auto"
    compile: bool = False
    models_dir: Path | None = None
    engine: Engine = "torch"

    def __call__(self, compute: Compute) -> PoseTracker:
        """The tracker, its networks loaded."""
        from posetrack.pose_tracker import PoseTracker

        return PoseTracker(
            self.preset, device=compute.device, precision=self.precision, compile=self.compile,
            models_dir=self.models_dir, threads=compute.threads, seed=compute.seed, engine=self.engine,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ClipTask:
    """Everything that is needed to track one clip.

    Attributes:
        clip: How it is called: its path in the footage.
        source: The video, or folder of images.
        folder: Of the results; made if it is not there.
        name: Of the results' files, before ``_tracked.mp4`` and ``.json``.
        unfinished: A folder for this try alone, on the results' disk: files are written there, and moved when all
            of them are complete. Removed in the end.
        reading: Which part is read.
        outputs: What is written; files that are there are replaced.
        tracker: Makes the tracker.
        compute: Where it runs.
        content: What the source must be: it fails if that has changed. None: whatever it is when it is opened.
        overview: Where what the page shows of the clip is kept; None: nowhere.
        remote: Where the results go instead of ``folder``, which stands for it.
    """

    clip: str
    source: Path
    folder: Path
    name: str
    unfinished: Path
    reading: ReadOptions
    outputs: Outputs
    tracker: TrackerFactory
    compute: Compute
    content: Identity | None = None
    overview: Path | None = None
    remote: RemoteFolder | None = None

    def perform(self, observer: FrameObserver | None = None) -> ClipResult:
        """Do it."""
        return track_clip(self, observer)

    def load(self) -> PoseTracker:
        """The tracker. That of the last task stays loaded in the process, for the next task with the same one."""
        made = _loaded(self.tracker, self.compute)
        made.stopwatch.clear()
        return made


@dataclass(frozen=True, kw_only=True)
class ClipResult:
    """What has become of a task.

    Attributes:
        status: ``interrupted``: somebody wanted it to end; it is as if it had not begun.
        error: Why it has failed, a sentence.
        cause: What is to blame.
        trace: Of an error that nobody expected.
        partial: The clip breaks off: it counts as failed, and the files hold what could be read.
        warning: What the files of a clip that is done lack.
        frames, people, tracks: Frames tracked, most people in one frame, different people.
        seconds: By the clock, from opening the clip to the files' being safe on the disk.
        source_fps: Nominal frames per second; None if unknown.
        outputs: ``video`` or a format's name -> its file, all complete.
        output_bytes: Their sizes.
    """

    status: Literal["done", "failed", "interrupted"]
    error: str | None = None
    cause: Cause | None = None
    trace: str | None = None
    partial: bool = False
    warning: str | None = None
    frames: int = 0
    people: int = 0
    tracks: int = 0
    seconds: float = 0.0
    source_fps: float | None = None
    outputs: dict[str, Path] = field(default_factory=dict)
    output_bytes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def failed(cls, error: str, cause: Cause, trace: str | None = None) -> ClipResult:
        """Of a task that has left no files."""
        return cls(status="failed", error=error, cause=cause, trace=trace)


FrameObserver = Callable[[int, int | None], None]
"""Is told of frames done and frames in all (an estimate, None if unknown), after each frame."""


def track_clip(task: ClipTask, observer: FrameObserver | None = None) -> ClipResult:
    """Track one clip. Whatever goes wrong with it is told in the result."""
    return attempted(task, partial(tracked, task, observer))


def attempted(task: ClipTask, work: Callable[[], ClipResult]) -> ClipResult:
    """What comes of a piece of work; of an error, a result that tells it. What is unfinished is removed."""
    started = time.perf_counter()
    try:
        result = work()
    except PoseTrackError as error:
        result = ClipResult.failed(str(error), _cause(error))
    except Exception as error:  # noqa: BLE001 (one clip stops nothing: the sentence and the trace are recorded)
        trace = "".join(traceback.format_exception(error))
        sentence = f"Tracking {task.source} failed unexpectedly: {type(error).__name__}: {error}"
        if is_out_of_memory(error):
            sentence, trace = f"There is not enough memory for {task.source}: give fewer --workers.", ""
        result = ClipResult.failed(sentence, _cause(error), trace or None)
    finally:
        shutil.rmtree(task.unfinished, ignore_errors=True)
    told = result.error and result.error.replace(str(task.unfinished), str(task.folder))
    return replace(result, error=told, seconds=time.perf_counter() - started)


def tracked(task: ClipTask, observer: FrameObserver | None) -> ClipResult:
    """Track one clip; raises whatever goes wrong. Only complete files are given their names."""
    seen: list[SourceInfo] = []

    def observe(info: SourceInfo, summary: RunSummary) -> None:
        if not seen:
            seen.append(info)
        if observer is not None:
            observer(summary.frames, info.frame_count)

    with output_errors(task.unfinished):
        task.unfinished.mkdir(parents=True, exist_ok=True)
    outputs = replace(task.outputs, overwrite=True, show=False)
    with unchanged(task.source, task.content):
        summary = run(
            task.source, task.unfinished,
            tracker=task.load, outputs=outputs, reading=task.reading, observer=observe,
        )  # fmt: skip
    if summary.interrupted:
        return ClipResult(status="interrupted")
    files = outputs.paths(task.folder, task.name)
    if task.overview is not None and task.remote is None:
        written = dict(zip(files, summary.files, strict=True))
        made = unpublished_overview(written, task.source, task.unfinished, task.overview)
        publish(made)
    sizes = dict(zip(files, [path.stat().st_size for path in summary.files], strict=True))
    complete = dict(zip(summary.files, files.values(), strict=True))
    if task.remote is None:
        with output_errors(task.folder):
            task.folder.mkdir(parents=True, exist_ok=True)
        publish(complete)
    else:
        task.remote.upload(complete)
    fps = seen[0].fps if seen else None
    result = ClipResult(
        status="done",
        warning=summary.warning and summary.warning.replace(str(task.unfinished), str(task.folder)),
        frames=summary.frames,
        people=summary.most_people,
        tracks=summary.tracks,
        source_fps=float(fps) if fps else None,
        outputs=files,
        output_bytes=sizes,
    )
    if summary.incomplete is None:
        return result
    error = f"{summary.incomplete} The results hold {summary.frames} frames."
    return replace(result, status="failed", error=error, cause="clip", partial=True)


@lru_cache(maxsize=1)
def _loaded(factory: TrackerFactory, compute: Compute) -> PoseTracker:
    import cv2  # here, because the first import of OpenCV is that of posetrack.video, which explains its faults

    if compute.processors:
        cv2.setNumThreads(compute.processors)
    return factory(compute)


def _cause(error: BaseException) -> Cause:
    if any(_says_disk_full(one) for one in _chain(error)):
        return "disk"
    if isinstance(error, (ConfigError, WeightsError)):
        return "setup"
    passing = isinstance(error, (OutputError, ChangedError)) or not isinstance(error, PoseTrackError)
    return "chance" if passing else "clip"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _says_disk_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return isinstance(error, (OSError, OutputError)) and any(
        words in str(error) for words in ("the disk is full", "disk quota is used up", "No space left on device")
    )
