"""Turns values of JSON objects into columns of numbers; errors name the file and the frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import Polygon
from posetrack.types import IntArray

Where = Callable[[int], str]
"""Names the frame of the n-th object of a list, for messages."""

LARGEST_FILE_BYTES = 512 * 2**20
"""Larger files are refused: parsed, they need about ten times their size in memory."""

_SEPARATORS = {";": "semicolons", "\t": "tabs"}
_HUGE = 10**300
_ID_LIMIT = 2**31
_LONGEST_QUOTE = 40


def check_size(path: Path) -> None:
    """Refuse files larger than ``LARGEST_FILE_BYTES``.

    Raises:
        DataFormatError: the file is too large, or not there.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataFormatError(f"{path}: cannot be read ({error.strerror}); check the path.") from error
    if size > LARGEST_FILE_BYTES:
        raise DataFormatError(
            f"{path}: the file has {size / 2**20:.0f} MiB, and the largest that is read has "
            f"{LARGEST_FILE_BYTES / 2**20:.0f}; write one file per video."
        )


def check_separator(path: Path, header: str) -> None:
    """Refuse a table whose first line has no comma, but something else that separates columns.

    Raises:
        DataFormatError: names what separates them.
    """
    for other in (words for mark, words in _SEPARATORS.items() if mark in header and "," not in header):
        raise DataFormatError(
            f"{path}: the columns are separated by {other}; save the file as CSV with commas between columns and "
            "points in numbers, or as Parquet."
        )


def check_columns(path: Path, names: Sequence[str], needed: Sequence[str]) -> None:
    """Refuse a table that lacks a column, or has two of one name.

    Raises:
        DataFormatError: names the column.
    """
    missing = [name for name in needed if name not in names]
    if missing:
        raise DataFormatError(
            f"{path}: there is no column {', '.join(map(repr, missing))}; a table of poses has the columns "
            f"{', '.join(needed)}: add what is missing, or write the file again."
        )
    repeated = next((name for name in names if list(names).count(name) > 1), None)
    if repeated is not None:
        raise DataFormatError(f"{path}: two columns are named {repeated!r}; remove one.")


def member(path: Path, data: Any, key: str, kind: type) -> Any:
    """``data[key]``, which must be of the given kind (``list`` or ``dict``)."""
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, kind):
        raise DataFormatError(
            f"{path}: there is no {kind.__name__} '{key}'; the file is neither PoseTrack18 nor PoseTrack17 "
            "annotations, or it is damaged."
        )
    return value


def rows_of_numbers(path: Path, name: str, rows: Sequence[Any], width: int, where: Where) -> NDArray[np.float64]:
    """float64 [len(rows), width]. ``DataFormatError`` names the first row that is not ``width`` numbers."""
    try:
        array = np.array(rows, dtype=np.float64).reshape(len(rows), -1 if rows else width)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros((len(rows), 0))
    if array.shape[1] != width:
        wrong = ((n, found) for n, row in enumerate(rows) if (found := _wrong(row, width)) is not None)
        number, found = next(wrong, (0, "something else"))
        raise DataFormatError(
            f"{path}, {where(number)}: '{name}' must hold {width} numbers, but has {found}; correct this entry."
        )
    if not np.isfinite(array).all():
        number = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise DataFormatError(
            f"{path}, {where(number)}: '{name}' holds a value that is not a finite number; correct this entry, or "
            "leave it out."
        )
    return array


def boxes_of(path: Path, key: str, people: list[dict[str, Any]], where: Where) -> NDArray[np.float64]:
    """float64 [N, 4], x1 y1 x2 y2, from x y width height; NaN where there is none."""
    given = [number for number, person in enumerate(people) if person.get(key) not in (None, [])]
    boxes = np.full((len(people), 4), np.nan)
    xywh = rows_of_numbers(path, key, [people[n][key] for n in given], 4, lambda row: where(given[row]))
    with np.errstate(over="ignore"):
        boxes[given] = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    for number in np.flatnonzero(np.isinf(boxes).any(axis=1)).tolist():
        raise DataFormatError(
            f"{path}, {where(number)}: '{key}' is too large to compute with; correct this entry."
        )
    return boxes


def _wrong(row: Any, width: int) -> str | None:
    """In a few words, what a row has instead of ``width`` numbers; None if it has them."""
    if not isinstance(row, list):
        return _short(row)
    if len(row) != width:
        return f"{len(row)}"
    return next((_short(value) for value in row if not is_number(value)), None)


def is_number(value: Any) -> bool:
    """Whether numpy can convert it to float64 (None becomes NaN, which is rejected later)."""
    return value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < _HUGE)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."


def polygon(points: Sequence[Any]) -> Polygon:
    """float64 [V, 2] of V pairs of numbers; otherwise ``TypeError``, ``ValueError`` or ``OverflowError``."""
    array = np.array(points, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(array).all():
        raise ValueError("a corner is not finite")
    return array


def track_ids(path: Path, values: Sequence[Any], where: Where, key: str = "track_id") -> IntArray:
    """int64 [N]. Missing ids (``key`` of the file's objects) are an error, as is anything but whole numbers."""
    for number, value in enumerate(values):
        whole = type(value) is int or (isinstance(value, float) and value.is_integer())
        if not whole or abs(value) >= _ID_LIMIT:
            found = f"no '{key}'" if value is None else f"the track id {_short(value)}"
            raise DataFormatError(
                f"{path}, {where(number)}: a person has {found}; give everyone a whole number, the same one in "
                "all frames."
            )
    return np.array(values, dtype=np.int64)


def check_unique_ids(path: Path, frames: IntArray, ids: IntArray, where: Where) -> None:
    """Refuse a track id that appears twice in a frame. ``frames`` and ``ids`` are int64 [N]."""
    order = np.lexsort((ids, frames))
    same = (np.diff(frames[order]) == 0) & (np.diff(ids[order]) == 0)
    if same.any():
        number = int(order[np.flatnonzero(same)[0]])
        raise DataFormatError(
            f"{path}, {where(number)}: two people have the track id {ids[number]}; give them different ids."
        )


def number_or_nan(value: Any) -> float:
    """A number as a float, anything else as NaN."""
    return float(value) if value is not None and is_number(value) else np.nan
