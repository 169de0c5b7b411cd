"""The columns of a file of observations: Parquet, one row per frame and person.

People who are not reported (``Poses.unreported``) have rows without ``track_id``, after the others of their
frame. A frame without people has one row without ``track_id`` and ``box``. What belongs to a frame rather than a
person (``cut``, ``camera``, ``flow``) is in its first row. Lengths are whole sixteenths of a pixel: far below what
is seen, and they compress well.
"""

from __future__ import annotations

import numpy as np
import pyarrow

from posetrack.types import FloatArray, IntArray

STEPS_PER_PIXEL = 16
LARGEST_PIXELS = 1e7
"""Coordinates beyond are refused: no pixel is there."""

SCORE_STEPS = 255

HEADER = b"posetrack.tracks"
"""Key of the header in the file's metadata."""

FLOW_NUMBERS, CAMERA_NUMBERS = 4 * 4 * 2, 2 * 3


def schema(joints: int) -> pyarrow.Schema:
    """The columns for skeletons of so many joints.

    ``joints`` are x and y of each joint (0 where it is missing), ``scores`` go from 0 (missing) to 255, and
    ``origins`` are values of ``types.Origin``. ``flow`` is in sixteenths of a pixel, with the smallest number
    where it is unknown.
    """

    def numbers(kind: pyarrow.DataType, count: int) -> pyarrow.DataType:
        return pyarrow.list_(kind, count)

    return pyarrow.schema(
        [
            pyarrow.field("frame", pyarrow.int64(), nullable=False),
            pyarrow.field("time_s", pyarrow.float64(), nullable=False),
            ("cut", pyarrow.bool_()),
            ("camera", numbers(pyarrow.float32(), CAMERA_NUMBERS)),
            ("flow", numbers(pyarrow.int16(), FLOW_NUMBERS)),
            ("track_id", pyarrow.int64()),
            ("person_score", pyarrow.float32()),
            ("box", numbers(pyarrow.int32(), 4)),
            ("joints", numbers(pyarrow.int32(), 2 * joints)),
            ("scores", numbers(pyarrow.uint8(), joints)),
            ("origins", numbers(pyarrow.uint8(), joints)),
            ("appearance", pyarrow.list_(pyarrow.float16())),
        ]
    )


def steps(pixels: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Pixels as whole sixteenths."""
    return np.rint(pixels.astype(np.float64) * STEPS_PER_PIXEL).astype(np.int32)


def score_steps(scores: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Scores in 0 to 1 as whole numbers; only 0, a missing joint, becomes 0."""
    whole = np.rint(np.clip(scores, 0, 1) * SCORE_STEPS)
    return np.asarray(np.where(scores > 0, np.maximum(whole, 1), 0), np.uint8)


def flow_steps(flow: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """Displacements as whole sixteenths of a pixel; the smallest number where they are unknown."""
    limits = np.iinfo(np.int16)
    bounded = np.clip(np.rint(np.nan_to_num(flow) * STEPS_PER_PIXEL), limits.min + 1, limits.max)
    return np.where(np.isnan(flow), limits.min, bounded).astype(np.int16)


def flow_pixels(stored: IntArray) -> FloatArray:
    """The inverse of ``flow_steps``; NaN where the flow is unknown."""
    unknown = stored == np.iinfo(np.int16).min
    return np.asarray(np.where(unknown, np.nan, stored / STEPS_PER_PIXEL), np.float32)
