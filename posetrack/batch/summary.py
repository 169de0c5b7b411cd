"""Writes ``OUT/summary.csv``, one line per clip."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from posetrack.batch.manifest import ClipRecord
from posetrack.files.drafts import clear_drafts
from posetrack.files.pending import write_file
from posetrack.files.text import csv_table

COLUMNS = ("clip", "frames", "people", "tracks", "seconds", "fps", "status", "error")
"""``people``: most in one frame. ``seconds``: wall time. ``fps``: frames tracked per second."""


def write_summary(records: Iterable[ClipRecord], path: Path) -> None:
    """Write the file as UTF-8 CSV, atomically. Text that a spreadsheet would read as a formula is escaped.

    Raises:
        OutputError: it cannot be written.
    """
    clear_drafts([path])
    write_file(path, csv_table([COLUMNS, *map(_row, records)]))


def _row(record: ClipRecord) -> list[object]:
    seconds, fps = f"{record.seconds:.3f}", f"{record.fps:.2f}"
    counts = (record.frames, record.people, record.tracks)
    return [record.clip, *counts, seconds, fps, record.status, record.error or ""]
