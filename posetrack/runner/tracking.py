"""``run``: one source in, files out, in two passes where the source can be read twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posetrack.background import ahead
from posetrack.errors import OutputError
from posetrack.files.drafts import clear_drafts
from posetrack.files.pending import check_outputs, draft_folder, output_folder
from posetrack.interruption import Interruption, interruptible
from posetrack.provenance.meta import IN_PYTHON, Repetition
from posetrack.realtime import RealtimeReport
from posetrack.refine.second_pass import RefineConfig
from posetrack.runner.job import Job
from posetrack.runner.naming import Names
from posetrack.runner.summary import RunObserver, RunSummary, goes_on_from, made_with
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses
from posetrack.video import ReadOptions, Source, open_source
from posetrack.video.outputs import META, TRACKS, Outputs, ResultWriter

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker

_RESULTS_AHEAD = 4
"""Frames by which the tracker may be ahead of drawing and encoding; at most one for live sources."""

_PATIENCE_S = 3.0
"""Time that frames in progress get to finish after Ctrl-C; a thread that hangs longer is abandoned."""

_WAITING = "waiting for frames"
"""Name of the stage ``decode`` for live sources, whose time is mostly waiting."""


def run(  # noqa: PLR0913 (what the command line offers)
    source: str | Path,
    output: str | Path = ".",
    *,
    name: str | None = None,
    source_name: str | None = None,
    tracker: Callable[[], PoseTracker] | None = None,
    outputs: Outputs | None = None,
    reading: ReadOptions | None = None,
    realtime: bool = False,
    online: bool = False,
    refine: RefineConfig | None = None,
    repetition: Repetition = IN_PYTHON,
    observer: RunObserver | None = None,
    second_observer: RunObserver | None = None,
) -> RunSummary:
    """Track one source and write the results.

    Files, folders and globs of images are tracked in two passes: the first keeps what it sees
    (``NAME.tracks``), the second refines it with the whole clip in view (``refine.second_pass``) and draws. Live
    sources have one pass.

    Ctrl-C, a closed window or a source that breaks off ends the first pass early; the files are completed with the
    frames so far. Existing results are then kept, and the new files are named ``NAME_interrupted`` or
    ``NAME_incomplete`` instead of ``NAME``. Ctrl-C in the second pass leaves the observations, from which
    ``posetrack refine`` goes on, and so does an error, which then has a note that says so. Any other error removes
    the new files and the folders created for them.

    Args:
        source: A video file, a folder or glob of images, a camera index, or a stream's URL.
        output: Folder for the results; created if missing.
        name: What the names of the files begin with. Defaults to the source's name.
        source_name: What the files call the source, such as footage that was renamed after an earlier run.
            Defaults to its own name.
        tracker: Creates the tracker after source and outputs have been checked. Defaults to the preset ``lite``.
        outputs: What to write.
        reading: Which part of the source to read.
        realtime: Keep up with the source by dropping frames, as ``PoseTracker.track`` does.
        online: Write what came frame by frame, without a second pass, as for live sources.
        refine: How to refine. Defaults to ``RefineConfig()``. Live sources and ``realtime`` take its One-Euro
            filter alone, which smooths what is written and shown, but not the observations.
        repetition: How ``posetrack verify`` repeats the run, for ``NAME.meta.json``.
        observer: Called after each frame of the first pass.
        second_observer: Called when the second pass begins, and after each frame that it has drawn.

    Raises:
        VideoError: the source cannot be opened or decoded.
        ConfigError: a file to be written is the source; or ``refine`` is given and cannot be kept, or needs a
            second pass where there is none.
        OutputError: a file exists, or cannot be written.
        KeyboardInterrupt: Ctrl-C before the first frame; nothing is written.
    """
    job = Job.checked(source, output, outputs, reading, online=online or realtime, refine=refine)
    with ExitStack() as stack, ExitStack() as until_tracked:
        opened = _opened(source, job.reading)
        until_tracked.callback(opened.close)
        info = opened.info if source_name is None else replace(opened.info, name=source_name)
        job.check(info, refine)
        stack.enter_context(output_folder(job.folder))
        name = name or info.name
        _check_outputs(source, info, job.outputs, job.folder / name)
        made = tracker() if tracker is not None else _default_tracker()
        summary = RunSummary(realtime=RealtimeReport() if realtime else None)
        start = time.perf_counter()
        stack.enter_context(output_folder(job.folder))  # again: a failed run may have removed it meanwhile
        interruption = stack.enter_context(interruptible())
        drafts = stack.enter_context(draft_folder(job.folder / name))
        writer = job.writer(drafts, info, made)
        with writer:
            until_tracked.pop_all()  # from here on, the thread that reads the source closes it
            _track(made, opened, writer, summary, interruption, observer)
        summary.incomplete, summary.warning = opened.incomplete, writer.warning
        names = Names(job.outputs, job.folder, name, summary)
        job.finish(drafts, names, info, made, summary, second_observer)
        job.describe(drafts, names, info, made_with(made), summary, repetition)
        summary.compare(job.outputs.formats)
        _sum_up(summary, made, time.perf_counter() - start, drafts, job.folder)
    return summary


def _track(
    tracker: PoseTracker,
    source: Source,
    writer: ResultWriter,
    summary: RunSummary,
    interruption: Interruption,
    observer: RunObserver | None,
) -> None:
    """The first pass: every frame to every file."""
    live = summary.realtime is not None
    coming = ahead(_results(tracker, source, summary), 1 if live else _RESULTS_AHEAD, _PATIENCE_S)
    with closing(interruption.until_requested(coming)) as results:
        for frame, poses in results:
            writer.write(frame, poses)
            summary.count(poses)
            if observer is not None:
                observer(source.info, summary)
            if writer.stopped:
                interruption.stopped = True
                break
    summary.interrupted = interruption.stopped
    if summary.interrupted and not summary.frames:
        raise KeyboardInterrupt


def _sum_up(summary: RunSummary, tracker: PoseTracker, seconds: float, drafts: Path, folder: Path) -> None:
    summary.seconds, summary.stages_s = seconds, dict(tracker.stopwatch.wall_s)
    if summary.realtime is not None:
        summary.stages_s[_WAITING] = summary.stages_s.pop("decode", 0.0)
    summary.warning = summary.warning and summary.warning.replace(str(drafts), str(folder))


def _opened(source: str | Path, reading: ReadOptions) -> Source:
    """The source. Streams are opened in a thread, so that Ctrl-C need not wait for a silent server."""
    if not (isinstance(source, str) and "://" in source):
        return open_source(source, reading)
    opening = ahead((open_source(source, reading) for _ in range(1)), 1, _PATIENCE_S)
    opened = next(opening)
    opening.close()
    return opened


def _check_outputs(source: str | Path, info: SourceInfo, outputs: Outputs, stem: Path) -> None:
    """Before any work: refuse to replace the source, or earlier results without ``overwrite``."""
    inputs = [Path(text) for text in (source, info.path) if text is not None]
    paths = outputs.paths(stem.parent, stem.name)
    kept = paths.get(TRACKS)
    there = {kind for kind, path in paths.items() if os.path.exists(path)}
    if kept is not None and TRACKS in there <= {TRACKS, META} and not outputs.overwrite:
        raise OutputError(f"{kept} exists already. {goes_on_from(kept)} Or give --overwrite to track again.")
    check_outputs(paths.values(), overwrite=outputs.overwrite, inputs=inputs)
    clear_drafts([stem])


def _results(tracker: PoseTracker, source: Source, summary: RunSummary) -> Iterator[tuple[Frame, Poses]]:
    """Every frame and its people. Closes the source in the thread that reads it, never during a read."""
    with source:
        if summary.realtime is None:
            yield from tracker.track(source)
        else:
            yield from tracker.track(source, realtime=summary.realtime)


def _default_tracker() -> PoseTracker:
    from posetrack.pose_tracker import PoseTracker

    return PoseTracker()
