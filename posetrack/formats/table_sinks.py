"""Tables: CSV and Parquet (a row per frame, person and joint), and MOTChallenge text."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet

from posetrack.formats.pending import PendingFile, output_errors
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses

COLUMNS = pyarrow.schema(
    [
        ("frame", pyarrow.int64()),
        ("time_s", pyarrow.float64()),
        ("track_id", pyarrow.int64()),
        ("person_score", pyarrow.float32()),
        ("joint", pyarrow.string()),
        ("x", pyarrow.float32()),
        ("y", pyarrow.float32()),
        ("score", pyarrow.float32()),
    ]
)
"""Columns of the CSV and Parquet tables. Coordinates are our own: the top-left pixel's centre is (0, 0)."""

_ROWS_PER_GROUP = 50_000
_MOT_CORNER = 1.5  # MOTChallenge counts from 1, at the image's corner: ours is at -0.5


def joint_rows(frame: Frame, poses: Poses) -> Any:
    """The rows of one frame: people in order, each with the joints in use; x and y null where missing."""
    slots = poses.skeleton.in_use
    count = len(poses) * len(slots)
    missing = ~poses.present[:, slots].ravel()
    names = np.array(poses.skeleton.joints, dtype=object)[slots]
    x, y = poses.keypoints[:, slots].reshape(count, 2).T
    columns = [
        pyarrow.array(np.full(count, frame.index)),
        pyarrow.array(np.full(count, frame.time_s)),
        pyarrow.array(np.repeat(poses.track_ids, len(slots))),
        pyarrow.array(np.repeat(poses.scores, len(slots))),
        pyarrow.array(np.tile(names, len(poses)), pyarrow.string()),
        pyarrow.array(x, mask=missing),
        pyarrow.array(y, mask=missing),
        pyarrow.array(np.where(missing, 0, poses.keypoint_scores[:, slots].ravel()).astype(np.float32)),
    ]
    return pyarrow.RecordBatch.from_arrays(columns, schema=COLUMNS)


class _TableWriter(Protocol):
    def write_table(self, table: Any) -> None: ...

    def close(self) -> None: ...


class _TableSink:
    """Collects rows into groups of about 50,000 and hands them to a pyarrow writer."""

    def __init__(self, file: PendingFile, writer: _TableWriter) -> None:
        self._file = file
        self._writer = writer
        self._batches: list[Any] = []
        self._rows = 0

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame; nobody in it, no rows."""
        batch = joint_rows(frame, poses)
        self._batches.append(batch)
        self._rows += batch.num_rows
        # frames without people cost memory too, little as it is
        if self._rows >= _ROWS_PER_GROUP or len(self._batches) >= _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        with output_errors(self._file.path):
            self._writer.write_table(pyarrow.Table.from_batches(self._batches, COLUMNS))
        self._batches.clear()
        self._rows = 0

    def close(self) -> None:
        """Write the rest; the file takes its name."""
        self._flush()
        with output_errors(self._file.path):
            self._writer.close()
        self._file.commit()

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(OSError):
            # pyarrow insists on finishing its file, at the latest when the writer is forgotten
            self._file.clear()
            self._writer.close()
        self._file.discard()


class CsvSink(_TableSink):
    """CSV with a header line: frame, time_s, track_id, person_score, joint, x, y, score.

    Missing joints have empty x and y and score 0. Frames without people have no rows.
    """

    def __init__(self, path: Path, source: SourceInfo) -> None:
        file = PendingFile(path)
        options = pyarrow.csv.WriteOptions(quoting_style="none")
        super().__init__(file, pyarrow.csv.CSVWriter(file.stream, COLUMNS, write_options=options))


class ParquetSink(_TableSink):
    """Parquet with the columns of the CSV, in row groups; x and y are null where a joint is missing."""

    def __init__(self, path: Path, source: SourceInfo) -> None:
        file = PendingFile(path)
        super().__init__(file, pyarrow.parquet.ParquetWriter(file.stream, COLUMNS))


class MotChallengeSink:
    """MOTChallenge text: ``frame,id,left,top,width,height,confidence,-1,-1,-1``, one line per person.

    Frames, and pixels from the image's top-left corner, count from 1. Joints are not written.
    """

    def __init__(self, path: Path, source: SourceInfo) -> None:
        self._file = PendingFile(path)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame; nobody in it, no lines."""
        boxes = poses.boxes.astype(np.float64)
        corners = boxes[:, :2] + _MOT_CORNER
        sizes = boxes[:, 2:] - boxes[:, :2]
        lines = (
            f"{frame.index + 1},{track_id},{left:.2f},{top:.2f},{width:.2f},{height:.2f},{score:.4f},-1,-1,-1\n"
            for track_id, (left, top), (width, height), score in zip(
                poses.track_ids.tolist(), corners.tolist(), sizes.tolist(), poses.scores.tolist(), strict=True
            )
        )
        self._file.write("".join(lines).encode())

    def close(self) -> None:
        """The file takes its name."""
        self._file.commit()

    def discard(self) -> None:
        """Remove what was written."""
        self._file.discard()
