"""Reads a file of observations, in pieces, and refuses what is damaged, foreign or newer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from posetrack.errors import DataFormatError
from posetrack.observations.header import VERSION, Header
from posetrack.observations.schema import (
    HEADER,
    SCORE_STEPS,
    STEPS_PER_PIXEL,
    flow_pixels,
    schema,
)
from posetrack.skeletons import Skeleton
from posetrack.types import UNLINKED, BoolArray, FloatArray, IntArray, OriginArray, Poses

_LARGEST_ROWS = 20_000_000
"""A day of ten people; more is no file of ours."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Observations:
    """A run of F frames, and the M people in them by frame, with K joints.

    Attributes:
        frames: int64 [F], ascending: the frames' numbers in the source.
        times_s: float64 [F], ascending.
        cuts: bool [F]: a shot begins with the frame.
        cameras: float32 [F, 2, 3], as in ``scene.Scene``; NaN where it was not computed.
        flows: float32 [F, 4, 4, 2], as in ``scene.Scene``.
        starts: int64 [F + 1]: the people of frame f are rows ``starts[f]`` to ``starts[f + 1]``.
        track_ids: int64 [M].
        person_scores: float32 [M].
        boxes: float32 [M, 4] in our pixels, to a sixteenth.
        joints: float32 [M, K, 2] likewise; 0 where a joint is missing.
        scores: float32 [M, K], to 1/255; 0 where a joint is missing.
        origins: uint8 [M, K], as in ``types.Origin``.
        appearance: float32 [M, D]; NaN for people without a descriptor. ``None`` if nobody has one.
        unreported: Those of all frames who are not reported, in frame order.
        unreported_starts: int64 [F + 1], as ``starts``, for them.
    """

    frames: IntArray
    times_s: NDArray[np.float64]
    cuts: BoolArray
    cameras: FloatArray
    flows: FloatArray
    starts: IntArray
    track_ids: IntArray
    person_scores: FloatArray
    boxes: FloatArray
    joints: FloatArray
    scores: FloatArray
    origins: OriginArray
    appearance: FloatArray | None
    unreported: Poses
    unreported_starts: IntArray


