"""Tables: CSV and Parquet (a row per frame, person and joint), and MOTChallenge text."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np

from posetrack.files.pending import PendingFile, output_errors
from posetrack.formats.mot import mot_corners, mot_frames, mot_ids
from posetrack.pixels import from_centre
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses


class _TableSink:
    """Writes one of Arrow's tables."""

    def __init__(self, path: Path, form: Literal["csv", "parquet"]) -> None:
        # takes a third of a second, which only those pay who want a table
        from posetrack.formats.arrow_tables import ArrowTable, csv_writer, parquet_writer

        self._file = PendingFile(path)
        self._table = ArrowTable(self._file.stream, csv_writer if form == "csv" else parquet_writer)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame; nobody in it, no rows."""
        with output_errors(self._file.path):
            self._table.append(frame, poses)

    def close(self) -> None:
        """Write the rest; the file takes its name."""
        with output_errors(self._file.path):
            self._table.flush()
            self._table.close()
        self._file.commit()

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(OSError):
            # pyarrow insists on finishing its file, at the latest when the writer is forgotten
            self._file.clear()
            self._table.close()
        self._file.discard()


class CsvSink(_TableSink):
    """CSV with a header line: frame, time_s, track_id, person_score, joint, x, y, score.

    Missing joints have empty x and y and score 0. Frames without people have no rows.
    """

    def __init__(self, path: Path, source: SourceInfo) -> None:
        super().__init__(path, "csv")


class ParquetSink(_TableSink):
    """Parquet with the columns of the CSV, in row groups; x and y are null where a joint is missing."""

    def __init__(self, path: Path, source: SourceInfo) -> None:
        super().__init__(path, "parquet")


class MotChallengeSink:
    """MOTChallenge text, one line per person (see ``mot``). Joints are not written."""

    def __init__(self, path: Path, source: SourceInfo) -> None:
        self._file = PendingFile(path)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame; nobody in it, no lines."""
        boxes = poses.boxes.astype(np.float64)
        ids, corners = mot_ids(poses.track_ids), mot_corners(from_centre(boxes[:, :2]))
        sizes = boxes[:, 2:] - boxes[:, :2]
        number = mot_frames(np.array(frame.index))
        lines = (
            f"{number},{track_id},{left:.2f},{top:.2f},{width:.2f},{height:.2f},{score:.4f},-1,-1,-1\n"
            for track_id, (left, top), (width, height), score in zip(
                ids.tolist(),
                corners.tolist(),
                sizes.tolist(),
                poses.scores.tolist(),
                strict=True,
            )
        )
        self._file.write("".join(lines).encode())

    def close(self) -> None:
        """The file takes its name."""
        self._file.commit()

    def discard(self) -> None:
        """Remove what was written."""
        self._file.discard()
