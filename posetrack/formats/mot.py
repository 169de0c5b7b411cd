"""MOTChallenge text: ``frame,id,left,top,width,height,confidence,-1,-1,-1``, one line per box.

Frames, people and pixels count from 1; the pixels from the image's corner. Source: https://motchallenge.net
(instructions), and the readers of TrackEval and py-motmetrics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import Annotations, Joints
from posetrack.formats.checks import check_unique_ids
from posetrack.formats.joints import finite, person_boxes
from posetrack.formats.naming import LARGEST_FRAME
from posetrack.formats.results import images_up_to, results_video
from posetrack.skeletons import POSETRACK
from posetrack.types import IntArray

COLUMNS = 7
"""Columns that are read: frame, id, left, top, width, height, confidence."""

_FIRST = 1
_LARGEST_ID = 2**31 - 1
_DECIMALS = 6


def parse_mot(path: Path, text: str, images: list[dict[str, Any]] | None) -> Annotations:
    """MOTChallenge text (ground truth or results) as one video whose people have boxes and no joints.

    Args:
        path: For messages and the video's name.
        text: The file's content.
        images: The video's images. ``None`` makes up all frames to the last.

    Raises:
        DataFormatError: lines without seven numbers, frames below 1 or beyond ``images``, an id twice in a frame.
    """
    frames, ids, boxes, confidences = _parse_table(path, text)
    if images is None:
        images = images_up_to(path.stem, int(frames.max(initial=-1)))
    if len(frames) and not 0 <= frames.min() <= frames.max() < len(images):
        raise DataFormatError(f"{path}: frames must lie between 1 and {len(images)}; correct the first column.")
    shape = (len(frames), len(POSETRACK))
    none = Joints(
        skeleton=POSETRACK,
        xy=np.zeros((*shape, 2)),
        scores=np.full(shape, np.nan),
        present=np.zeros(shape, dtype=bool),
    )
    return results_video(path, images, (frames, ids), none, confidences, boxes)


def mot_lines(video: Annotations, numbers: Sequence[int]) -> Iterator[str]:
    """One line per person.

    People without a box get the extent of their joints; people without a score get 1.

    Args:
        video: The people.
        numbers: [F] the frames' numbers, from 0.

    Raises:
        DataFormatError: a box is too large to compute its size.
    """
    boxes = person_boxes(video)
    sizes = finite(video.path, boxes[:, 2:] - boxes[:, :2])
    values = np.concatenate([boxes[:, :2] + _FIRST, sizes], axis=1)
    scores = np.where(np.isnan(video.person_scores), 1.0, video.person_scores)
    ids = video.track_ids + _FIRST * (video.track_ids >= 0)
    for row, frame in enumerate(video.frames.tolist()):
        box = ",".join(_decimals(value, 2) for value in values[row].tolist())
        yield f"{numbers[frame] + _FIRST},{ids[row]},{box},{_decimals(scores[row], 4)},-1,-1,-1\n"


def _decimals(value: float, least: int) -> str:
    """Six decimals, of which zeros at the end are left out down to the ``least`` number."""
    text = f"{value:.{_DECIMALS}f}"
    return text[: max(len(text.rstrip("0")), len(text) - _DECIMALS + least)]


def _parse_table(path: Path, text: str) -> tuple[IntArray, IntArray, NDArray[np.float64], NDArray[np.float64]]:
    """The content of a file, by ascending frame.

    Returns:
        Frames int64 [N] from 0; track ids int64 [N] from 0 (files with an id 0 already count from 0);
        boxes float64 [N, 4], x1 y1 x2 y2, from the image's corner; confidences float64 [N].

    Raises:
        DataFormatError: a line without seven finite numbers, a frame or an id that is not a whole number in range,
            an id twice in a frame, a box whose end is too large to compute.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    table = _numbers(path, lines)
    whole = (table[:, :2] % 1 == 0) & (np.abs(table[:, :2]) <= (LARGEST_FRAME, _LARGEST_ID))
    if not whole.all():
        line = lines[int(np.flatnonzero(~whole.all(axis=1))[0])][0]
        raise DataFormatError(
            f"{path}, line {line}: frame and id must be whole numbers of at most {LARGEST_FRAME} and "
            f"{_LARGEST_ID}; correct them."
        )
    table = table[np.argsort(table[:, 0], kind="stable")]
    frames, ids = table[:, :2].astype(np.int64).T
    check_unique_ids(path, frames, ids, lambda number: f"frame {frames[number]}")
    corners = table[:, 2:4] - _FIRST
    with np.errstate(over="ignore"):
        boxes = np.concatenate([corners, corners + table[:, 4:6]], axis=1)
    return frames - _FIRST, _track_ids(ids), finite(path, boxes), table[:, 6]


def _numbers(path: Path, lines: list[tuple[int, str]]) -> NDArray[np.float64]:
    """float64 [N, 7] of numbered lines."""
    rows = []
    for number, line in lines:
        try:
            row = [float(cell) for cell in line.split(",")[:COLUMNS]]
        except ValueError:
            row = []
        if len(row) < COLUMNS or not np.isfinite(row).all():
            raise DataFormatError(
                f"{path}, line {number}: MOTChallenge lines are frame,id,left,top,width,height,confidence,... and "
                "all numbers; correct this one."
            )
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(-1, COLUMNS)


def _track_ids(ids: IntArray) -> IntArray:
    counts_from_0 = bool((ids == 0).any())
    return ids if counts_from_0 else ids - _FIRST * (ids > 0)