class ObservationFile:
    """An open file of observations; a context manager.

    Args:
        path: The file.

    Attributes:
        header: What was tracked, and with what.
        skeleton: The skeleton of its people.
        version: Of its schema.

    Raises:
        DataFormatError: the file is missing, damaged, of another kind, or of a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._stream = path.open("rb")  # pyarrow opens only names that are UTF-8
        except OSError as error:
            raise DataFormatError(
                f"{path} cannot be read ({error.strerror}): check its name and folder."
            ) from error
        try:
            self._file = pyarrow.parquet.ParquetFile(self._stream, page_checksum_verification=True)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError, ValueError) as error:
            self._stream.close()
            raise DataFormatError(
                f"{path} is damaged, cut short or not a file of tracks ({_reason(error)}): track the source again."
            ) from error
        try:
            self.version, self.header, self.skeleton = self._checked_header()
            rows = int(self._file.metadata.num_rows)
            if rows > _LARGEST_ROWS:
                raise self._damaged(f"it claims {rows} rows")
        except BaseException:
            self.close()
            raise

    def pieces(self) -> Iterator[Observations]:
        """The frames, in order, some thousands of people at a time.

        Raises:
            DataFormatError: the file is damaged.
        """
        last_frame, last_s = -1, -np.inf
        for number in range(self._file.num_row_groups):
            try:
                table = self._file.read_row_group(number, use_threads=False)
                piece = _observations(table, self.skeleton)
            except (pyarrow.ArrowException, OSError, ValueError) as error:
                raise self._damaged(_reason(error)) from error
            if not len(piece.frames):
                continue
            if piece.frames[0] <= last_frame or piece.times_s[0] <= last_s:
                raise self._damaged("its frames are not in order")
            last_frame, last_s = int(piece.frames[-1]), float(piece.times_s[-1])
            yield piece

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _checked_header(self) -> tuple[int, Header, Skeleton]:
        text = (self._file.schema_arrow.metadata or {}).get(HEADER)
        if text is None:
            raise DataFormatError(
                f"{self.path} holds no tracks of `posetrack run`: give a file that it wrote (NAME.tracks)."
            )
        version = _version(text)
        if version is None:
            raise self._damaged("its version is missing")
        if version > VERSION:
            raise DataFormatError(
                f"{self.path} was written by a later version of posetrack (schema {version}, this one reads up to "
                f"{VERSION}): update posetrack."
            )
        try:
            header, skeleton = Header.from_json(text)
        except ValueError as error:
            raise self._damaged(_reason(error)) from error
        if not self._file.schema_arrow.remove_metadata().equals(schema(len(skeleton))):
            raise self._damaged("its columns are not those of tracks")
        return version, header, skeleton

    def _damaged(self, reason: str) -> DataFormatError:
        return DataFormatError(f"{self.path} is damaged ({reason}): track the source again.")


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _version(text: bytes) -> int | None:
    try:
        version = json.loads(text)["version"]
    except (ValueError, TypeError, KeyError):
        return None
    return version if isinstance(version, int) else None


def _are_possible(cameras: FloatArray) -> bool:
    """Whether all camera motions that are known can be undone."""
    known = cameras[~np.isnan(cameras).any(axis=(1, 2))].astype(np.float64)
    return bool(np.isfinite(known).all() and (np.abs(np.linalg.det(known[:, :, :2])) > 1e-6).all())


def _observations(table: Any, skeleton: Skeleton) -> Observations:
    """The rows of whole frames. Raises ``ValueError`` for what no tracker writes."""
    width = len(skeleton)
    numbers, times = _numpy(table, "frame"), _numpy(table, "time_s")
    first = np.diff(numbers, prepend=-1) != 0
    given = ~_nulls(table, "track_id")
    nameless = ~given & ~_nulls(table, "box")
    frames, times_s = numbers[first], times[first]
    place = np.cumsum(first) - 1
    if (np.diff(frames) <= 0).any() or not (np.diff(times_s) > 0).all() or (times != times_s[place]).any():
        raise ValueError("its frames are not in order")
    people = table.filter(pyarrow.array(given))
    ids = _numpy(people, "track_id")
    order = np.lexsort((ids, place[given]))
    if ((np.diff(ids[order]) == 0) & (np.diff(place[given][order]) == 0)).any():
        raise ValueError("a person is in a frame twice")
    scenes = table.filter(pyarrow.array(first))
    scores = _rows_of(people, "scores", width)
    origins = _rows_of(people, "origins", width)
    cameras = _scene_rows(scenes, "camera", np.float32(np.nan)).reshape(-1, 2, 3)
    if not np.isfinite(times_s).all() or (origins > 3).any() or not _are_possible(cameras):
        raise ValueError("its numbers are out of range")
    return Observations(
        frames=frames,
        times_s=times_s,
        cuts=scenes["cut"].fill_null(False).to_numpy().astype(np.bool_),
        cameras=cameras,
        flows=flow_pixels(_scene_rows(scenes, "flow", np.int16(-(2**15)))).reshape(-1, 4, 4, 2),
        starts=_starts(place[given], len(frames)),
        track_ids=ids,
        person_scores=_numpy(people, "person_score"),
        boxes=_pixels(_rows_of(people, "box", 4)),
        joints=_pixels(_rows_of(people, "joints", 2 * width)).reshape(-1, width, 2),
        scores=scores.astype(np.float32) / np.float32(SCORE_STEPS),
        origins=origins,
        appearance=_appearance(people),
        unreported=_unreported(table.filter(pyarrow.array(nameless)), skeleton),
        unreported_starts=_starts(place[nameless], len(frames)),
    )


def _starts(places: IntArray, frames: int) -> IntArray:
    """Where the people of each frame start, int64 [F + 1], from the frame of each."""
    counts = np.bincount(places, minlength=frames)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _unreported(people: Any, skeleton: Skeleton) -> Poses:
    width = len(skeleton)
    return Poses(
        boxes=_pixels(_rows_of(people, "box", 4)),
        scores=_numpy(people, "person_score"),
        keypoints=_pixels(_rows_of(people, "joints", 2 * width)).reshape(-1, width, 2),
        keypoint_scores=_rows_of(people, "scores", width).astype(np.float32) / np.float32(SCORE_STEPS),
        track_ids=np.full(len(people), UNLINKED, np.int64),
        skeleton=skeleton,
    )


def _numpy(table: Any, name: str) -> Any:
    """A column without null as an array."""
    column = table[name]
    if column.null_count:
        raise ValueError(f"'{name}' is missing somewhere")
    return column.to_numpy()


def _nulls(table: Any, name: str) -> BoolArray:
    return np.asarray(table[name].is_null().to_numpy(), np.bool_)


def _rows_of(table: Any, name: str, width: int) -> Any:
    """A column of lists as an array [rows, width]."""
    column = table[name].combine_chunks()
    values = column.flatten() if not column.null_count else None
    if values is None or values.null_count:
        raise ValueError(f"'{name}' is missing somewhere")
    return values.to_numpy(zero_copy_only=False).reshape(-1, width)


def _scene_rows(scenes: Any, name: str, unknown: Any) -> Any:
    """A column of lists, one per frame, with ``unknown`` where it is null."""
    column = scenes[name].combine_chunks()
    width = column.type.list_size
    values = np.full((len(column), width), unknown)
    known = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)
    values[known] = column.drop_null().flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    return values


def _pixels(stored: Any) -> FloatArray:
    return np.asarray(stored.astype(np.float64) / STEPS_PER_PIXEL, np.float32)


def _appearance(people: Any) -> FloatArray | None:
    column = people["appearance"].combine_chunks()
    known = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)
    if not known.any():
        return None
    lists = column.drop_null()
    sizes = np.unique(lists.value_lengths().to_numpy())
    if len(sizes) > 1:
        raise ValueError("descriptors have different lengths")
    values = np.full((len(column), int(sizes[0])), np.nan, np.float32)
    values[known] = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, int(sizes[0]))
    return values
