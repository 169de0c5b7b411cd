"""Poses of one skeleton in another: joint by joint, as the table of the documentation says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from posetrack.skeleton_conversion import conversion_matrix, convert_poses
from posetrack.skeletons import COCO, LSP, POSETRACK, Skeleton
from posetrack.types import Boxes, Origin, Poses

SKELETONS = [POSETRACK, COCO, LSP]
TORSO = Skeleton("torso", ("left_hip", "right_shoulder", "left_shoulder"), (), (0.1, 0.1, 0.1))
NOTHING = Skeleton("nothing", (), (), ())
SOURCES = [*SKELETONS, TORSO, NOTHING]

Place = np.ndarray
Rule = tuple[tuple[str, ...], Callable[..., Place]]


def beyond_the_shoulders(share: float) -> Rule:
    """That share of the way from the shoulders' middle to the nose."""

    def place(left: Place, right: Place, nose: Place) -> Place:
        return np.asarray((left + right) / 2 + share * (nose - (left + right) / 2))

    return ("left_shoulder", "right_shoulder", "nose"), place


RULES: dict[str, Rule] = {
    "head_bottom": beyond_the_shoulders(0.30),
    "head_top": beyond_the_shoulders(1.65),
    "nose": (("head_bottom", "head_top"), lambda neck, crown: neck + 0.45 * (crown - neck)),
}


def people(skeleton: Skeleton, count: int = 40) -> Poses:
    """People of whose joints some are missing, and those are nowhere."""
    rng = np.random.default_rng(0)
    joints = len(skeleton)
    scores = rng.uniform(0.1, 1, (count, joints)) * (rng.random((count, joints)) > 0.15)
    scores[:, [skeleton.index(joint) for joint in skeleton.unused]] = 0
    keypoints = rng.uniform(0, 640, (count, joints, 2))
    keypoints[scores == 0] = np.nan
    return Poses(
        boxes=rng.uniform(0, 300, (count, 4)),
        scores=rng.uniform(0.1, 1, count),
        keypoints=keypoints,
        keypoint_scores=scores,
        track_ids=rng.permutation(100)[:count],
        skeleton=skeleton,
    )


def by_hand(poses: Poses, person: int, joint: str) -> tuple[Place | None, float]:
    """Where a joint is and how certain, by the rules above; None and 0 where it is left out or missing."""
    known = set(poses.skeleton.joints) - poses.skeleton.unused
    needed, place = ((joint,), lambda same: same) if joint in known else RULES.get(joint, ((), None))
    if not needed or not known.issuperset(needed):
        return None, 0.0
    slots = [poses.skeleton.index(name) for name in needed]
    score = min(float(poses.keypoint_scores[person, slot]) for slot in slots)
    if score == 0 or place is None:
        return None, 0.0
    return place(*(poses.keypoints[person, slot].astype(np.float64) for slot in slots)), score


@pytest.mark.parametrize("source", SOURCES, ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize("target", SKELETONS, ids=lambda skeleton: skeleton.name)
def test_every_joint_is_copied_blended_or_left_out(source: Skeleton, target: Skeleton) -> None:
    poses = people(source)
    converted = convert_poses(poses, target)
    assert converted.skeleton == target
    for name in ("boxes", "scores", "track_ids"):
        np.testing.assert_array_equal(getattr(converted, name), getattr(poses, name))
    for slot, joint in enumerate(target.joints):
        for person in range(len(poses)):
            place, score = (None, 0.0) if joint in target.unused else by_hand(poses, person, joint)
            assert converted.keypoint_scores[person, slot] == np.float32(score)
            if place is not None:
                np.testing.assert_allclose(converted.keypoints[person, slot], place, atol=1e-3)


def test_a_joint_made_of_others_is_as_little_seen_as_the_least_of_them() -> None:
    poses = people(COCO)
    origin = np.full((len(poses), len(COCO)), Origin.ESTIMATED, np.uint8)
    origin[:, COCO.index("left_shoulder")], origin[:, COCO.index("left_ear")] = Origin.FILLED, Origin.CARRIED
    converted = convert_poses(poses.replace(origin=origin), POSETRACK).origin
    assert (converted[:, POSETRACK.index("head_bottom")] == Origin.FILLED).all()
    assert (converted[:, POSETRACK.index("left_shoulder")] == Origin.FILLED).all()
    assert (converted[:, POSETRACK.index("right_shoulder")] == Origin.ESTIMATED).all()
    pending = Poses.pending_in(Boxes(poses.boxes, poses.scores), COCO)
    assert convert_poses(pending, POSETRACK).pending.all()


def test_the_same_skeleton_leaves_poses_as_they_are() -> None:
    poses = people(COCO)
    assert convert_poses(poses, COCO) is poses


@pytest.mark.parametrize("source", SOURCES, ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize("target", SKELETONS, ids=lambda skeleton: skeleton.name)
def test_weights_of_a_joint_sum_to_one_or_it_is_left_out(source: Skeleton, target: Skeleton) -> None:
    weights = conversion_matrix(source, target)
    assert weights.shape == (len(target), len(source)) and weights.dtype == np.float32
    known, wanted = (set(one.joints) - one.unused for one in (source, target))
    reached = {
        joint for joint in wanted if joint in known or (joint in RULES and known.issuperset(RULES[joint][0]))
    }
    np.testing.assert_allclose(weights.sum(axis=1), [joint in reached for joint in target.joints], atol=1e-6)
