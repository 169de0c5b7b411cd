"""The task of tracking one clip, which any process on any computer with the same paths can perform."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from posetrack.batch.causes import Cause, cause_of
from posetrack.batch.identity import unchanged
from posetrack.batch.remote import RemoteFolder
from posetrack.batch.report import unpublished_overview
from posetrack.errors import ConfigError, PoseTrackError, is_out_of_memory
from posetrack.files.pending import output_errors, publish
from posetrack.models.engines import Engine, check_threads_and_seed
from posetrack.provenance.meta import IN_PYTHON, Repetition
from posetrack.ranges import require_kinds
from posetrack.refine.second_pass import RefineConfig
from posetrack.runner import Outputs, RunSummary, run
from posetrack.runner.summary import goes_on_from
from posetrack.stages import SourceInfo
from posetrack.video import ReadOptions
from posetrack.video.identity import Identity
from posetrack.video.outputs import TRACKS

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker
    from posetrack.presets import Preset


@dataclass(frozen=True, kw_only=True)
class Compute:
    """The hardware that networks use, and the random seed.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        threads: Processor threads per network. 0 uses half of the processors.
        processors: Processors for everything else. 0 uses all.
        seed: Seed of torch's and OpenCV's random numbers.
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
    """Makes the tracker in a worker, to which it is pickled: a module-level function, or a hashable object such as
    ``PresetTracker``.
    """

    def __call__(self, compute: Compute, /) -> PoseTracker:
        """A tracker that runs on these processors or this GPU."""
        ...

    def __hash__(self) -> int:
        """A worker keeps one tracker per factory."""
        ...


