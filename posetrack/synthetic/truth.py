"""Exact ground truth: joints, boxes, head boxes, and their visibility."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from posetrack.skeletons import POSETRACK
from posetrack.synthetic.raster import MIN_DEPTH_M, Quads, painters_order
from posetrack.types import BoolArray, Doubles, FloatArray, Poses, Selection

MIN_VISIBLE_FRACTION = 0.10
MIN_VISIBLE_JOINTS = 3
_DETAIL = 0.5  # silhouettes are counted at half the frame's resolution


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """N people with their exact positions and visibility.

    Attributes:
        poses: POSETRACK skeleton. ``boxes`` enclose the whole body, including parts outside the frame or hidden;
            ``track_ids`` are the true person numbers. Joints inside the frame score 1, hidden or not; joints
            outside, and ears, score 0.
        head_boxes: float32 [N, 4], chin to crown.
        visible: bool [N, K], the joint is inside the frame and not behind another person or a pillar (but perhaps
            on the far side of its own body).
        visible_fraction: float32 [N], visible share of the person's pixels.
    """

    poses: Poses
    head_boxes: FloatArray
    visible: BoolArray
    visible_fraction: FloatArray

    def __len__(self) -> int:
        return len(self.visible_fraction)

    def __getitem__(self, chosen: Selection) -> Observation:
        return Observation(
            self.poses[chosen], self.head_boxes[chosen], self.visible[chosen], self.visible_fraction[chosen]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Ground truth of one frame.

    Attributes:
        index: Frame number from 0.
        shot: Shot number from 0; a change is a cut.
        everyone: All people of the shot, including those outside the frame or hidden.
        annotated: People whom an annotator would label: at least a tenth of their pixels and three joints are
            visible (``MIN_VISIBLE_FRACTION``, ``MIN_VISIBLE_JOINTS``).
    """

    index: int
    shot: int
    everyone: Observation
    annotated: Observation

    @property
    def poses(self) -> Poses:
        """Poses of the annotated people."""
        return self.annotated.poses

    @property
    def head_boxes(self) -> FloatArray:
        """float32 [N, 4], head boxes of the annotated people."""
        return self.annotated.head_boxes

    @property
    def visible(self) -> BoolArray:
        """bool [N, K], visible joints of the annotated people."""
        return self.annotated.visible

    @property
    def visible_fraction(self) -> FloatArray:
        """float32 [N], visible fractions of the annotated people."""
        return self.annotated.visible_fraction


def displacements(previous: Truth, current: Truth) -> tuple[FloatArray, BoolArray]:
    """Exact motion of the joints of ``previous.poses`` to the next frame.

    Returns:
        float32 [N, K, 2], pixels, and bool [N, K], whether it is defined. It is undefined, and 0, across a cut and
        for joints outside the frame.
    """
    count, joints = previous.poses.keypoint_scores.shape
    motion, valid = np.zeros((count, joints, 2), np.float32), np.zeros((count, joints), bool)
    if previous.shot == current.shot and count:
        same = previous.poses.track_ids[:, None] == current.everyone.poses.track_ids[None]
        where = same.argmax(axis=1)
        valid = previous.poses.present & same.any(axis=1)[:, None]
        moved = current.everyone.poses.keypoints[where] - previous.poses.keypoints
        motion = np.where(valid[..., None], moved, 0).astype(np.float32)
    return motion, valid


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """N people projected to the screen, visible or not.

    Attributes:
        joints: float [N, K, 2], pixels.
        depths: float [N, K], metres.
        boxes, head_boxes: float [N, 4].
    """

    joints: Doubles
    depths: Doubles
    boxes: Doubles
    head_boxes: Doubles


def observe(people: Projection, quads: Quads, size: tuple[int, int]) -> Observation:
    """Determine the visibility of N people, numbered 0 .. N - 1.

    Args:
        people: Where they are.
        quads: Surfaces of people (owners 0 .. N - 1) and of objects (owners from N).
        size: Width and height of the frame.
    """
    joints, depths, count = people.joints, people.depths, len(people.joints)
    surfaces = [quads[quads.owner == owner] for owner in range(max(count, quads.owner.max(initial=-1) + 1))]
    nearest = np.array([surface.nearness.max(initial=0.0) for surface in surfaces])
    whole = np.array([_silhouette(surface.corners) for surface in surfaces[:count]])
    owners = _owners(quads, size)
    shown = np.bincount(owners[owners >= 0], minlength=count)[:count]
    inside = ((joints > -0.5) & (joints < np.array(size) - 0.5)).all(axis=-1) & (depths > MIN_DEPTH_M)
    cells = np.clip(np.round(joints * _DETAIL), 0, np.array(owners.shape[::-1]) - 1).astype(int)
    front = owners[cells[..., 1], cells[..., 0]]
    hidden = (front >= 0) & (front != np.arange(count)[:, None])
    hidden[hidden] = nearest[front[hidden]] * depths[hidden] > 1
    scores = inside.astype(np.float32)
    scores[:, [POSETRACK.index(joint) for joint in POSETRACK.unused]] = 0
    poses = Poses(
        boxes=people.boxes.astype(np.float32),
        scores=np.ones(count, np.float32),
        keypoints=joints.astype(np.float32),
        keypoint_scores=scores,
        track_ids=np.arange(count),
        skeleton=POSETRACK,
    )
    return Observation(
        poses=poses,
        head_boxes=people.head_boxes.astype(np.float32),
        visible=(scores > 0) & ~hidden,
        visible_fraction=(shown / np.maximum(whole, 1)).clip(0, 1).astype(np.float32),
    )


def annotatable(observation: Observation) -> BoolArray:
    """bool [N], an annotator would label the person."""
    enough: BoolArray = (observation.visible_fraction >= MIN_VISIBLE_FRACTION) & (
        observation.visible.sum(axis=1) >= MIN_VISIBLE_JOINTS
    )
    return enough


def _owners(quads: Quads, size: tuple[int, int]) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """int32, owner of each pixel at reduced resolution; -1 for the background."""
    buffer = np.full((int(size[1] * _DETAIL), int(size[0] * _DETAIL)), -1, np.float32)
    quads = painters_order(quads, size)
    polygons = np.round(quads.corners * (16 * _DETAIL)).astype(np.int32)
    for polygon, owner in zip(polygons, quads.owner.tolist(), strict=True):
        cv2.fillConvexPoly(buffer, polygon, owner, 8, 4)
    return buffer.astype(np.int32)


def _silhouette(corners: FloatArray) -> int:
    """Pixels of the union of quads, at reduced resolution."""
    if not len(corners):
        return 0
    low = corners.reshape(-1, 2).min(axis=0)
    polygons = np.round((corners - low) * (16 * _DETAIL)).astype(np.int32)
    width, height = (polygons.reshape(-1, 2).max(axis=0) // 16 + 2).clip(1, 8000)
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        cv2.fillConvexPoly(mask, polygon, 1, 8, 4)
    return int(np.count_nonzero(mask))
