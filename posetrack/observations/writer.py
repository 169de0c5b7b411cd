"""Writes a file of observations frame by frame, in constant memory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from posetrack.errors import DataFormatError
from posetrack.files.pending import PendingFile, output_errors
from posetrack.observations.header import Header
from posetrack.observations.schema import (
    CAMERA_NUMBERS,
    FLOW_NUMBERS,
    HEADER,
    LARGEST_PIXELS,
    flow_steps,
    schema,
    score_steps,
    steps,
)
from posetrack.scene import Scene
from posetrack.skeletons import POSETRACK, Skeleton
from posetrack.types import NO_IMAGE, Frame, Poses

_ROWS_PER_GROUP = 16_384
"""About 2 MB: the memory that writing takes."""

_SPLIT_COLUMNS = ("time_s", "person_score", "box", "joints")
"""Columns whose bytes are stored by place value: the high ones hardly change, and compress to nothing."""


class ObservationSink:
    """A ``Sink`` that keeps what a tracker saw (``schema``).

    Args:
        path: The file. It has its name once it is closed.
        header: What is tracked, and with what.

    Raises:
        OutputError: from every method: the file cannot be written.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self._file = PendingFile(path)
        self._header = header
        self._skeleton: Skeleton | None = None
        self._writer: Any = None
        self._frames: list[tuple[Frame, Poses]] = []
        self._rows = 0

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame. Its ``scene`` is kept, its image is not.

        Raises:
            DataFormatError: a coordinate is no number, or too large for a pixel.
        """
        self._skeleton = self._skeleton or poses.skeleton
        self._frames.append((Frame(frame.index, frame.time_s, NO_IMAGE, frame.scene), poses))
        self._rows += max(_count(poses), 1)
        if self._rows >= _ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Write the rest. The file takes its name."""
        self._flush()
        with output_errors(self._file.path):
            self._writer.close()
        self._file.commit()

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(OSError):
            # pyarrow always finishes its file, at the latest when the writer is garbage-collected
            self._file.clear()
            if self._writer is not None:
                self._writer.close()
        self._file.discard()

    def _flush(self) -> None:
        skeleton = self._skeleton or POSETRACK
        columns = schema(len(skeleton))
        with output_errors(self._file.path):
            if self._writer is None:
                described = columns.with_metadata({HEADER: self._header.to_json(skeleton)})
                self._writer = _writer(self._file.stream, described)
            if self._frames:
                self._writer.write_batch(_rows(self._file.path, self._frames, skeleton, columns))
        self._frames.clear()
        self._rows = 0


def _writer(stream: Any, columns: Any) -> Any:
    split = [f"{name}.list.element" if name in ("box", "joints") else name for name in _SPLIT_COLUMNS]
    return pyarrow.parquet.ParquetWriter(
        stream, columns, compression="zstd", use_dictionary=["cut", "track_id", "origins.list.element"],
        use_byte_stream_split=split, write_page_checksum=True,
    )  # fmt: skip


def _rows(path: Path, frames: list[tuple[Frame, Poses]], skeleton: Skeleton, columns: Any) -> Any:
    """The rows of some frames."""
    counts = np.array([_count(poses) for _, poses in frames])
    rows = np.maximum(counts, 1)
    frame_of_row = np.repeat(np.arange(len(frames)), rows)
    inhabited = np.repeat(counts > 0, rows)
    people = Poses.concatenate([Poses.empty(skeleton), *(_everybody(poses) for _, poses in frames)])
    _check(path, people)
    nameless = np.concatenate(
        [np.arange(count) >= len(poses) for count, (_, poses) in zip(counts, frames, strict=True)]
    )
    first = np.diff(frame_of_row, prepend=-1) > 0
    scenes = [frame.scene for frame, _ in frames]
    scene_rows = first & np.array([scene is not None for scene in scenes])[frame_of_row]
    numbers = np.array([frame.index for frame, _ in frames], np.int64)
    times = np.array([frame.time_s for frame, _ in frames], np.float64)
    count, width = len(people), len(skeleton)
    seen = np.where(people.present[..., None], people.keypoints, 0)
    arrays = [
        pyarrow.array(numbers[frame_of_row]),
        pyarrow.array(times[frame_of_row]),
        *_of_scenes([scene for scene in scenes if scene is not None], scene_rows),
        _spread(pyarrow.array(people.track_ids, mask=nameless), inhabited),
        _spread(pyarrow.array(people.scores), inhabited),
        _spread(_lists(steps(people.boxes), 4), inhabited),
        _spread(_lists(steps(seen).reshape(count, 2 * width), 2 * width), inhabited),
        _spread(_lists(score_steps(people.keypoint_scores), width), inhabited),
        _spread(_lists(people.origin, width), inhabited),
        _spread(_descriptors(people), inhabited),
    ]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=columns)


def _count(poses: Poses) -> int:
    return len(poses) + (0 if poses.unreported is None else len(poses.unreported))


def _everybody(poses: Poses) -> Poses:
    """The people of a frame, and after them those who are not reported, without descriptors."""
    if poses.unreported is None:
        return poses
    others = poses.unreported
    places = (
        np.clip(np.nan_to_num(xy), -LARGEST_PIXELS, LARGEST_PIXELS) for xy in (others.boxes, others.keypoints)
    )
    boxes, keypoints = places  # they must not stop a run: nobody asked for these people
    return Poses.concatenate([poses, others.replace(boxes=boxes, keypoints=keypoints, appearance=None)])


def _check(path: Path, people: Poses) -> None:
    joints = np.where(people.present[..., None], people.keypoints, 0)
    for values in (people.boxes, joints):
        if not (np.abs(values) <= LARGEST_PIXELS).all():
            raise DataFormatError(
                f"{path}: a coordinate of a person is too large for a pixel, or is not a number."
            )


def _of_scenes(scenes: list[Scene], rows: np.ndarray[Any, Any]) -> list[Any]:
    """The columns of the scene, given in ``rows`` and null elsewhere."""
    count = len(scenes)
    cameras = np.array([scene.camera for scene in scenes], np.float32).reshape(count, CAMERA_NUMBERS)
    flows = np.array([flow_steps(scene.flow) for scene in scenes], np.int16).reshape(count, FLOW_NUMBERS)
    cuts = pyarrow.array([scene.cut for scene in scenes], pyarrow.bool_())
    return [_spread(one, rows) for one in (cuts, _lists(cameras, CAMERA_NUMBERS), _lists(flows, FLOW_NUMBERS))]


def _lists(values: np.ndarray[Any, Any], width: int) -> Any:
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.ravel()), width)


def _descriptors(people: Poses) -> Any:
    """A list of numbers for each person; null for those without one."""
    if people.appearance is None:
        return pyarrow.nulls(len(people), pyarrow.list_(pyarrow.float16()))
    given = ~np.isnan(people.appearance).all(axis=1)
    sizes = np.where(given, people.appearance.shape[1], 0)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    values = pyarrow.array(people.appearance[given].astype(np.float16).ravel())
    return pyarrow.ListArray.from_arrays(pyarrow.array(offsets), values, mask=pyarrow.array(~given))


def _spread(values: Any, rows: np.ndarray[Any, Any]) -> Any:
    """The values in the rows that are true, in order; null in the others."""
    if rows.all():
        return values
    places = np.cumsum(rows) - 1
    return values.take(pyarrow.array(places, pyarrow.int64(), mask=~rows))
