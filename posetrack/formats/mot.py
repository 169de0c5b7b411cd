"""MOTChallenge text: ``frame,id,left,top,width,height,confidence,-1,-1,-1``, one line per box.

Frames, people and pixels count from 1; the pixels from the image's corner. Source: https://motchallenge.net
(instructions), and the readers of TrackEval and py-motmetrics.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posetrack.errors import DataFormatError
from posetrack.formats.checks import check_unique_ids
from posetrack.types import IntArray

COLUMNS = 7
"""Those that are read: frame, id, left, top, width, height, confidence."""

LARGEST_FRAME = 10**6
"""An image is made up for every frame up to the last, which must therefore have a bound."""

_FIRST = 1
_LARGEST_ID = 2**31 - 1


def mot_frames(frames: IntArray) -> IntArray:
    """Frames, counted from 0, as MOTChallenge counts them."""
    return frames + _FIRST


def mot_ids(track_ids: IntArray) -> IntArray:
    """Track ids, counted from 0, as MOTChallenge counts them; negative ones stand for nobody and stay.

    >>> mot_ids(np.array([0, 7, -1])).tolist()
    [1, 8, -1]
    """
    return track_ids + _FIRST * (track_ids >= 0)


def mot_corners(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points measured from the image's corner, which MOTChallenge calls (1, 1)."""
    return corners + _FIRST


def parse_table(path: Path, text: str) -> tuple[IntArray, IntArray, NDArray[np.float64], NDArray[np.float64]]:
    """The content of a file, by ascending frame.

    Args:
        path: For messages.
        text: The file's content.

    Returns:
        Frames int64 [N] from 0; track ids int64 [N] from 0 (a file in which somebody is 0 counts from 0
        already); boxes float64 [N, 4], x1 y1 x2 y2, from the image's corner; confidences float64 [N].

    Raises:
        DataFormatError: a line without seven finite numbers, a frame or an id that is no whole number in range,
            an id twice in a frame, a box that ends beyond all numbers.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    table = np.empty((0, COLUMNS))
    try:
        if lines:
            table = np.array([line.split(",")[:COLUMNS] for line in lines], dtype=np.float64)
    except ValueError:
        table = np.empty((0, 0))
    if table.shape[1:] != (COLUMNS,) or not np.isfinite(table).all():
        raise DataFormatError(
            f"{path}: MOTChallenge lines are frame,id,left,top,width,height,confidence,...; this is not."
        )
    whole = (table[:, :2] % 1 == 0) & (np.abs(table[:, :2]) <= (LARGEST_FRAME, _LARGEST_ID))
    if not whole.all():
        line = int(np.flatnonzero(~whole.all(axis=1))[0]) + 1
        raise DataFormatError(
            f"{path}: frame and id must be whole numbers of at most {LARGEST_FRAME} and {_LARGEST_ID}, which "
            f"those of entry {line} are not; correct it."
        )
    table = table[np.argsort(table[:, 0], kind="stable")]
    frames, ids = table[:, :2].astype(np.int64).T
    check_unique_ids(path, frames, ids, lambda number: f"frame {frames[number]}")
    corners = table[:, 2:4] - _FIRST
    with np.errstate(over="ignore"):
        boxes = np.concatenate([corners, corners + table[:, 4:6]], axis=1)
    if not np.isfinite(boxes).all():
        raise DataFormatError(f"{path}: a box ends beyond all numbers; correct its width or height.")
    return frames - _FIRST, _track_ids(ids), boxes, table[:, 6]


def _track_ids(ids: IntArray) -> IntArray:
    counts_from_0 = bool((ids == 0).any())
    return ids if counts_from_0 else ids - _FIRST * (ids > 0)
