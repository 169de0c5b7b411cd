"""``OUT/summary.csv``: a line for each clip."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from posetrack.batch.manifest import ClipRecord
from posetrack.formats.pending import PendingFile

COLUMNS = ("clip", "frames", "people", "tracks", "seconds", "fps", "status", "error")
"""``people``: most in a frame. ``seconds``: by the clock. ``fps``: frames tracked per second."""


def write_summary(records: Iterable[ClipRecord], path: Path) -> None:
    """Write the file, UTF-8 CSV, replacing an earlier one at once.

    Raises:
        OutputError: it cannot be written.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for record in records:
        seconds, fps = f"{record.seconds:.3f}", f"{record.fps:.2f}"
        counts = (record.frames, record.people, record.tracks)
        rows.writerow([record.clip, *counts, seconds, fps, record.status, record.error or ""])
    file = PendingFile(path)
    try:
        file.write(text.getvalue().encode())
        file.commit()
    finally:
        file.discard()
