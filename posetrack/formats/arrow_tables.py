"""CSV and Parquet through Arrow. A module of its own, because importing pyarrow is slow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from posetrack.errors import DataFormatError
from posetrack.formats import found
from posetrack.formats.annotations import Annotations
from posetrack.formats.checks import check_columns, check_separator, number_or_nan
from posetrack.formats.joints import finite, own_joints
from posetrack.formats.table_content import BOX, NEEDED, present_names
from posetrack.pixels import from_corner
from posetrack.types import IntArray

COLUMNS = pyarrow.schema(
    [
        ("clip", pyarrow.string()),
        ("frame", pyarrow.int64()),
        ("time_s", pyarrow.float64()),
        ("person", pyarrow.int64()),
        ("name", pyarrow.string()),
        ("person_score", pyarrow.float32()),
        ("joint", pyarrow.string()),
        ("x", pyarrow.float32()),
        ("y", pyarrow.float32()),
        ("score", pyarrow.float32()),
        *((name, pyarrow.float32()) for name in BOX),
    ]
)
"""Columns of both tables. Coordinates are ours, also those of boxes: the top-left pixel's centre is (0, 0)."""

WITH_FOUND = pyarrow.schema(
    [*COLUMNS, *((name, pyarrow.string() if name == "origin" else pyarrow.float32()) for name in found.COLUMNS)]
)
"""And those of how joints were found, for sources that say it."""

LARGEST_ROWS = 10**7
"""Parquet files with more rows are refused: they need about 1 GB of memory per million rows."""

_ROWS_PER_GROUP = 50_000
_SPECIAL = frozenset('",\r\n')
"""Characters that a cell of CSV holds only between quotes."""


class ArrowTable:
    """Collects rows into groups of about 50,000 and writes them to a stream.

    Args:
        writer: Of ``csv_writer`` or ``parquet_writer``.
        schema: ``COLUMNS`` or ``WITH_FOUND``, as the writer's.
    """

    def __init__(self, writer: Any, schema: Any = COLUMNS) -> None:
        self._writer, self._schema = writer, schema
        self._batches: list[Any] = []
        self._rows = 0

    def append(self, video: Annotations, numbers: Sequence[int]) -> None:
        """Add the rows of some frames (``joint_rows``)."""
        batch = joint_rows(video, numbers, self._schema)
        self._batches.append(batch)
        self._rows += batch.num_rows
        # batches without rows take memory, too
        if self._rows >= _ROWS_PER_GROUP or len(self._batches) >= _ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write the rows collected so far."""
        self._writer.write_table(pyarrow.Table.from_batches(self._batches, self._schema))
        self._batches.clear()
        self._rows = 0

    def close(self) -> None:
        """Finish the format's own structures; the stream stays open."""
        self._writer.close()


def csv_writer(stream: BinaryIO, texts: Iterable[str], schema: Any = COLUMNS) -> Any:
    """A writer of CSV with a header line. ``texts`` are those in its cells that may need quotes."""
    quoting = "needed" if any(_SPECIAL.intersection(text) for text in texts) else "none"
    return pyarrow.csv.CSVWriter(stream, schema, write_options=pyarrow.csv.WriteOptions(quoting_style=quoting))


def parquet_writer(stream: BinaryIO, schema: Any = COLUMNS) -> Any:
    """A writer of Parquet row groups."""
    return pyarrow.parquet.ParquetWriter(stream, schema)


def joint_rows(video: Annotations, numbers: Sequence[int], schema: Any = COLUMNS) -> Any:
    """A record batch with one row per frame, person and joint in use.

    ``x`` and ``y`` of absent joints are null, as are unknown times, scores and boxes.

    Args:
        video: The people, with joints in their own skeleton.
        numbers: [F] the frames' numbers, from 0.
        schema: ``COLUMNS``, or ``WITH_FOUND`` for a video that says how joints were found.

    Raises:
        DataFormatError: a coordinate is too large for 32 bits.
    """
    joints = own_joints(video)
    slots = joints.skeleton.in_use
    present = joints.present[:, slots].ravel()
    x, y = _floats(video.path, joints.xy[:, slots].reshape(-1, 2).T)
    scores = np.where(present, joints.scores[:, slots].ravel(), 0)
    times = np.array([number_or_nan(image.get("time_s")) for image in video.images], dtype=np.float64)
    names = np.array(joints.skeleton.joints, dtype=object)[slots]

    def of_people(values: Any) -> Any:
        return np.repeat(values, len(slots))

    called = np.array([video.names.get(track_id) for track_id in video.track_ids.tolist()], dtype=object)
    columns = [
        pyarrow.repeat(video.clip, len(video) * len(slots)),
        pyarrow.array(of_people(np.array(numbers, dtype=np.int64)[video.frames])),
        _nullable(of_people(times[video.frames])),
        pyarrow.array(of_people(video.track_ids)),
        pyarrow.array(of_people(called), pyarrow.string()),
        _nullable(_floats(video.path, of_people(video.person_scores))),
        pyarrow.array(np.tile(names, len(video)), pyarrow.string()),
        pyarrow.array(x, mask=~present),
        pyarrow.array(y, mask=~present),
        _nullable(_floats(video.path, scores)),
        *(_nullable(_floats(video.path, of_people(side))) for side in from_corner(video.boxes).T),
    ]
    if schema is WITH_FOUND:
        known = video.found or found.Found.unknown((len(video),), len(joints.skeleton))
        columns += _found_columns(video.path, known, slots)
    return pyarrow.RecordBatch.from_arrays(columns, schema=schema)


def _found_columns(path: Path, known: found.Found, slots: IntArray) -> list[Any]:
    def of_people(values: Any) -> Any:
        return _nullable(_floats(path, np.repeat(values, len(slots))))

    raw_x, raw_y = _floats(path, known.raw[:, slots].reshape(-1, 2).T)
    words = np.array(found.WORDS, dtype=object)[known.origins[:, slots].ravel()]
    return [
        _nullable(raw_x),
        _nullable(raw_y),
        pyarrow.array(words, pyarrow.string(), mask=words == found.WORDS[0]),
        _nullable(_floats(path, known.sds[:, slots].ravel())),
        of_people(known.identity),
        *(of_people(side) for side in from_corner(known.raw_boxes).T),
    ]


def _floats(path: Path, values: Any) -> Any:
    with np.errstate(over="ignore"):
        floats = values.astype(np.float32)
    finite(path, floats[~np.isnan(values)])
    return floats


def _nullable(values: Any) -> Any:
    return pyarrow.array(values, mask=np.isnan(values))


def read_parquet_texts(path: Path) -> dict[str, list[str]]:
    """The columns of a Parquet file as text: numbers as their shortest decimals, null as an empty text.

    Raises:
        DataFormatError: the file is not Parquet or damaged, lacks a column, or has columns of neither numbers nor
            text.
    """
    try:
        file = pyarrow.parquet.ParquetFile(path)
        _check_rows(path, file.metadata.num_rows)
        names = present_names(file.schema_arrow.names)
        check_separator(path, ",".join(names))
        check_columns(path, names, NEEDED)
        table = file.read().rename_columns(names)
        return {
            name: [text or "" for text in pyarrow.compute.cast(column, pyarrow.string()).to_pylist()]
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataFormatError(
            f"{path}: cannot be read as Parquet ({reason}); the file may be cut short: write or download it again."
        ) from error


def _check_rows(path: Path, count: int) -> None:
    if count > LARGEST_ROWS:
        raise DataFormatError(
            f"{path}: the file has {count} rows, and the largest that is read has {LARGEST_ROWS}; write one file "
            "per clip."
        )
