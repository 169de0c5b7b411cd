"""The data that stages exchange.

All coordinates are float source pixels, x to the right and y down, with (0, 0) at the *centre* of the top-left
pixel: the image covers [-0.5, W - 0.5] x [-0.5, H - 0.5]. A stage that crops or resizes maps its results back.
Boxes are x1, y1, x2, y2. (0, 0) is a legal coordinate: only a score of 0 marks a joint as missing.
"""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.scene import Scene
from posetrack.skeletons import Skeleton
from posetrack.stored_arrays import count_of, equal, stored

UNLINKED = -1
"""Track id of a pose without a track."""


class Origin(IntEnum):
    """Where the position of a joint comes from."""

    PENDING = 0
    """Not estimated yet: only the person's box is known."""
    ESTIMATED = 1
    """A network saw the joint in this frame."""
    CARRIED = 2
    """Optical flow moved the joint here from the previous frame."""
    FILLED = 3
    """Interpolated from other frames or joints."""


FloatArray = NDArray[np.float32]
Doubles = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
OriginArray = NDArray[np.uint8]
Image = NDArray[np.uint8]
Selection = slice | BoolArray | IntArray | Sequence[int]

NO_IMAGE: Image = np.zeros((0, 0, 3), np.uint8)
"""Image of a frame whose pixels are not needed."""

