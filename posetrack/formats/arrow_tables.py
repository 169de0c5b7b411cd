"""The CSV and Parquet tables, by Arrow. In a module of its own, because importing pyarrow takes long."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet

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
"""Columns of both tables. Coordinates are our own: the top-left pixel's centre is (0, 0)."""

_ROWS_PER_GROUP = 50_000


class ArrowTable:
    """Collects the rows of frames into groups of about 50,000 and writes them to a stream.

    Args:
        stream: An open binary file.
        writer: ``csv_writer`` or ``parquet_writer``.
    """

    def __init__(self, stream: BinaryIO, writer: Any) -> None:
        self._writer = writer(stream)
        self._batches: list[Any] = []
        self._rows = 0

    def append(self, frame: Frame, poses: Poses) -> None:
        """Add one frame; nobody in it, no rows."""
        batch = joint_rows(frame, poses)
        self._batches.append(batch)
        self._rows += batch.num_rows
        # frames without people cost memory too, little as it is
        if self._rows >= _ROWS_PER_GROUP or len(self._batches) >= _ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write the rows collected so far."""
        self._writer.write_table(pyarrow.Table.from_batches(self._batches, COLUMNS))
        self._batches.clear()
        self._rows = 0

    def close(self) -> None:
        """Finish the format's own structures; the stream stays open."""
        self._writer.close()


def csv_writer(stream: BinaryIO) -> Any:
    """Writes tables as CSV with a header line."""
    return pyarrow.csv.CSVWriter(stream, COLUMNS, write_options=pyarrow.csv.WriteOptions(quoting_style="none"))


def parquet_writer(stream: BinaryIO) -> Any:
    """Writes tables as row groups of Parquet."""
    return pyarrow.parquet.ParquetWriter(stream, COLUMNS)


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
