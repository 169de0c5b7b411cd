"""A tracked clip as arrays: one ``Track`` per person, on the clip's grid of frames and times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.formats.found import WORDS
from posetrack.refine.camera_maps import maps_to_first
from posetrack.skeletons import Skeleton
from posetrack.types import BoolArray, Doubles, FloatArray, IntArray

Origins = NDArray[np.uint8]

MISSING, SEEN, CARRIED, FILLED = 0, 1, 2, 3
"""Where a joint comes from: nowhere, the pose network, optical flow, or the second pass."""

ORIGINS, HIDDEN = WORDS[:4], WORDS[4]
"""The words that files use for them, and for missing joints that were hidden by hand: they stay so."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Track:
    """One person in T frames, with K joints.

    Attributes:
        track_id: The person's number.
        frames: int64 [T], ascending: places in the clip's list of frames.
        times: float64 [T], seconds.
        boxes: float64 [T, 4], x1 y1 x2 y2 in our pixels.
        raw_boxes: float64 [T, 4], as found, before smoothing; NaN in frames that were filled. ``None`` if
            ``boxes`` are as found.
        box_scores: float64 [T] in [0, 1].
        joints: float64 [T, K, 2]; NaN where a joint is missing.
        joint_scores: float64 [T, K] in [0, 1]; 0 where a joint is missing.
        raw: float64 [T, K, 2], as first estimated, before filling and smoothing; NaN where nothing was.
        origins: uint8 [T, K]: ``MISSING``, ``SEEN``, ``CARRIED`` or ``FILLED``.
        appearance: float32 [T, D], a descriptor of what the person looks like, of one length D in the whole clip;
            NaN in frames without one. ``None`` if no frame has one.
        sds: float64 [T, K], standard deviation of each joint's x and of its y, in pixels; NaN where a joint
            is missing. ``None`` before it is estimated.
        identity: float64 [T], probability that this is the person that the track mostly holds. ``None`` before it
            is estimated.
        by_hand: bool [T, K], joints placed or hidden by hand: the second pass leaves them so. ``None``
            if there are none.
        sides_known: bool [T], frames whose left and right were set by hand. ``None`` if there are none.
        name: The person's name, given by the user.
    """

    track_id: int
    frames: IntArray
    times: Doubles
    boxes: Doubles
    box_scores: Doubles
    joints: Doubles
    joint_scores: Doubles
    raw: Doubles
    origins: Origins
    appearance: FloatArray | None = None
    sds: Doubles | None = None
    identity: Doubles | None = None
    by_hand: BoolArray | None = None
    sides_known: BoolArray | None = None
    name: str | None = None
    raw_boxes: Doubles | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, chosen: slice | BoolArray | IntArray) -> Track:
        """The chosen frames of the track."""
        arrays: dict[str, Any] = {}
        for name in _ARRAYS:
            whole = getattr(self, name)
            arrays[name] = None if whole is None else whole[chosen]
        return Track(track_id=self.track_id, name=self.name, **arrays)

    def cut_at(self, rows: Sequence[int]) -> list[Track]:
        """The parts of the track that begin with its first frame and with some later ones, ascending."""
        if not len(rows):
            return [self]
        return [self[start:end] for start, end in zip([0, *rows], [*rows, len(self)], strict=True)]

    @property
    def decided(self) -> bool:
        """An earlier second pass has found who this is, perhaps by appearance, which refined files do not keep."""
        return self.identity is not None and not bool(np.isnan(self.identity).any())

    @property
    def present(self) -> BoolArray:
        """bool [T, K]: the joint is there."""
        there: BoolArray = self.origins != MISSING
        return there

    @property
    def observed(self) -> BoolArray:
        """bool [T, K]: the joint is there, and was not filled."""
        found: BoolArray = (self.origins == SEEN) | (self.origins == CARRIED)
        return found

    def replace(self, **changes: Any) -> Track:
        """A copy with some attributes changed."""
        return replace(self, **changes)

    def without(self, removed: BoolArray) -> Track:
        """A copy without some joints, bool [T, K]; those set by hand stay."""
        removed = removed if self.by_hand is None else removed & ~self.by_hand
        return self.replace(
            joints=np.where(removed[..., None], np.nan, self.joints),
            raw=np.where(removed[..., None], np.nan, self.raw),
            joint_scores=np.where(removed, 0, self.joint_scores),
            origins=np.where(removed, np.uint8(MISSING), self.origins),
            sds=None if self.sds is None else np.where(removed, np.nan, self.sds),
        )


_ARRAYS = tuple(one.name for one in fields(Track) if one.name not in ("track_id", "name"))


