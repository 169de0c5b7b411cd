"""Selects the people and frames to compare, like the official evaluator.

Frames are matched by position. Ground-truth frames without people are dropped together with their
predictions. In frames with ignore regions, joints strictly inside a region are removed from both sides, and
so are people without joints left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.evaluation.ignore_regions import remove_ignored
from posetrack.formats.annotations import MISSING_SCORE, Annotations
from posetrack.types import BoolArray, Doubles, IntArray

TRACK_ID_LIMIT = 10_000
_HEAD_FRACTION = 0.6
_CHUNK_ELEMENTS = 2_000_000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Side:
    """M people of one side of a sequence (ground truth or predictions) in its kept frames, K = 15 joints.

    Attributes:
        source: The file's content.
        rows: int64 [M]: rows of ``source``.
        frames: int64 [M], ascending: number of the person's frame among the kept frames.
        tracks: int64 [M]: number of the person's track, from 0.
        track_ids: int64 [T]: their ids in the file.
        present: bool [M, K].
        starts: int64 [F + 1]: people of kept frame f are rows ``starts[f]:starts[f + 1]``.
    """

    source: Annotations
    rows: IntArray
    frames: IntArray
    tracks: IntArray
    track_ids: IntArray
    present: BoolArray
    starts: IntArray

    @classmethod
    def of(cls, source: Annotations, kept_frames: IntArray, regions: Annotations) -> Side:
        """Select the people of ``source`` in the kept frames; the ignore regions are those of ``regions``."""
        position = np.full(len(source.images), -1)
        position[kept_frames] = np.arange(len(kept_frames))
        present, kept = remove_ignored(source, regions)
        rows = np.flatnonzero((position[source.frames] >= 0) & source.listed & kept)
        ids, tracks = np.unique(source.track_ids[rows], return_inverse=True)
        frames = position[source.frames[rows]]
        return cls(
            source=source,
            rows=rows,
            frames=frames,
            tracks=tracks,
            track_ids=ids,
            present=present[rows],
            starts=np.searchsorted(frames, np.arange(len(kept_frames) + 1)),
        )

    @property
    def counts(self) -> IntArray:
        """int64 [F]: number of people per kept frame."""
        return np.diff(self.starts)

    @property
    def joint_scores(self) -> Doubles:
        """float64 [M, K]; -9999 for joints without a score."""
        scores = self.source.scores[self.rows]
        return np.where(np.isnan(scores), MISSING_SCORE, scores)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sequence:
    """A ground truth and its predictions, ready to compare.

    Attributes:
        name: Name of the sequence.
        frames: int64 [F]: positions of the kept frames in the file.
        truth, prediction: The two sides.
        head_sizes: float64 [M_truth]: 0.6 x the head box's diagonal.
    """

    name: str
    frames: IntArray
    truth: Side
    prediction: Side
    head_sizes: Doubles

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def compared(self) -> BoolArray:
        """bool [F]: frames with people on both sides."""
        return (self.truth.counts > 0) & (self.prediction.counts > 0)


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """Distances in a run of frames, padded to the largest number of people (G in the truth, P predicted).

    Attributes:
        frames: int64 [B]: numbers of the kept frames. All have people on both sides.
        values: float64 [B, K, G, P] in head sizes; infinite where a joint is absent, and in the padding.
        truth: int64 [B, G]: rows of the truth, -1 in the padding.
        prediction: int64 [B, P]: rows of the predictions, -1 in the padding.
    """

    frames: IntArray
    values: Doubles
    truth: IntArray
    prediction: IntArray


def prepare(name: str, truth: Annotations, prediction: Annotations) -> Sequence | None:
    """Prepare a sequence for comparison. Returns None if its ground truth has no people.

    Raises:
        DataFormatError: frame counts differ, a track id is 10,000 or more, a head box is missing in a frame
            with predictions, or an ignore region is degenerate.
    """
    if len(truth.images) != len(prediction.images):
        raise DataFormatError(
            f"{prediction.path}: {len(prediction.images)} frames, but the ground truth {truth.path} has "
            f"{len(truth.images)}; write an entry for every frame, including those without people."
        )
    for side in (truth, prediction):
        _check_track_ids(side)
    kept = np.flatnonzero(truth.people_per_frame())
    if not len(kept):
        return None
    sequence = Sequence(
        name=name,
        frames=kept,
        truth=(people := Side.of(truth, kept, truth)),
        prediction=Side.of(prediction, kept, truth),
        head_sizes=_head_sizes(truth.head_boxes[people.rows]),
    )
    _check_head_boxes(sequence)
    return sequence


def distances(sequence: Sequence) -> Iterator[Distances]:
    """Yield the distances of all pairs (PCKh with head size x 0.6), in runs of frames that fit into memory."""
    frames = np.flatnonzero(sequence.compared)
    while len(frames):
        sizes = sequence.truth.counts[frames], sequence.prediction.counts[frames]
        elements = (
            np.maximum.accumulate(sizes[0]) * np.maximum.accumulate(sizes[1]) * sequence.truth.present.shape[1]
        )
        fitting = int(np.searchsorted(elements * np.arange(1, len(frames) + 1), _CHUNK_ELEMENTS, side="right"))
        count = max(fitting, 1)
        yield _padded_distances(sequence, frames[:count])
        frames = frames[count:]


def _padded_distances(sequence: Sequence, frames: IntArray) -> Distances:
    truth, prediction = _padded_rows(sequence.truth, frames), _padded_rows(sequence.prediction, frames)
    xy_truth, xy_prediction = (
        _padded_joints(sequence.truth, truth),
        _padded_joints(sequence.prediction, prediction),
    )
    difference = xy_truth[..., None] - xy_prediction[..., None, :]
    # heads of size 0 are infinitely far from everything, even from themselves
    with np.errstate(divide="ignore"):
        np.square(difference, out=difference)
        values = np.sqrt(difference[0] + difference[1])
        values /= sequence.head_sizes[truth][:, None, :, None]
    values[np.isnan(values)] = np.inf
    return Distances(frames=frames, values=values, truth=truth, prediction=prediction)


def _padded_rows(side: Side, frames: IntArray) -> IntArray:
    """int64 [B, N]: rows of the people of each frame, -1 in the padding."""
    rows = side.starts[frames, None] + np.arange(int(side.counts[frames].max()))
    return np.where(rows < side.starts[frames + 1, None], rows, -1)


def _padded_joints(side: Side, rows: IntArray) -> Doubles:
    """float64 [2, B, K, N]: x and y, NaN where absent and in the padding."""
    xy = np.where(side.present[..., None], side.source.keypoints[side.rows], np.nan)[rows]
    xy[rows < 0] = np.nan
    return xy.transpose(3, 0, 2, 1)


def _head_sizes(boxes: Doubles) -> Doubles:
    return _HEAD_FRACTION * np.hypot(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])


def _check_track_ids(side: Annotations) -> None:
    large = np.flatnonzero(side.track_ids >= TRACK_ID_LIMIT)
    if len(large):
        where = side.frame_name(int(side.frames[large[0]]))
        raise DataFormatError(
            f"{side.path}, {where}: track id {side.track_ids[large[0]]} is not below {TRACK_ID_LIMIT}, "
            "the official evaluator's limit; number the tracks of a sequence from 0."
        )


def _check_head_boxes(sequence: Sequence) -> None:
    truth = sequence.truth
    missing = np.flatnonzero(np.isnan(sequence.head_sizes) & sequence.compared[truth.frames])
    if len(missing):
        where = truth.source.frame_name(int(sequence.frames[truth.frames[missing[0]]]))
        raise DataFormatError(
            f"{truth.source.path}, {where}: a person has no head box ('bbox_head', or x1 y1 x2 y2), which "
            "distances are measured by; add it to the ground truth."
        )