@dataclass(frozen=True)
class PresetTracker:
    """Makes trackers from a preset.

    Attributes:
        preset: Networks and settings.
        precision: ``auto``, ``fp32``, ``fp16`` or ``bf16``.
        compile: Compile the networks with ``torch.compile``.
        models_dir: Folder of downloaded weights. Defaults to ``ModelStore``'s.
        engine: ``torch``, ``onnxruntime`` or ``openvino``.
    """

    preset: Preset
    precision: str = "auto"
    compile: bool = False
    models_dir: Path | None = None
    engine: Engine = "torch"

    def __call__(self, compute: Compute) -> PoseTracker:
        """A tracker with its networks loaded."""
        from posetrack.pose_tracker import PoseTracker

        return PoseTracker(
            self.preset, device=compute.device, precision=self.precision, compile=self.compile,
            models_dir=self.models_dir, threads=compute.threads, seed=compute.seed, engine=self.engine,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ClipTask:
    """Everything needed to track one clip.

    Attributes:
        clip: Name of the clip: its path in the footage.
        source: The video, or folder of images.
        folder: Folder of the results. Made if missing.
        name: Stem of the results' files, before ``_tracked.mp4`` and ``.json``.
        unfinished: A folder for this attempt only, on the same disk as ``folder``. Files are written there and
            moved when all are complete. Removed at the end.
        reading: The part of the clip to read.
        outputs: The files to write. Existing ones are replaced.
        tracker: Makes the tracker.
        compute: Where networks run.
        refine: How the second pass refines; ``None`` leaves it out.
        repetition: How ``posetrack verify`` repeats the run.
        content: The source's expected fingerprint; the task fails if it has changed. ``None`` accepts any.
        overview: Destination of the overview for the report page. ``None`` writes none.
        remote: Where the results go instead of ``folder``, which mirrors it.
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
    refine: RefineConfig | None = field(default_factory=RefineConfig)
    repetition: Repetition = IN_PYTHON
    content: Identity | None = None
    overview: Path | None = None
    remote: RemoteFolder | None = None

    def perform(self, observer: FrameObserver | None = None) -> ClipResult:
        """Track the clip."""
        return track_clip(self, observer)

    def load(self) -> PoseTracker:
        """The tracker. It stays loaded in the process for the next task with the same settings."""
        made = _loaded(self.tracker, self.compute)
        made.stopwatch.clear()
        return made


@dataclass(frozen=True, kw_only=True)
class ClipResult:
    """The outcome of a task.

    Attributes:
        status: ``interrupted`` means that the user stopped it; it counts as never started.
        error: Why it failed, as a sentence.
        cause: Why it failed, for the coordinator.
        trace: Traceback of an unexpected error.
        partial: The clip ends early: it counts as failed, and the files hold what could be read.
        warning: What the files of a done clip lack.
        frames, people, tracks: Frames tracked, most people in one frame, different people.
        seconds: Wall time, from opening the clip until the files are safely on disk.
        source_fps: Nominal frames per second; ``None`` if unknown.
        outputs: ``video`` or a format's name -> its complete file.
        output_bytes: Sizes of the outputs.
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

    @property
    def is_whole(self) -> bool:
        """Whether the outputs hold everything that can be read of the clip."""
        return self.status == "done" or self.partial

    @classmethod
    def failed(cls, error: str, cause: Cause, trace: str | None = None) -> ClipResult:
        """The result of a task that left no files."""
        return cls(status="failed", error=error, cause=cause, trace=trace)


FrameObserver = Callable[[int, int | None], None]
"""Called after each frame with the frames done and the total (an estimate; ``None`` if unknown)."""


def track_clip(task: ClipTask, observer: FrameObserver | None = None) -> ClipResult:
    """Track one clip. Errors are reported in the result."""
    return attempted(task, partial(tracked, task, observer))


def attempted(task: ClipTask, work: Callable[[], ClipResult]) -> ClipResult:
    """Do the work, turn errors into a result, and remove unfinished files."""
    started = time.perf_counter()
    try:
        result = work()
    except PoseTrackError as error:
        result = ClipResult.failed(str(error), cause_of(error))
    except Exception as error:  # noqa: BLE001 (one clip stops nothing: the sentence and the trace are recorded)
        trace = "".join(traceback.format_exception(error))
        sentence = f"Tracking {task.source} failed unexpectedly: {type(error).__name__}: {error}"
        if is_out_of_memory(error):
            sentence, trace = f"There is not enough memory for {task.source}: use fewer --workers.", ""
        result = ClipResult.failed(sentence, cause_of(error), trace or None)
    finally:
        shutil.rmtree(task.unfinished, ignore_errors=True)
    message = result.error and result.error.replace(str(task.unfinished), str(task.folder))
    return replace(result, error=message, seconds=time.perf_counter() - started)


def tracked(task: ClipTask, observer: FrameObserver | None) -> ClipResult:
    """Track one clip and publish its files when all are complete. Raises on errors."""
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
        try:
            summary = run(
                task.source, task.unfinished,
                name=task.name, tracker=task.load, outputs=outputs, reading=task.reading,
                online=task.refine is None, refine=task.refine, repetition=task.repetition,
                observer=observe, second_observer=observe,
            )  # fmt: skip
        except ConfigError as error:
            return _without_second_pass(task, error)
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
    shortened = f"{summary.incomplete} The results hold {summary.frames} frames."
    return replace(result, status="failed", error=shortened, cause="clip", partial=True)


def _without_second_pass(task: ClipTask, error: ConfigError) -> ClipResult:
    """The result of a clip whose second pass cannot keep what was asked for: its raw tracks.

    Raises the error if there are none, if results belong on another computer, or if earlier results are there.
    """
    written = task.outputs.paths(task.unfinished, task.name).get(TRACKS)
    kept = task.outputs.paths(task.folder, task.name).get(TRACKS)
    if task.remote is not None or written is None or kept is None or not written.exists():
        raise error
    with output_errors(task.folder):
        task.folder.mkdir(parents=True, exist_ok=True)
    if not publish({written: kept}, replace=False):
        raise error
    result = ClipResult.failed(f"{error} {goes_on_from(kept)}", cause_of(error))
    return replace(result, outputs={TRACKS: kept}, output_bytes={TRACKS: kept.stat().st_size})


@lru_cache(maxsize=1)
def _loaded(factory: TrackerFactory, compute: Compute) -> PoseTracker:
    import cv2  # here: posetrack.video must import OpenCV first, to explain its faults

    if compute.processors:
        cv2.setNumThreads(compute.processors)
    return factory(compute)
