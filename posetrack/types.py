"""The data that stages exchange.

Coordinates, everywhere and always, are float source pixels, x to the right and y down, with (0, 0) at the
*centre* of the top-left pixel: the image covers [-0.5, W - 0.5] x [-0.5, H - 0.5]. Whoever crops or
resizes undoes it before returning. Boxes are x1, y1, x2, y2. (0, 0) is a legal coordinate: whether a
joint is there is said by its score alone.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from posetrack.skeletons import Skeleton

UNLINKED = -1
"""Track id of a pose that no linker has seen yet."""

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Image = NDArray[np.uint8]
Selection = slice | BoolArray | IntArray | Sequence[int]


def _stored(name: str, values: ArrayLike, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """A read-only array of the given type and shape: frozen dataclasses do not freeze their arrays."""
    try:
        given = np.asarray(values)
        array = given.astype(dtype, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {reprlib.repr(values)}, expected numbers of shape {shape}") from error
    if given.dtype.kind not in "iub" and dtype is np.int64 and not np.array_equal(array, given):
        raise ValueError(f"{name} is {reprlib.repr(values)}, expected whole numbers")
    if array.shape != shape:
        if array.size > 0 or 0 not in shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
        array = array.reshape(shape)
    if array.flags.writeable:
        array = array.view()
        array.setflags(write=False)
    return array


def _count(scores: ArrayLike) -> int:
    if np.ndim(scores) != 1:
        raise ValueError(f"scores has shape {np.shape(scores)}, expected (people,)")
    return len(np.asarray(scores))


def _equal(one: Any, other: Any) -> bool:
    """Whether all fields of two objects of one dataclass hold the same values; NaN is NaN."""
    pairs = ((getattr(one, each.name), getattr(other, each.name)) for each in fields(one))
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f") if isinstance(a, np.ndarray) else bool(a == b)
        for a, b in pairs
    )


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a source. Frames are equal if index, time and all pixels are.

    Attributes:
        index: Position in the source, from 0, counting the frames that a stride leaves out.
        time_s: Presentation time in seconds from the source's start.
        image: uint8 [H, W, 3], RGB, upright (rotation metadata applied).
    """

    index: int
    time_s: float
    image: Image

    def __eq__(self, other: object) -> bool:
        return _equal(self, other) if isinstance(other, Frame) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.index, self.time_s))


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes of N people in one frame. Equal are those with the same values.

    Attributes:
        xyxy: float32 [N, 4], x1 y1 x2 y2 in source pixels.
        scores: float32 [N] in [0, 1].

    Raises:
        ValueError: shapes that do not agree, or no numbers.
    """

    xyxy: FloatArray
    scores: FloatArray

    def __post_init__(self) -> None:
        count = _count(self.scores)
        object.__setattr__(self, "xyxy", _stored("xyxy", self.xyxy, np.float32, (count, 4)))
        object.__setattr__(self, "scores", _stored("scores", self.scores, np.float32, (count,)))

    @classmethod
    def empty(cls) -> Boxes:
        """No boxes."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    @classmethod
    def concatenate(cls, parts: Sequence[Boxes]) -> Boxes:
        """The boxes of all parts, in order."""
        return cls(np.concatenate([part.xyxy for part in parts]), np.concatenate([part.scores for part in parts]))

    def __len__(self) -> int:
        return len(self.scores)

    def __eq__(self, other: object) -> bool:
        return _equal(self, other) if isinstance(other, Boxes) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # what is compared by its values has no hash

    def __getitem__(self, chosen: Selection) -> Boxes:
        """The chosen boxes: a slice, a mask or an integer array, never a bare integer."""
        return Boxes(self.xyxy[chosen], self.scores[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """Poses of N people with K joints in one frame. Equal are those with the same values, in the same order.

    Attributes:
        boxes: float32 [N, 4], x1 y1 x2 y2 in source pixels: where the pose was looked for.
        scores: float32 [N] in [0, 1]: that there is a person (the score of the box).
        keypoints: float32 [N, K, 2], x y in source pixels; meaningless where the joint is missing.
        keypoint_scores: float32 [N, K] in [0, 1]; 0 = the joint is missing.
        track_ids: int64 [N]; ``UNLINKED`` until a linker has seen the pose.
        skeleton: Names and order of the K joints.

    Raises:
        ValueError: shapes that do not agree, or no numbers.
        TypeError: ``skeleton`` is none.
    """

    boxes: FloatArray
    scores: FloatArray
    keypoints: FloatArray
    keypoint_scores: FloatArray
    track_ids: IntArray
    skeleton: Skeleton

    def __post_init__(self) -> None:
        if not isinstance(self.skeleton, Skeleton):
            raise TypeError(f"skeleton is {reprlib.repr(self.skeleton)}; give one, such as posetrack.POSETRACK")
        count, joints = _count(self.scores), len(self.skeleton)
        store = object.__setattr__
        store(self, "boxes", _stored("boxes", self.boxes, np.float32, (count, 4)))
        store(self, "scores", _stored("scores", self.scores, np.float32, (count,)))
        store(self, "keypoints", _stored("keypoints", self.keypoints, np.float32, (count, joints, 2)))
        store(
            self, "keypoint_scores", _stored("keypoint_scores", self.keypoint_scores, np.float32, (count, joints))
        )
        store(self, "track_ids", _stored("track_ids", self.track_ids, np.int64, (count,)))

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Poses:
        """Nobody: an ordinary value of every stage."""
        joints = len(skeleton)
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            keypoints=np.zeros((0, joints, 2), np.float32),
            keypoint_scores=np.zeros((0, joints), np.float32),
            track_ids=np.zeros(0, np.int64),
            skeleton=skeleton,
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Poses]) -> Poses:
        """The people of all parts (at least one), in order; the skeleton is the first one's."""
        return cls(
            boxes=np.concatenate([part.boxes for part in parts]),
            scores=np.concatenate([part.scores for part in parts]),
            keypoints=np.concatenate([part.keypoints for part in parts]),
            keypoint_scores=np.concatenate([part.keypoint_scores for part in parts]),
            track_ids=np.concatenate([part.track_ids for part in parts]),
            skeleton=parts[0].skeleton,
        )

    @property
    def present(self) -> BoolArray:
        """bool [N, K]: the joint is there."""
        return self.keypoint_scores > 0

    def __len__(self) -> int:
        return len(self.scores)

    def __eq__(self, other: object) -> bool:
        return _equal(self, other) if isinstance(other, Poses) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # what is compared by its values has no hash

    def __getitem__(self, chosen: Selection) -> Poses:
        """The chosen people: a slice, a mask or an integer array, never a bare integer."""
        return Poses(
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            keypoints=self.keypoints[chosen],
            keypoint_scores=self.keypoint_scores[chosen],
            track_ids=self.track_ids[chosen],
            skeleton=self.skeleton,
        )

    def replace(self, **changes: Any) -> Poses:
        """A copy with some attributes changed."""
        return replace(self, **changes)
