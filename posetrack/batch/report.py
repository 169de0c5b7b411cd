"""Writes ``OUT/index.html``, a page of all clips, from the manifest and a small overview file per tracked clip."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from posetrack.batch.manifest import ClipRecord, Manifest
from posetrack.batch.names import OVERVIEWS, PAGE, UNFINISHED, hashed
from posetrack.batch.output import check_folders, may_be_read
from posetrack.errors import DataFormatError, PoseTrackError
from posetrack.files.pending import output_errors
from posetrack.report import ClipOverview, ReportRow, clip_overview, write_report
from posetrack.video.outputs import META, TRACKS

_POSES = ("posetrack18", "posetrack17")
"""Outputs that an overview can be made from, best first."""

_LABELS = {
    "posetrack18": "JSON",
    "posetrack17": "PoseTrack17",
    "coco": "COCO",
    "mot": "MOT",
    "csv": "CSV",
    "parquet": "Parquet",
}

_SHARE_OF_TIME = 0.02
"""Maximum share of the time for rewriting the page during a batch."""


def overview_path(out: Path, clip: str) -> Path:
    """Path of a clip's overview file."""
    return out / OVERVIEWS / f"{hashed(clip)}.json"


def unpublished_overview(
    outputs: Mapping[str, Path], source: Path, unfinished: Path, path: Path
) -> dict[Path, Path]:
    """Make the overview of a clip whose files are complete but not yet published.

    Args:
        outputs: ``video`` or a format's name -> its file.
        source: The clip itself.
        unfinished: The folder of unpublished files.
        path: Destination of the overview, from ``overview_path``. Its folder is made.

    Returns:
        The overview's file -> ``path``, to be published with the others. Empty if it cannot be made; the page
        then makes it later or does without.
    """
    made = unfinished / ".overview"  # has no suffix, so it cannot clash with an output
    try:
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return {made: path} if save_overview(outputs, source, made) is not None else {}
    except PoseTrackError:
        return {}


def save_overview(outputs: Mapping[str, Path], source: Path | None, path: Path) -> ClipOverview | None:
    """Make and save the overview of a tracked clip. Costs about as much as decoding one video frame.

    Args:
        outputs: ``video`` or a format's name -> its file.
        source: The clip itself, which gives the picture if no video was written.
        path: Destination, from ``overview_path``.

    Returns:
        The overview; ``None`` without an output that holds poses by frame (``posetrack18``, ``posetrack17``).

    Raises:
        DataFormatError: the file of poses is missing or damaged.
        OutputError: the overview cannot be written.
    """
    poses = _poses(outputs)
    if poses is None:
        return None
    overview = clip_overview(poses, outputs.get("video", source))
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    overview.save(path)
    return overview


def write_batch_report(out: Path, *, complete: bool = True) -> Path:
    """Write the report page of a batch, which may still be running.

    Args:
        out: The output folder, with its manifest.
        complete: Make overviews that are missing or older than their clip's poses. Otherwise such clips get
            neither picture nor charts.

    Returns:
        Path of the page.

    Raises:
        DataFormatError: the manifest is damaged.
        OutputError: there is no manifest, or the page cannot be written.
    """
    check_folders(out)
    with Manifest.open(out) as manifest:
        records, stored = manifest.clips(), manifest.footage
    footage = None if stored is None else Path(stored)
    rows = [_row(out, record, footage, complete) for record in records]
    title = footage.name if footage is not None and footage.name else "Clips"
    unfinished = out / UNFINISHED / f"report-{os.getpid()}"  # the next batch removes what a crash leaves there
    try:
        with output_errors(out / PAGE):
            unfinished.mkdir(parents=True, exist_ok=True)
        write_report(rows, unfinished / PAGE, title)
        with output_errors(out / PAGE):
            os.replace(unfinished / PAGE, out / PAGE)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        if complete:  # otherwise a running batch needs the folder
            with suppress(OSError):
                unfinished.parent.rmdir()
    return out / PAGE


class LiveReport:
    """Rewrites the page while a batch is running, at little cost.

    Args:
        out: The output folder.
        every_s: Minimum time between two writes; longer if writing is slow.
    """

    def __init__(self, out: Path, every_s: float = 60.0) -> None:
        self._out = out
        self._every_s = every_s
        self._next_s = 0.0

    def refresh(self) -> None:
        """Write the page if it is due. Errors are left to the final report."""
        start_s = time.monotonic()
        if start_s < self._next_s:
            return
        with suppress(PoseTrackError):
            write_batch_report(self._out, complete=False)
        end_s = time.monotonic()
        self._next_s = end_s + max(self._every_s, (end_s - start_s) / _SHARE_OF_TIME)


def _row(out: Path, record: ClipRecord, footage: Path | None, complete: bool) -> ReportRow:
    name = footage.name if record.clip == "." and footage is not None else record.clip
    if record.status != "done" and not (record.status == "failed" and record.partial):
        return ReportRow(clip=name, status=record.status, error=record.error or "")  # any files are out of date
    return ReportRow(
        clip=name,
        status=record.status,
        error=record.error or "",
        warning=record.warning or "",
        frames=record.frames,
        people=record.people,
        tracks=record.tracks,
        seconds=record.seconds,
        fps=record.fps if record.seconds else None,
        links={
            _LABELS.get(kind, kind): Path(path)
            for kind, path in record.outputs.items()
            if kind not in (TRACKS, META)
        },
        overview=_overview(out, record, footage, complete),
    )


def _overview(out: Path, record: ClipRecord, footage: Path | None, complete: bool) -> ClipOverview | None:
    """The saved overview, or a new one if ``complete``; ``None`` if there is none."""
    path = overview_path(out, record.clip)
    outputs = {kind: out / file for kind, file in record.outputs.items() if may_be_read(out / file, out)}
    poses = _poses(outputs)
    if poses is None:
        return None
    if not _is_older(path, poses):
        with suppress(DataFormatError):  # missing or damaged
            kept = ClipOverview.load(path)
            if kept.frames == record.frames:
                return kept
    if not complete:
        return None
    with suppress(PoseTrackError):  # a row without charts is better than no page
        return save_overview(outputs, None if footage is None else footage / record.clip, path)
    return None


def _poses(outputs: Mapping[str, Path]) -> Path | None:
    return next((outputs[kind] for kind in _POSES if kind in outputs), None)


def _is_older(path: Path, other: Path) -> bool:
    """Whether both exist and the first is older. (Results may have been moved away.)"""
    try:
        return path.stat().st_mtime_ns < other.stat().st_mtime_ns
    except OSError:
        return False
