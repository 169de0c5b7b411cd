"""Stick people whose joints, visibility and optical flow are known exactly, for tests of the tracker.

Walkers swing arms and legs, have bodies made of capsules, and hide what is behind them; pillars hide all
behind them; the camera may move. The flow is the true displacement of whatever is *seen* at a point: where
somebody is hidden, that of the person or pillar in front.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from posetrack.skeletons import POSETRACK
from posetrack.stages import Flow
from posetrack.tracker import FlowLinker, LinkerConfig
from posetrack.types import BoolArray, FloatArray, Poses

J = {name: slot for slot, name in enumerate(POSETRACK.joints)}
CAPSULES = [  # ends, radius as a share of the height
    ("head_bottom", "head_top", 0.06), ("left_shoulder", "right_hip", 0.07), ("right_shoulder", "left_hip", 0.07),
    ("left_shoulder", "left_elbow", 0.03), ("left_elbow", "left_wrist", 0.025),
    ("right_shoulder", "right_elbow", 0.03), ("right_elbow", "right_wrist", 0.025),
    ("left_hip", "left_knee", 0.045), ("left_knee", "left_ankle", 0.035),
    ("right_hip", "right_knee", 0.045), ("right_knee", "right_ankle", 0.035),
]  # fmt: skip
STARTS = np.array([J[start] for start, _, _ in CAPSULES])
ENDS = np.array([J[end] for _, end, _ in CAPSULES])
RADII = np.array([radius for _, _, radius in CAPSULES])
FULL_STEP_FRAMES = 28


class FrameLinker:
    """A linker of frames that are evenly apart, so that tests need not count the time."""

    def __init__(self, config: LinkerConfig, fps: float = 25.0) -> None:
        self._linker, self._fps, self._frame = FlowLinker(config), fps, 0

    def link(self, poses: Poses, flow: Flow) -> Poses:
        self._frame += 1
        return self._linker.link(poses, flow, self._frame / self._fps)

    def reset(self) -> None:
        self._linker.reset()


@dataclass(frozen=True)
class Walker:
    """Somebody on the way; ``path`` gives the middle between the feet at a frame, in the world's pixels."""

    path: Callable[[float], tuple[float, float]]
    height: float = 160.0
    depth: float = 1.0
    phase: float = 0.0
    swing: float = 0.45

    def joints(self, frame: float) -> FloatArray:
        """float64 [17, 2]; ears lie on the nose."""
        x, y = self.path(frame)
        swing = self.swing * np.sin(2 * np.pi * frame / FULL_STEP_FRAMES + self.phase)
        joints = np.zeros((17, 2))
        for side, sign in (("left", 1), ("right", -1)):
            hip = np.array([0.03 * sign, -0.5])
            shoulder = np.array([0.05 * sign, -0.8])
            knee = hip + 0.25 * _down(sign * swing)
            elbow = shoulder + 0.17 * _down(-sign * swing)
            joints[J[f"{side}_hip"]], joints[J[f"{side}_knee"]] = hip, knee
            joints[J[f"{side}_ankle"]] = knee + 0.25 * _down(sign * swing - 0.2 * abs(swing))
            joints[J[f"{side}_shoulder"]], joints[J[f"{side}_elbow"]] = shoulder, elbow
            joints[J[f"{side}_wrist"]] = elbow + 0.16 * _down(-sign * swing + 0.3)
        joints[J["head_bottom"]], joints[J["head_top"]] = (0, -0.84), (0, -1.0)
        for name in ("nose", "left_ear", "right_ear"):
            joints[J[name]] = (0.02, -0.92)
        return joints * self.height + [x, y]


@dataclass(frozen=True)
class Pillar:
    """Something upright that stands still in the world, x1 y1 x2 y2."""

    box: tuple[float, float, float, float]
    depth: float = 5.0


def still(_frame: float) -> tuple[float, float]:
    """A camera that does not move."""
    return 0.0, 0.0