_COLUMNS: dict[str, tuple[type[np.generic], tuple[int | None, ...]]] = {
    "boxes": (np.float32, (4,)),
    "scores": (np.float32, ()),
    "keypoints": (np.float32, (None, 2)),
    "keypoint_scores": (np.float32, (None,)),
    "track_ids": (np.int64, ()),
    "origin": (np.uint8, (None,)),
}
"""Arrays of ``Poses`` with a row for each person: types and shapes of a row; ``None`` is the number of joints."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a source. Two are equal if index, time and all pixels are.

    Attributes:
        index: Position in the source, from 0; frames skipped by a stride count.
        time_s: Presentation time in seconds from the source's start.
        image: uint8 [H, W, 3], RGB, upright (rotation metadata applied).
        scene: Shot cut, camera motion and flow since the previous frame. ``None`` until the pipeline has set it.
    """

    index: int
    time_s: float
    image: Image
    scene: Scene | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frame):
            return NotImplemented
        same = (self.index, self.time_s) == (other.index, other.time_s)
        return same and np.array_equal(self.image, other.image)

    def __hash__(self) -> int:
        return hash((self.index, self.time_s))


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes of N people in one frame. Two are equal if they hold the same values.

    Attributes:
        xyxy: float32 [N, 4], x1 y1 x2 y2 in source pixels.
        scores: float32 [N] in [0, 1].

    Raises:
        ValueError: shapes that do not agree, or values that are not numbers.
    """

    xyxy: FloatArray
    scores: FloatArray

    def __post_init__(self) -> None:
        count = count_of(self.scores)
        object.__setattr__(self, "xyxy", stored("xyxy", self.xyxy, np.float32, (count, 4)))
        object.__setattr__(self, "scores", stored("scores", self.scores, np.float32, (count,)))

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
        return equal(self, other) if isinstance(other, Boxes) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # compared by value, so not hashable

    def __getitem__(self, chosen: Selection) -> Boxes:
        """The chosen boxes: a slice, a mask or an integer array, never a single integer."""
        return Boxes(self.xyxy[chosen], self.scores[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """N people with K joints each in one frame. Two are equal if they hold the same values in the same order.

    Attributes:
        boxes: float32 [N, 4], x1 y1 x2 y2 in source pixels: where the pose was estimated.
        scores: float32 [N] in [0, 1]: confidence that this is a person (the box's score).
        keypoints: float32 [N, K, 2], x y in source pixels; meaningless where the joint is missing.
        keypoint_scores: float32 [N, K] in [0, 1]; 0 = the joint is missing.
        track_ids: int64 [N]; ``UNLINKED`` without a track.
        skeleton: Names and order of the K joints.
        appearance: float32 [N, D], an appearance descriptor of each person; NaN for people without one.
            None if nobody has one.
        origin: uint8 [N, K], the ``Origin`` of each joint; meaningless where the joint is missing. Defaults to
            ``ESTIMATED``.
        unreported: Others who may be in the frame: too uncertain to be reported, taken for duplicates, or hidden.
            Used where reporting must not matter, as for blurring faces. None if there is nobody.

    Raises:
        ValueError: shapes that do not agree, or values that are not numbers.
        TypeError: ``skeleton`` is not a ``Skeleton``.
    """

    boxes: FloatArray
    scores: FloatArray
    keypoints: FloatArray
    keypoint_scores: FloatArray
    track_ids: IntArray
    skeleton: Skeleton
    appearance: FloatArray | None = None
    origin: OriginArray = None  # type: ignore[assignment]  # replaced below
    unreported: Poses | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.skeleton, Skeleton):
            raise TypeError(f"skeleton is {reprlib.repr(self.skeleton)}; give one, such as posetrack.POSETRACK")
        self._check((*_COLUMNS, "appearance"))

    def _check(self, names: Collection[str]) -> None:
        """Store the named arrays read-only, in the right type and shape."""
        count, joints = count_of(self.scores), len(self.skeleton)
        if self.origin is None:
            object.__setattr__(self, "origin", np.full((count, joints), Origin.ESTIMATED, np.uint8))
        for name, (dtype, row) in _COLUMNS.items():
            if name in names:
                shape = (count, *(joints if length is None else length for length in row))
                object.__setattr__(self, name, stored(name, getattr(self, name), dtype, shape))
        if "origin" in names and (self.origin > Origin.FILLED).any():
            raise ValueError(f"origin is {reprlib.repr(self.origin)}, expected values of posetrack.types.Origin")
        if "appearance" in names and self.appearance is not None:
            length = np.shape(self.appearance)[-1] if np.ndim(self.appearance) == 2 else 0
            appearance = stored("appearance", self.appearance, np.float32, (count, length))
            object.__setattr__(self, "appearance", appearance)

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Poses:
        """Nobody: an ordinary value of every stage."""
        return cls.pending_in(Boxes.empty(), skeleton)

    @classmethod
    def in_boxes(cls, boxes: Boxes, joints: FloatArray, scores: FloatArray, skeleton: Skeleton) -> Poses:
        """The people in N boxes, without tracks: their joints [N, K, 2] and the joints' scores [N, K]."""
        ids = np.full(len(boxes), UNLINKED, np.int64)
        return cls(boxes.xyxy, boxes.scores, joints, scores, ids, skeleton)

    @classmethod
    def pending_in(cls, boxes: Boxes, skeleton: Skeleton) -> Poses:
        """The people in boxes, without joints: all are ``PENDING``."""
        shape = len(boxes), len(skeleton)
        joints, scores = np.zeros((*shape, 2), np.float32), np.zeros(shape, np.float32)
        pending = np.full(shape, Origin.PENDING, np.uint8)
        return cls.in_boxes(boxes, joints, scores, skeleton).replace(origin=pending)

    @classmethod
    def concatenate(cls, parts: Sequence[Poses]) -> Poses:
        """The people of all parts (at least one), in order, with the skeleton of the first."""
        appearance = _joined([(len(part), part.appearance) for part in parts])
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
        return cls._derived(columns, appearance, skeleton=parts[0].skeleton)

    @classmethod
    def _derived(cls, columns: dict[str, NDArray[Any]], appearance: FloatArray | None, **others: Any) -> Poses:
        """Poses of arrays made from checked ones. (Checking them again takes longer than making them.)"""
        poses = object.__new__(cls)
        for name, array in columns.items():
            array.setflags(write=False)
            object.__setattr__(poses, name, array)
        if appearance is not None:
            appearance.setflags(write=False)
        for name, value in {"appearance": appearance, "unreported": None, **others}.items():
            object.__setattr__(poses, name, value)
        return poses

    @property
    def present(self) -> BoolArray:
        """bool [N, K]: the joint is there."""
        return self.keypoint_scores > 0

    @property
    def pending(self) -> BoolArray:
        """bool [N]: only the person's box is known, no joints have been estimated yet."""
        return np.asarray((self.origin == Origin.PENDING).all(axis=1), np.bool_)

    def __len__(self) -> int:
        return len(self.scores)

    def __eq__(self, other: object) -> bool:
        return equal(self, other) if isinstance(other, Poses) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # compared by value, so not hashable

    def __getitem__(self, chosen: Selection) -> Poses:
        """The chosen people: a slice, a mask or an integer array, never a single integer."""
        columns = {name: getattr(self, name)[chosen] for name in _COLUMNS}
        count_of(columns["scores"])
        appearance = None if self.appearance is None else self.appearance[chosen]
        return self._derived(columns, appearance, skeleton=self.skeleton, unreported=self.unreported)

    def replace(self, **changes: Any) -> Poses:
        """A copy with some attributes changed."""
        if "skeleton" in changes or np.shape(changes.get("scores", self.scores)) != self.scores.shape:
            return replace(self, **changes)
        if unknown := changes.keys() - set(self.__slots__):
            raise TypeError(f"poses have no {', '.join(sorted(unknown))}")
        poses = object.__new__(Poses)
        for name in self.__slots__:
            object.__setattr__(poses, name, changes.get(name, getattr(self, name)))
        poses._check(changes)  # the others have been checked before
        return poses


def _joined(parts: Sequence[tuple[int, FloatArray | None]]) -> FloatArray | None:
    """Descriptors of all people, from the number of people in each part and their descriptors, if any."""
    lengths = {array.shape[1] for _, array in parts if array is not None}
    if not lengths:
        return None
    blank = np.full((1, max(lengths)), np.nan, np.float32)
    return np.concatenate([blank.repeat(count, axis=0) if array is None else array for count, array in parts])


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """An image and what a ``People`` stage saw in it.

    Attributes:
        image: uint8 [H, W, 3] RGB.
        found: The people found, possibly still without joints (``Poses.pending_in``). None if ``find`` was not
            called.
        features: Anything the stage wants to keep for ``refine``, such as feature maps. It lives as long as the
            frame is being processed.
    """

    image: Image
    found: Poses | None = None
    features: object = None
