"""Clips in another skeleton."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posetrack.refine.clip import MISSING, Clip, Track
from posetrack.skeleton_conversion import conversion_matrix, convert_poses
from posetrack.skeletons import Skeleton
from posetrack.types import Doubles, Origin, Poses


def in_skeleton(clip: Clip, target: Skeleton) -> Clip:
    """The clip with the joints of ``target``, as ``convert_poses`` makes them, without standard deviations."""
    if clip.skeleton == target:
        return clip
    tracks = tuple(_converted(track, clip.skeleton, target) for track in clip.tracks)
    return replace(clip, skeleton=target, tracks=tracks)


def _converted(track: Track, source: Skeleton, target: Skeleton) -> Track:
    now = convert_poses(_poses(track, track.joints, source), target)
    made_of = conversion_matrix(source, target) != 0
    before = convert_poses(_poses(track, track.raw, source), target)
    return track.replace(
        joints=np.where(now.present[..., None], now.keypoints, np.nan).astype(np.float64),
        joint_scores=np.where(now.present, now.keypoint_scores, 0).astype(np.float64),
        raw=np.where(before.present[..., None], before.keypoints, np.nan).astype(np.float64),
        origins=np.where(now.present, now.origin, np.uint8(MISSING)),
        sds=None,
        by_hand=None if track.by_hand is None else (track.by_hand[:, None] & made_of).any(axis=2),
    )


def _poses(track: Track, joints: Doubles, skeleton: Skeleton) -> Poses:
    """All frames of a track as if they were people of one."""
    there = ~np.isnan(joints).any(axis=-1) & track.present
    return Poses(
        boxes=track.boxes.astype(np.float32),
        scores=track.box_scores.astype(np.float32),
        keypoints=np.where(there[..., None], joints, 0),
        keypoint_scores=np.where(there, track.joint_scores, 0),
        track_ids=np.arange(len(track)),
        skeleton=skeleton,
        origin=np.where(there, track.origins, np.uint8(Origin.ESTIMATED)),
    )
