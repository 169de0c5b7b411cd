"""Clips for the tests of the second pass: walkers with known joints."""

from __future__ import annotations

import numpy as np

from posetrack.refine.clip import SEEN, Clip, Track
from posetrack.skeletons import POSETRACK

_BODY = {
    "nose": (0.02, -0.88), "head_bottom": (0, -0.8), "head_top": (0, -1.0),
    "left_shoulder": (0.1, -0.78), "right_shoulder": (-0.1, -0.78), "left_elbow": (0.15, -0.6),
    "right_elbow": (-0.15, -0.6), "left_wrist": (0.18, -0.42), "right_wrist": (-0.18, -0.42),
    "left_hip": (0.07, -0.5), "right_hip": (-0.07, -0.5), "left_knee": (0.08, -0.27),
    "right_knee": (-0.08, -0.27), "left_ankle": (0.08, -0.03), "right_ankle": (-0.08, -0.03),
}  # fmt: skip
"""Joints of a standing body of height 1, from the point between the feet."""

BODY = np.array([_BODY.get(joint, (np.nan, np.nan)) for joint in POSETRACK.joints])


def walker(
    track_id: int,
    feet: np.ndarray,
    *,
    frames: np.ndarray | None = None,
    fps: float = 25.0,
    height: float = 200.0,
    score: float = 0.8,
) -> Track:
    """A stiff body whose feet are at ``feet``, [T, 2], in frames 0 to T - 1 or in ``frames``."""
    places = np.arange(len(feet)) if frames is None else np.asarray(frames)
    joints = np.asarray(feet, dtype=np.float64)[:, None] + height * BODY
    there = ~np.isnan(joints).any(axis=-1)
    low, high = np.nanmin(joints, axis=1) - 5, np.nanmax(joints, axis=1) + 5
    return Track(
        track_id=track_id,
        frames=places.astype(np.int64),
        times=places / fps,
        boxes=np.concatenate([low, high], axis=1),
        box_scores=np.full(len(places), 0.9),
        joints=joints,
        joint_scores=np.where(there, score, 0.0),
        raw=joints.copy(),
        origins=np.where(there, np.uint8(SEEN), np.uint8(0)),
    )


def line(start: tuple[float, float], speed: tuple[float, float], count: int, fps: float = 25.0) -> np.ndarray:
    """[T, 2] positions of a walk at constant speed, in pixels per second."""
    return np.array(start) + np.arange(count)[:, None] / fps * np.array(speed)


def clip_of(
    *tracks: Track,
    fps: float = 25.0,
    frame_count: int | None = None,
    cuts: tuple[int, ...] = (),
    size: tuple[int, int] | None = None,
) -> Clip:
    """A clip of these tracks; ``size`` is the picture's width and height."""
    count = max((int(track.frames[-1]) + 1 for track in tracks), default=0) if frame_count is None else frame_count
    frames = np.arange(count, dtype=np.int64)
    return Clip(
        name="street", skeleton=POSETRACK, frames=frames, times=frames / fps, tracks=tracks,
        cuts=np.array(cuts, dtype=np.int64),
        images=() if size is None else tuple(
            {"file_name": f"street/{n:06d}.jpg", "id": n, "width": size[0], "height": size[1]}
            for n in range(count)
        ),
    )  # fmt: skip


def same_tracks(one: Track, other: Track, tolerance: float = 0.0) -> bool:
    """Whether two tracks hold the same frames, origins and, within a tolerance in pixels, joints."""
    return (
        np.array_equal(one.frames, other.frames)
        and np.array_equal(one.origins, other.origins)
        and np.allclose(one.joints, other.joints, rtol=0, atol=tolerance, equal_nan=True)
        and np.allclose(one.raw, other.raw, rtol=0, atol=tolerance, equal_nan=True)
    )
