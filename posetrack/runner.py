"""``run``: tracks one source, and writes an annotated video and files of poses, as ``posetrack run`` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from posetrack.background import ahead
from posetrack.files.drafts import clear_drafts
from posetrack.files.pending import check_outputs, draft_folder, output_folder, publish
from posetrack.interruption import interruptible
from posetrack.realtime import RealtimeReport
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses
from posetrack.video import ReadOptions, Source, open_source
from posetrack.video.outputs import Outputs as Outputs
from posetrack.video.outputs import ResultWriter

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker

_RESULTS_AHEAD = 4
"""Frames by which the tracker may be ahead of drawing and encoding; at most one for live sources."""

_PATIENCE_S = 3.0
"""Time that frames in progress get to finish after Ctrl-C; a thread that hangs longer is abandoned."""

_WAITING = "waiting for frames"
"""Name of the stage ``decode`` for live sources, whose time is mostly waiting."""


@dataclass
class RunSummary:
    """The outcome of a run.

    Attributes:
        frames: Frames tracked and written.
        poses: People, summed over the frames.
        tracks: Track ids, that is different people.
        most_people: Maximum number of people in one frame.
        seconds: Wall-clock time from the first frame to the closed files.
        stages_s: Wall-clock seconds in each stage; stages overlap, so their sum may be larger.
        files: The files written.
        beside: The files have other names than usual, because earlier results were kept.
        interrupted: Stopped before the source's end by Ctrl-C or by closing the window.
        incomplete: What the source did not deliver, as a sentence; None if it was complete.
        warning: What the video lacks (its sound), as a sentence; None if nothing.
        realtime: How the run kept up with a live source; None without ``realtime``.
    """

    frames: int = 0
    poses: int = 0
    tracks: int = 0
    most_people: int = 0
    seconds: float = 0.0
    stages_s: dict[str, float] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    beside: bool = False
    interrupted: bool = False
    incomplete: str | None = None
    warning: str | None = None
    realtime: RealtimeReport | None = None

    @property
    def dropped(self) -> int:
        """Frames of a live source that were dropped to keep up."""
        return self.realtime.dropped if self.realtime is not None else 0

    @property
    def fps(self) -> float:
        """Frames per second over the whole run."""
        return self.frames / self.seconds if self.seconds else 0.0

    def count(self, poses: Poses) -> None:
        """Add a frame. Track ids have no gaps, so the largest gives their number."""
        self.frames += 1
        self.poses += len(poses)
        self.most_people = max(self.most_people, len(poses))
        self.tracks = max(self.tracks, int(poses.track_ids.max(initial=-1)) + 1)


class RunObserver(Protocol):
    """Called after each frame."""

    def __call__(self, info: SourceInfo, summary: RunSummary) -> None: ...


def run(  # noqa: PLR0913 (what the command line offers)
    source: str | Path,
    output: str | Path = ".",
    *,
    tracker: Callable[[], PoseTracker] | None = None,
    outputs: Outputs | None = None,
    reading: ReadOptions | None = None,
    realtime: bool = False,
    observer: RunObserver | None = None,
) -> RunSummary:
    """Track one source and write the results.

    Ctrl-C, a closed window or a source that breaks off ends the run early; the files are completed with the frames
    so far. Existing results are then kept, and the new files are named ``NAME_interrupted`` or ``NAME_incomplete``
    instead of ``NAME``. Any other error removes the new files and the folders created for them.

    Args:
        source: A video file, a folder or glob of images, a camera index, or a stream's URL.
        output: Folder for the results; created if missing.
        tracker: Creates the tracker after source and outputs have been checked. Defaults to the preset ``lite``.
        outputs: What to write.
        reading: Which part of the source to read.
        realtime: Keep up with the source by dropping frames, as ``PoseTracker.track`` does.
        observer: Called after each frame.

    Raises:
        VideoError: the source cannot be opened or decoded.
        ConfigError: a file to be written is the source.
        OutputError: a file exists, or cannot be written.
        KeyboardInterrupt: Ctrl-C before the first frame; nothing is written.
    """
    outputs, reading, folder = outputs or Outputs(), reading or ReadOptions(), Path(output)
    with ExitStack() as stack, ExitStack() as until_tracked:
        opened = _opened(source, reading)
        until_tracked.callback(opened.close)
        info = opened.info
        stack.enter_context(output_folder(folder))
        _check_outputs(source, info, outputs, folder)
        made = tracker() if tracker is not None else _default_tracker()
        summary = RunSummary(realtime=RealtimeReport() if realtime else None)
        start = time.perf_counter()
        stack.enter_context(output_folder(folder))  # again: a failed run may have removed it meanwhile
        interruption = stack.enter_context(interruptible())
        drafts = stack.enter_context(draft_folder(folder / info.name))
        paths = outputs.paths(drafts, info.name)
        with ResultWriter(paths, info, outputs, reading, made.stopwatch) as writer:
            until_tracked.pop_all()  # from here on, the thread that reads the source closes it
            coming = ahead(_results(made, opened, summary), 1 if realtime else _RESULTS_AHEAD, _PATIENCE_S)
            with closing(interruption.until_requested(coming)) as results:
                for frame, poses in results:
                    writer.write(frame, poses)
                    summary.count(poses)
                    if observer is not None:
                        observer(info, summary)
                    if writer.stopped:
                        interruption.stopped = True
                        break
            summary.interrupted = interruption.stopped
            if summary.interrupted and not summary.frames:
                raise KeyboardInterrupt
        summary.seconds = time.perf_counter() - start
        summary.stages_s = dict(made.stopwatch.wall_s)
        if realtime:
            summary.stages_s[_WAITING] = summary.stages_s.pop("decode", 0.0)
        summary.incomplete = opened.incomplete
        summary.warning = writer.warning and writer.warning.replace(str(drafts), str(folder))
        _give_names(paths, outputs, folder, info.name, summary)
    return summary


def _opened(source: str | Path, reading: ReadOptions) -> Source:
    """The source. Streams are opened in a thread, so that Ctrl-C need not wait for a silent server."""
    if not (isinstance(source, str) and "://" in source):
        return open_source(source, reading)
    opening = ahead((open_source(source, reading) for _ in range(1)), 1, _PATIENCE_S)
    opened = next(opening)
    opening.close()
    return opened


def _check_outputs(source: str | Path, info: SourceInfo, outputs: Outputs, folder: Path) -> None:
    """Before any work: refuse to replace the source, or earlier results without ``overwrite``."""
    inputs = [Path(text) for text in (source, info.path) if text is not None]
    check_outputs(outputs.paths(folder, info.name).values(), overwrite=outputs.overwrite, inputs=inputs)
    clear_drafts([folder / info.name])


def _results(tracker: PoseTracker, source: Source, summary: RunSummary) -> Iterator[tuple[Frame, Poses]]:
    """Every frame and its people. Closes the source in the thread that reads it, never during a read."""
    with source:
        if summary.realtime is None:
            yield from tracker.track(source)
        else:
            yield from tracker.track(source, realtime=summary.realtime)


def _give_names(drafts: dict[str, Path], outputs: Outputs, folder: Path, name: str, summary: RunSummary) -> None:
    """Give complete files their names. Only complete runs replace earlier results; other files go beside them."""
    whole = not summary.interrupted and summary.incomplete is None
    word = "interrupted" if summary.interrupted else "new" if whole else "incomplete"
    others = (f"{name}_{word}{number if number > 1 else ''}" for number in count(1))
    for given in chain([name], others):
        files = outputs.paths(folder, given)
        replace = whole and outputs.overwrite
        if publish({draft: files[kind] for kind, draft in drafts.items()}, replace=replace):
            summary.files, summary.beside = list(files.values()), given != name
            return


def _default_tracker() -> PoseTracker:
    from posetrack.pose_tracker import PoseTracker

    return PoseTracker()