@dataclass(frozen=True)
class Scene:
    """Walkers and pillars before a camera at ``camera(frame)``."""

    walkers: tuple[Walker, ...]
    pillars: tuple[Pillar, ...] = ()
    camera: Callable[[float], tuple[float, float]] = still
    size: tuple[int, int] = (1280, 720)
    min_visible: int = 3

    def joints(self, frame: float) -> FloatArray:
        """float64 [W, 17, 2], all walkers' joints in image pixels."""
        return np.stack([walker.joints(frame) for walker in self.walkers]) - np.array(self.camera(frame))

    def truth(self, frame: float) -> Poses:
        """The poses that can be seen, with the walkers' numbers as track ids."""
        joints = self.joints(frame)
        front = self._front(joints, joints.reshape(-1, 2), frame).reshape(len(joints), -1)
        hidden_by_nearer = front > np.array([walker.depth for walker in self.walkers])[:, None] + 1e-9
        inside = ((joints >= -0.5) & (joints <= np.array(self.size) - 0.5)).all(axis=2)
        visible = inside & ~hidden_by_nearer
        visible[:, [J["left_ear"], J["right_ear"]]] = False
        seen = np.flatnonzero(visible.sum(axis=1) >= self.min_visible)
        return poses_of(joints[seen], visible[seen], seen)

    def flow(self, frame: float, step: float = 1) -> SceneFlow:
        """To ``frame`` from the frame ``step`` before."""
        return SceneFlow(self, frame, step)

    def _front(self, joints: FloatArray, points: FloatArray, frame: float) -> FloatArray:
        """float [M], depth of what is seen at image points; -inf for background."""
        front = np.full(len(points), -np.inf)
        for walker, own in zip(self.walkers, joints, strict=True):
            inside, _, _ = _on_body(own, walker.height, points)
            front[inside] = np.maximum(front[inside], walker.depth)
        for pillar, covered in self._covered(points, frame):
            front[covered] = np.maximum(front[covered], pillar.depth)
        return front

    def _covered(self, points: FloatArray, frame: float) -> list[tuple[Pillar, BoolArray]]:
        world = points + np.array(self.camera(frame))
        return [
            (pillar, ((world >= pillar.box[:2]) & (world <= pillar.box[2:])).all(axis=1))
            for pillar in self.pillars
        ]


class SceneFlow:
    """The true displacement of what is seen."""

    def __init__(self, scene: Scene, frame: float, step: float) -> None:
        self.scene, self.frame, self.before = scene, frame, frame - step

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        """See ``stages.Flow``."""
        scene, frame, points = self.scene, self.frame, np.asarray(xy, np.float64)
        before, after = scene.joints(self.before), scene.joints(frame)
        camera = np.array(scene.camera(self.before)) - np.array(scene.camera(frame))
        displacement = np.tile(camera, (len(points), 1))
        front = np.full(len(points), -np.inf)
        for walker, start, end in zip(scene.walkers, before, after, strict=True):
            inside, capsule, along = _on_body(start, walker.height, points)
            moved = (end - start)[STARTS[capsule]] * (1 - along) + (end - start)[ENDS[capsule]] * along
            nearer = walker.depth > front[inside]
            displacement[inside[nearer]] = moved[nearer]
            front[inside[nearer]] = walker.depth
        for pillar, covered in scene._covered(points, self.before):
            nearer = covered & (pillar.depth > front)
            displacement[nearer] = camera
            front[nearer] = pillar.depth
        valid = ((points >= -0.5) & (points <= np.array(scene.size) - 0.5)).all(axis=1)
        return np.where(valid[:, None], displacement, 0).astype(np.float32), valid


def poses_of(joints: FloatArray, visible: BoolArray, ids: object = None, score: float = 0.9) -> Poses:
    """Poses of the posetrack skeleton from joints [N, 17, 2]; boxes around the visible ones, 15 % larger."""
    shown = visible[..., None]
    low, high = np.where(shown, joints, np.inf).min(axis=1), np.where(shown, joints, -np.inf).max(axis=1)
    centre, half = (low + high) / 2, (high - low) / 2 * 1.15
    return Poses(
        boxes=np.concatenate([centre - half, centre + half], axis=1),
        scores=np.full(len(joints), score),
        keypoints=joints,
        keypoint_scores=np.where(visible, 0.8, 0.0),
        track_ids=np.full(len(joints), -1) if ids is None else ids,
        skeleton=POSETRACK,
    )


def straight(x: float, y: float, speed_x: float, speed_y: float = 0.0) -> Callable[[float], tuple[float, float]]:
    """A path at constant speed, px per frame."""
    return lambda frame: (x + speed_x * frame, y + speed_y * frame)


def _down(angle: float) -> FloatArray:
    return np.array([np.sin(angle), np.cos(angle)])


def _on_body(joints: FloatArray, height: float, points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Indices [B] of the points on a body, the capsule that each is nearest to, and the place along it [B, 1]."""
    margin = RADII.max() * height
    near = np.flatnonzero(
        ((points > joints.min(axis=0) - margin) & (points < joints.max(axis=0) + margin)).all(axis=1)
    )
    starts, axes = joints[STARTS], joints[ENDS] - joints[STARTS]
    offset = points[near][:, None] - starts
    along = np.clip((offset * axes).sum(-1) / (axes**2).sum(-1), 0, 1)
    distance = np.linalg.norm(offset - along[..., None] * axes, axis=-1)
    on, nearest = (distance < RADII * height).any(axis=1), distance.argmin(axis=1)
    return near[on], nearest[on], along[on, nearest[on], None]