@dataclass(frozen=True, eq=False, kw_only=True)
class Clip:
    """Everybody who was tracked in one clip of F frames.

    Attributes:
        name: Name of the clip.
        skeleton: Names and order of the joints.
        frames: int64 [F], ascending: the frames' numbers in the source.
        times: float64 [F], ascending, seconds.
        tracks: The people, at most one track per id.
        cuts: int64 [C]: places in ``frames`` at which a new shot begins.
        images: [F] what the file says about each image. Empty if it says nothing.
        camera: float64 [F, 2, 3], where the background moves from the frame before: the affine map from its
            pixels to those of this frame. ``None`` if unknown: the camera counts as still.
        video: Digest of what was tracked (``video.identity.Identity``); empty if unknown.
    """

    name: str
    skeleton: Skeleton
    frames: IntArray
    times: Doubles
    tracks: tuple[Track, ...]
    cuts: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    images: tuple[dict[str, Any], ...] = ()
    camera: Doubles | None = None
    video: str = ""

    @cached_property
    def frame_s(self) -> float:
        """Usual time between two frames, in seconds; 0 if there is only one."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0

    @cached_property
    def to_first(self) -> Doubles | None:
        """float64 [F, 3, 3]: from pixels of each frame to those of its shot's first; ``None`` if ``camera`` is."""
        if self.camera is None:
            return None
        return maps_to_first(self.camera, np.append(0, self.cuts), self.picture.mean(axis=0))

    @cached_property
    def steps(self) -> tuple[Doubles, Doubles] | None:
        """float64 [F, 3, 3] each: ``camera`` as square matrices, and their inverses; ``None`` if it is."""
        if self.camera is None:
            return None
        maps = np.tile(np.eye(3), (len(self.camera), 1, 1))
        maps[:, :2] = self.camera
        return maps, np.asarray(np.linalg.inv(maps), dtype=np.float64)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the frame, where the file gives them."""
        for image in self.images[:1]:
            if isinstance(image.get("width"), int) and isinstance(image.get("height"), int):
                return image["width"], image["height"]
        return None

    @cached_property
    def from_first(self) -> Doubles | None:
        """float64 [F, 3, 3]: the inverse of ``to_first``."""
        return None if self.to_first is None else np.asarray(np.linalg.inv(self.to_first), dtype=np.float64)

    @cached_property
    def picture(self) -> Doubles:
        """float64 [2, 2]: upper left and lower right corner of the frame, in pixels.

        By its size where the file gives it, otherwise by what people's boxes cover.
        """
        if self.size is not None:
            return np.array([[0, 0], [self.size[0] - 1, self.size[1] - 1]], dtype=np.float64)
        boxes = np.concatenate([np.zeros((0, 4)), *(track.boxes for track in self.tracks)])
        return np.stack([boxes[:, :2].min(axis=0, initial=np.inf), boxes[:, 2:].max(axis=0, initial=-np.inf)])

    def with_tracks(self, tracks: Sequence[Track]) -> Clip:
        """The same clip with other tracks, ordered by id."""
        return replace(self, tracks=tuple(sorted(tracks, key=lambda track: track.track_id)))

    def shots(self, places: IntArray) -> IntArray:
        """int64: the shot that each of some frames belongs to."""
        return np.searchsorted(self.cuts, places, side="right").astype(np.int64)


def joined(track_id: int, parts: Sequence[Track]) -> Track:
    """One track of parts that share no frame (at least one part)."""
    if len(parts) == 1:
        return parts[0].replace(track_id=track_id)
    arrays: dict[str, Any] = {name: _stacked([getattr(part, name) for part in parts], parts) for name in _ARRAYS}
    name = next((part.name for part in parts if part.name), None)
    whole = Track(track_id=track_id, name=name, **arrays)
    in_order = (np.diff(whole.frames) > 0).all()
    return whole if in_order else whole[np.argsort(whole.frames, kind="stable")]


def _stacked(arrays: Sequence[NDArray[Any] | None], parts: Sequence[Track]) -> NDArray[Any] | None:
    """The rows of all parts; NaN or False for parts without this array, ``None`` if no part has it."""
    known = next((array for array in arrays if array is not None), None)
    if known is None:
        return None
    blank = np.nan if known.dtype.kind == "f" else 0
    return np.concatenate(
        [
            np.full((len(part), *known.shape[1:]), blank, known.dtype) if array is None else array
            for array, part in zip(arrays, parts, strict=True)
        ]
    )


def observed(track: Track) -> Track:
    """The track as it was before any filling and smoothing. What was found of its identity is kept."""
    return unfilled(track).replace(sds=None)


def unfilled(track: Track) -> Track:
    """The track without filled joints, and frames that were filled; joints and boxes are where they were first.

    Frames without a box as found were filled; if no boxes as found are known, those whose joints all were.
    """
    filled = track.origins == FILLED
    were_filled: BoolArray = filled.any(axis=1)
    if track.raw_boxes is not None:
        were_filled = np.asarray(np.isnan(track.raw_boxes).any(axis=1))
        boxes = np.where(were_filled[:, None], track.boxes, track.raw_boxes)
        track = track.replace(boxes=boxes, raw_boxes=None)
    if not filled.any() and not were_filled.any():
        return track.replace(joints=track.raw)
    bare = track.without(filled)
    return bare.replace(joints=bare.raw)[~were_filled | bare.present.any(axis=1)]


def extents(joints: Doubles) -> Doubles:
    """float64 [T, 4]: boxes around the joints, float64 [T, K, 2]; NaN for frames without joints."""
    gone = np.isnan(joints)
    low = np.where(gone, np.inf, joints).min(axis=1, initial=np.inf)
    high = np.where(gone, -np.inf, joints).max(axis=1, initial=-np.inf)
    boxes = np.concatenate([low, high], axis=1)
    return np.where(np.isinf(boxes), np.nan, boxes)
