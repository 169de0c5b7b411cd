"""``OUT/index.html``: a page over all clips, from the manifest and one small file for each tracked clip."""

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

_POSES = ("posetrack18", "posetrack17")
"""Outputs that an overview can be made from, the best first."""

_LABELS = {
    "posetrack18": "JSON",
    "posetrack17": "PoseTrack17",
    "coco": "COCO",
    "mot": "MOT",
    "csv": "CSV",
    "parquet": "Parquet",
}

_SHARE_OF_TIME = 0.02
"""That a page kept up to date may take."""


def overview_path(out: Path, clip: str) -> Path:
    """Where the overview of a clip is kept."""
    return out / OVERVIEWS / f"{hashed(clip)}.json"


def unpublished_overview(
    outputs: Mapping[str, Path], source: Path, unfinished: Path, path: Path
) -> dict[Path, Path]:
    """Make the overview of a clip whose files are complete but do not have their names yet.

    Args:
        outputs: ``video`` or a format's name -> its file.
        source: The clip itself.
        unfinished: The folder of files without their names.
        path: Where the overview is to be kept, from ``overview_path``; its folder is made.

    Returns:
        The overview's file -> ``path``, to be given its name with the others; empty if there is none: the page
        does without, or makes it up.
    """
    made = unfinished / ".overview"  # without an ending, which all outputs have
    try:
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return {made: path} if save_overview(outputs, source, made) is not None else {}
    except PoseTrackError:
        return {}


def save_overview(outputs: Mapping[str, Path], source: Path | None, path: Path) -> ClipOverview | None:
    """Make and keep the overview of a clip that has been tracked; costs about one decoded frame of video.

    Args:
        outputs: ``video`` or a format's name -> its file.
        source: The clip itself: where the picture is taken from if there is no video among the outputs.
        path: Where it is kept, from ``overview_path``.

    Returns:
        The overview; None if no output tells who is in which frame (``posetrack18`` or ``posetrack17``).

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
    """Write the page over the output folder of a batch, also while the batch is running.

    Args:
        out: The output folder, with its manifest.
        complete: Make the overviews that are missing, or older than their clip's poses; otherwise such clips
            have neither picture nor charts on this page.

    Returns:
        The page.

    Raises:
        DataFormatError: the manifest is damaged.
        OutputError: there is no manifest, or the page cannot be written.
    """
    check_folders(out)
    with Manifest.open(out) as manifest:
        records, told = manifest.clips(), manifest.footage
    footage = None if told is None else Path(told)
    rows = [_row(out, record, footage, complete) for record in records]
    title = footage.name if footage is not None and footage.name else "Clips"
    unfinished = (
        out / UNFINISHED / f"report-{os.getpid()}"
    )  # what is cut off there is cleaned up by the next batch
    try:
        with output_errors(out / PAGE):
            unfinished.mkdir(parents=True, exist_ok=True)
        write_report(rows, unfinished / PAGE, title)
        with output_errors(out / PAGE):
            os.replace(unfinished / PAGE, out / PAGE)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        if complete:  # else a batch is running, which needs the folder
            with suppress(OSError):
                unfinished.parent.rmdir()
    return out / PAGE


class LiveReport:
    """Keeps the page up to date while a batch is running, without taking much of its time.

    Args:
        out: The output folder.
        every_s: The page is written at most this often, and less often if that takes long.
    """

    def __init__(self, out: Path, every_s: float = 60.0) -> None:
        self._out = out
        self._every_s = every_s
        self._next_s = 0.0

    def refresh(self) -> None:
        """Write the page if it is time to. A page that cannot be written is left to the end of the batch."""
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
        return ReportRow(
            clip=name, status=record.status, error=record.error or ""
        )  # files of an earlier try, if any
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
        links={_LABELS.get(kind, kind): Path(path) for kind, path in record.outputs.items()},
        overview=_overview(out, record, footage, complete),
    )


def _overview(out: Path, record: ClipRecord, footage: Path | None, complete: bool) -> ClipOverview | None:
    """The kept overview, else one made now if that is wanted; None where the files do not allow it."""
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
    """Whether both are there, and the first is older. (Results may have been moved elsewhere.)"""
    try:
        return path.stat().st_mtime_ns < other.stat().st_mtime_ns
    except OSError:
        return False
