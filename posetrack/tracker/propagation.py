"""People carried from one frame to the next by the flow (Xiao, Wu, Wei 2018, section 3.2)."""

from __future__ import annotations

import numpy as np

from posetrack.stages import Flow
from posetrack.tracker.config import PropagationConfig
from posetrack.tracker.joints import bounds, confident_joints, displacements, medians, planes
from posetrack.types import BoolArray, FloatArray, Origin, Poses


def propagate(
    poses: Poses, flow: Flow, config: PropagationConfig, frame_size: tuple[int, int], judged_s: float
) -> Poses:
    """Move the people of the previous frame along the flow, and drop those whose score is too low.

    The new box holds the confident joints that the flow followed and that are still in the frame. It is enlarged
    by ``expansion`` and clipped to the frame. Joints that left or were lost are missing.

    The pose network looks for the joints in this box, and they give the next box. So boxes drift from frame to
    frame, away from what the detector would give and the pose network was trained on. ``box_inertia`` therefore
    mixes in the previous box, moved and enlarged as the body was (``boxes_moved``).

    The box's score says that there is a person, and competes with the detector's scores. It starts as
    the score of the previous frame's box and halves every h seconds; 1 / h lies between the two half-lives
    of the configuration as the mean score c of the confident joints lies between its bounds:

        score = previous score x 2 ** (-t / h),   1 / h = w / h_seen + (1 - w) / h_unseen,
        w = (c - c_unseen) / (c_seen - c_unseen), kept in [0, 1]

    Between detections t = 0: the detector cannot have missed a person. In a frame with a detection t is the time
    since the previous one.

    Multiplying the score by c would lose a clearly seen person (c = 0.8) after a few frames; with the formula, a
    person detected at 0.5 is kept for a third of a second without the detector. Keeping the score, or setting it
    to c, would keep a box on empty background or on the wrong person for ever, above the detector's. With the
    default values, a box with very uncertain joints is dropped within 0.15 s, and the best ghost after 1.9 s. When
    the detector finds the person again, ``merge`` passes its score on.

    Args:
        poses: N people of the previous frame.
        flow: Flow from that frame to the next.
        config: Thresholds.
        frame_size: Width and height of the frame in pixels.
        judged_s: t above, seconds since the last detection; 0 between detections.

    Returns:
        At most N people in the same order, track ids kept: box and joints in the next frame, the
        carried box's score as ``scores``, joint scores as they were, 0 where the joint is gone.
    """
    before = planes(poses.keypoints)
    displacement, known = displacements(before, poses.present, flow)
    after = before + displacement
    limits = np.array(frame_size, np.float32)[:, None, None] - np.float32(0.5)
    x_inside, y_inside = (after >= -0.5) & (after <= limits)
    known = known & x_inside & y_inside
    keypoint_scores = np.where(known, poses.keypoint_scores, np.float32(0))
    confident = known & confident_joints(poses, config.min_joint_score)
    scores = poses.scores * np.exp2(-judged_s * _decay_rate(keypoint_scores, confident, config))
    alive = np.flatnonzero((confident.sum(axis=1) >= config.min_joints) & (scores >= config.min_score))
    after, confident = after.take(alive, axis=1), confident[alive]
    low, high = (corners.T for corners in bounds(after, confident))
    boxes = boxes_around(low, high, config.expansion, frame_size)
    if config.box_inertia > 0:
        moved = boxes_moved(poses.boxes[alive], before.take(alive, axis=1), after, confident, frame_size)
        mixed = boxes + np.float32(config.box_inertia) * (moved - boxes)
        boxes = np.concatenate([np.minimum(mixed[:, :2], low), np.maximum(mixed[:, 2:], high)], axis=1)
    keypoints = np.ascontiguousarray(after.transpose(1, 2, 0))
    return poses[alive].replace(
        boxes=boxes,
        scores=scores[alive],
        keypoints=keypoints,
        keypoint_scores=keypoint_scores[alive],
        origin=np.full(keypoint_scores[alive].shape, Origin.CARRIED, np.uint8),
    )


def boxes_around(low: FloatArray, high: FloatArray, expansion: float, frame_size: tuple[int, int]) -> FloatArray:
    """Boxes around the joints of N people, larger by ``expansion`` in all, clipped to the frame.

    Args:
        low, high: float32 [N, 2], top left and bottom right of each person's joints, source pixels.
        expansion: 0.15 makes width and height 15 % larger, 7.5 % on each side.
        frame_size: Width and height in pixels.

    Returns:
        float32 [N, 4], x1 y1 x2 y2; before clipping no side is shorter than 1 px.
    """
    centre, half = (low + high) / 2, np.maximum((high - low) * (1 + expansion), 1) / 2
    return _clipped(np.concatenate([centre - half, centre + half], axis=1), frame_size)


def boxes_moved(
    boxes: FloatArray, before: FloatArray, after: FloatArray, joints: BoolArray, frame_size: tuple[int, int]
) -> FloatArray:
    """Boxes of N people that move as their bodies do, and grow and shrink with them, clipped to the frame.

    The body's motion is the median of its joints' motions; its growth that of their median distance from the
    middle. A limb that swings, or a joint that the flow took along with something else, counts for little.

    Args:
        boxes: float32 [N, 4], in the previous frame.
        before, after: float32 [2, N, K], joints there and in the next frame, source pixels, x and y apart.
        joints: bool [N, K], which of them count.
        frame_size: Width and height in pixels.

    Returns:
        float32 [N, 4], in the next frame; as they were where no joint counts.
    """
    before, after = np.where(joints, before, np.float32(0)), np.where(joints, after, np.float32(0))
    middle_and_motion = medians(np.concatenate([before, after - before]), joints)
    middle, motion = middle_and_motion[:2], middle_and_motion[2:]
    x_then, y_then = before - middle[..., None]
    x_now, y_now = after - (middle + motion)[..., None]
    arms = np.sqrt((x_then * x_then + y_then * y_then, x_now * x_now + y_now * y_now))
    then, now = np.maximum(medians(arms, joints), 1)
    corners = boxes.reshape(-1, 2, 2) - middle.T[:, None]
    moved = corners * (now / then)[:, None, None] + (middle + motion).T[:, None]
    return _clipped(moved.reshape(-1, 4), frame_size)


def _clipped(boxes: FloatArray, frame_size: tuple[int, int]) -> FloatArray:
    """float32 [N, 4], no side outside of the frame."""
    limits = np.array([*frame_size, *frame_size], np.float32) - np.float32(0.5)
    return np.asarray(np.minimum(np.maximum(boxes, np.float32(-0.5)), limits), np.float32)


def _decay_rate(keypoint_scores: FloatArray, confident: BoolArray, config: PropagationConfig) -> FloatArray:
    """float32 [N], 1 / h of each person's score."""
    total = np.where(confident, keypoint_scores, 0).sum(axis=1)
    mean = total / np.maximum(confident.sum(axis=1), 1)
    seen = (mean - config.unseen_joint_score) / (config.seen_joint_score - config.unseen_joint_score)
    seen = np.minimum(np.maximum(seen, 0), 1)
    rate = seen / config.seen_half_life_s + (1 - seen) / config.unseen_half_life_s
    return np.asarray(rate, np.float32)
