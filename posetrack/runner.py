"""``run``: one source in, annotated video and files of poses out. What ``posetrack run`` does, from Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from posetrack.background import ahead
from posetrack.errors import ConfigError, OutputError
from posetrack.formats import FORMATS
from posetrack.formats.pending import output_errors, output_folder
from posetrack.interruption import Interruption, interruptible
from posetrack.realtime import RealtimeReport
from posetrack.stages import Sink, SourceInfo
from posetrack.stopwatch import Stopwatch
from posetrack.types import Frame, Poses
from posetrack.video import Annotator, AnnotatorConfig, LiveWindow, ReadOptions, Source, VideoSink, open_source

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker

_RESULTS_AHEAD = 4
"""Frames that the tracker may be ahead of drawing and encoding; of a live source one at most."""

_WAITING = "waiting for frames"
"""What a live source's decoding is, as the tracker sees it."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What is written.

    Attributes:
        video: ``NAME_tracked.mp4``, the source with skeletons and identities.
        formats: Files of poses, keys of ``posetrack.formats.FORMATS``.
        overwrite: Replace files of earlier runs; otherwise they are an error.
        show: Also show the annotated frames in a window as they come.
        drawing: What is drawn, and how.
    """

    video: bool = True
    formats: tuple[str, ...] = ("posetrack18",)
    overwrite: bool = False
    show: bool = False
    drawing: AnnotatorConfig = field(default_factory=AnnotatorConfig)

    def __post_init__(self) -> None:
        for name in self.formats:
            if name not in FORMATS:
                raise ConfigError(f"there is no format {name!r}; choose from {', '.join(FORMATS)}.")

    def paths(self, folder: Path, name: str) -> dict[str, Path]:
        """The file of each output (``video`` or a format's name) for a source of that name."""
        paths = {"video": folder / f"{name}_tracked.mp4"} if self.video else {}
        return paths | {kind: folder / f"{name}{FORMATS[kind][0]}" for kind in self.formats}


@dataclass
class RunSummary:
    """What a run has done.

    Attributes:
        frames: Frames tracked and written.
        poses: People, added up over the frames.
        tracks: Different people.
        most_people: Most people in one frame.
        seconds: By the clock, from the first frame to the closed files.
        stages_s: Seconds by the clock in each stage; stages overlap, so they may add up to more.
        files: What was written.
        interrupted: Stopped before the source's end by Ctrl-C or by closing the window.
        incomplete: What the source did not deliver, as a sentence; None if it was whole.
        warning: What the video lacks (its sound), as a sentence; None if nothing.
        realtime: What it took to keep up with a live source; None if all frames were waited for.
    """

    frames: int = 0
    poses: int = 0
    tracks: int = 0
    most_people: int = 0
    seconds: float = 0.0
    stages_s: dict[str, float] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    interrupted: bool = False
    incomplete: str | None = None
    warning: str | None = None
    realtime: RealtimeReport | None = None

    @property
    def dropped(self) -> int:
        """Frames of a live source for which there was no time."""
        return self.realtime.dropped if self.realtime is not None else 0

    @property
    def fps(self) -> float:
        """Frames per second, over everything."""
        return self.frames / self.seconds if self.seconds else 0.0

    def count(self, poses: Poses) -> None:
        """Add a frame. Ids are compact, so the largest tells how many there are."""
        self.frames += 1
        self.poses += len(poses)
        self.most_people = max(self.most_people, len(poses))
        self.tracks = max(self.tracks, int(poses.track_ids.max(initial=-1)) + 1)


class Observer(Protocol):
    """Is told of the progress."""

    def __call__(self, info: SourceInfo, summary: RunSummary) -> None: ...


def run(  # noqa: PLR0913 (what the command line offers)
    source: str | Path,
    output: str | Path = ".",
    *,
    tracker: Callable[[], PoseTracker] | None = None,
    outputs: Outputs | None = None,
    reading: ReadOptions | None = None,
    realtime: bool = False,
    observer: Observer | None = None,
) -> RunSummary:
    """Track one source and write the results.

    Ctrl-C, a closed window or a source that breaks off ends the run early; the files are finished with the
    frames so far. Any other error removes them, and folders that were made for them.

    Args:
        source: A video file, a folder or glob of images, a camera index, or a stream's URL.
        output: Folder of the results; made if it is not there.
        tracker: Makes the tracker, once source and outputs have been checked; None: the preset ``lite``.
        outputs: What is written.
        reading: Which part of the source is read.
        realtime: Keep up with the source, as ``PoseTracker.track`` does; the files hold the frames for which there
            was time.
        observer: Is called after each frame.

    Raises:
        VideoError: the source cannot be opened or decoded.
        OutputError: a file exists, or cannot be written.
    """
    outputs, reading, folder = outputs or Outputs(), reading or ReadOptions(), Path(output)
    with open_source(source, reading) as opened, ExitStack() as stack:
        paths = outputs.paths(folder, opened.info.name)
        stack.enter_context(output_folder(folder))
        _check_names(paths, outputs.overwrite)
        made = tracker() if tracker is not None else _default_tracker()
        summary = RunSummary(files=list(paths.values()), realtime=RealtimeReport() if realtime else None)
        start = time.perf_counter()
        stack.enter_context(output_folder(folder))  # again: another run that failed may have removed it
        interruption = stack.enter_context(interruptible())
        with ResultWriter(paths, opened.info, outputs, reading, made.stopwatch) as writer:
            for frame, poses in _until_interrupted(_results(made, opened, summary), summary, interruption):
                writer.write(frame, poses)
                summary.count(poses)
                if observer is not None:
                    observer(opened.info, summary)
                if writer.stopped:
                    summary.interrupted = True
                    break
        summary.seconds = time.perf_counter() - start
        summary.stages_s = dict(made.stopwatch.wall_s)
        if realtime:
            summary.stages_s[_WAITING] = summary.stages_s.pop("decode", 0.0)
        summary.incomplete, summary.warning = opened.incomplete, writer.warning
    return summary


def _results(tracker: PoseTracker, source: Source, summary: RunSummary) -> Iterator[tuple[Frame, Poses]]:
    if summary.realtime is None:
        return tracker.track(source)
    return tracker.track(source, realtime=summary.realtime)


def _default_tracker() -> PoseTracker:
    from posetrack.pose_tracker import PoseTracker

    return PoseTracker()


def _check_names(paths: dict[str, Path], overwrite: bool) -> None:
    """Refuse to replace earlier results unasked, before any work is done."""
    for path in paths.values():
        with output_errors(path):
            exists = path.exists()
        if exists and not overwrite:
            raise OutputError(f"{path} exists already: give --overwrite to replace it, or another --output.")


def _until_interrupted(
    results: Iterator[tuple[Frame, Poses]], summary: RunSummary, interruption: Interruption
) -> Iterator[tuple[Frame, Poses]]:
    """The results, made ahead in a thread, until their end or until the user wants no more."""
    lead = _RESULTS_AHEAD if summary.realtime is None else 1
    coming = ahead(results, lead)
    try:
        while not interruption.requested:
            try:
                with interruption.waiting():
                    result = next(coming, None)
            except KeyboardInterrupt:
                break
            if result is None:
                return
            yield result
        summary.interrupted = True
    finally:
        with suppress(KeyboardInterrupt), interruption.waiting():
            coming.close()


class ResultWriter:
    """All files of a run, written together; a context manager.

    Left in the ordinary way it finishes every file. Left by an error it removes them all.

    Args:
        paths: The file of each output, from ``Outputs.paths``.
        info: Of the source.
        outputs: What is written.
        reading: Which part of the source is read: the sound begins where the frames do.
        stopwatch: Where the time is added up.

    Raises:
        OutputError: from every method: a file cannot be written, there is no window.
    """

    def __init__(
        self,
        paths: dict[str, Path],
        info: SourceInfo,
        outputs: Outputs,
        reading: ReadOptions,
        stopwatch: Stopwatch,
    ) -> None:
        self._time = stopwatch
        self._sinks: list[tuple[str, Sink]] = []
        self._window: LiveWindow | None = None
        try:
            for kind, path in paths.items():
                if kind == "video":
                    annotator = Annotator(outputs.drawing)
                    sink: Sink = VideoSink(path, info, annotator, start_s=reading.start_s or 0.0)
                else:
                    sink = FORMATS[kind][1](path, info)
                self._sinks.append(("video" if kind == "video" else "files", sink))
            if outputs.show:
                self._window = LiveWindow(info, Annotator(outputs.drawing))
                self._sinks.append(("window", self._window))
        except BaseException:
            self._discard()
            raise

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame to every file."""
        for part, sink in self._sinks:
            with self._time(part):
                sink.write(frame, poses)

    @property
    def stopped(self) -> bool:
        """The user has closed the window: no more frames are wanted."""
        return self._window is not None and self._window.closed

    @property
    def warning(self) -> str | None:
        """What the finished video lacks, as a sentence."""
        return next((sink.warning for _, sink in self._sinks if isinstance(sink, VideoSink)), None)

    def _discard(self) -> None:
        with ExitStack() as all_of_them:  # also those behind one that fails
            for _, sink in self._sinks:
                all_of_them.callback(sink.discard)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._discard()
            return
        try:
            for _, sink in self._sinks:
                with self._time("finish"):
                    sink.close()
        except BaseException:
            self._discard()
            raise
