"""Sides of halves of the body, by posture and walk; and joints that people have from one another."""

import numpy as np
import pytest

from posetrack.refine.clip import Track
from posetrack.refine.sides import mirrored, settle_sides
from posetrack.refine.stolen import remove_stolen
from posetrack.skeletons import COCO, POSETRACK
from tests.refine_clips import clip_of, line, same_tracks, walker

FRAME_S = 0.04
UPPER = np.array([n for n, j in enumerate(POSETRACK.joints) if j.endswith(("shoulder", "elbow", "wrist", "ear"))])
LOWER = np.array([n for n, j in enumerate(POSETRACK.joints) if j.endswith(("hip", "knee", "ankle"))])
SHOULDER, ELBOW, WRIST = (POSETRACK.index(f"left_{joint}") for joint in ("shoulder", "elbow", "wrist"))


def frames(track: Track, start: int, end: int) -> np.ndarray:
    return (track.frames >= start) & (track.frames < end)


@pytest.mark.parametrize("half", [UPPER, LOWER])
@pytest.mark.parametrize("span", [(30, 45), (0, 20), (60, 100)])
def test_arms_or_legs_alone_are_put_right(half: np.ndarray, span: tuple[int, int]) -> None:
    track = walker(1, line((100, 400), (100, 0), 100))
    wrong = mirrored(track, POSETRACK, frames(track, *span), half)
    assert not same_tracks(wrong, track)
    assert same_tracks(settle_sides(wrong, POSETRACK, FRAME_S), track)


def test_mirroring_some_joints_leaves_the_others() -> None:
    track = walker(1, line((100, 400), (100, 0), 10))
    turned = mirrored(track, POSETRACK, frames(track, 0, 10), LOWER)
    twins = POSETRACK.flip_permutation
    assert np.array_equal(turned.joints[:, UPPER], track.joints[:, UPPER], equal_nan=True)
    assert np.array_equal(turned.joints[:, LOWER], track.joints[:, twins[LOWER]])


def test_shoulders_and_hips_point_the_same_way_however_unsure_the_legs_are() -> None:
    """Arms are exchanged throughout: motion says nothing, and most frames are wrong; the hips decide."""
    track = walker(1, line((100, 400), (100, 0), 50))
    scores = np.where(np.isin(np.arange(17), UPPER), 0.2, 0.9) * (track.joint_scores > 0)
    sure_hips = track.replace(joint_scores=scores)
    wrong = mirrored(sure_hips, POSETRACK, frames(track, 0, 50), UPPER)
    assert same_tracks(settle_sides(wrong, POSETRACK, FRAME_S), sure_hips)


def walk_in_depth(growth: float, count: int = 150) -> Track:
    """Somebody seen from the front who grows by this share per second."""
    track = walker(1, np.zeros((count, 2)))
    scale = np.exp(growth * track.times)[:, None]
    joints = 300 + track.joints * scale[..., None]
    return track.replace(joints=joints, raw=joints.copy(), boxes=300 + track.boxes * scale)


@pytest.mark.parametrize(("growth", "exchanged"), [(0.2, False), (-0.2, True), (0.05, False), (-0.05, False)])
def test_whole_tracks_are_exchanged_for_somebody_who_walks_backwards(growth: float, exchanged: bool) -> None:
    """The body of the tests has its left at the right of the picture: it faces the camera."""
    track = walk_in_depth(growth)
    settled = settle_sides(track, POSETRACK, FRAME_S)
    assert same_tracks(settled, mirrored(track, POSETRACK, frames(track, 0, 150)) if exchanged else track)


def test_standing_up_is_no_walk() -> None:
    track = walk_in_depth(0.0)
    bent = track.joints.copy()
    upper = np.flatnonzero(np.array(POSETRACK.limb_slots).ravel() >= 0)
    assert len(upper)
    height = np.linspace(0.5, 1, 150)[:, None]
    trunk = [n for n, joint in enumerate(POSETRACK.joints) if not joint.endswith(("knee", "ankle", "hip"))]
    hips = bent[:, [POSETRACK.index("left_hip")], 1]
    bent[:, trunk, 1] = hips + (bent[:, trunk, 1] - hips) * height
    turned = mirrored(track.replace(joints=bent, raw=bent.copy()), POSETRACK, frames(track, 0, 150))
    assert same_tracks(settle_sides(turned, POSETRACK, FRAME_S), turned)


def test_a_skeleton_without_pairs_or_a_single_frame_is_no_trouble() -> None:
    track = walker(1, line((100, 400), (0, 0), 1))
    assert same_tracks(settle_sides(track, POSETRACK, FRAME_S), track)
    assert len(COCO.joints) == 17
    assert same_tracks(settle_sides(track, COCO, 0.0), track)


def robbed(apart: float = 80) -> tuple[Track, Track]:
    """Two who stand close; the left arm of the first jumps to the other's for half a second."""
    one, other = walker(1, line((300, 400), (0, 0), 60)), walker(2, line((300 + apart, 400), (0, 0), 60))
    joints = one.joints.copy()
    joints[20:32, [ELBOW, WRIST]] = other.joints[20:32, [ELBOW, WRIST]] + 3
    return one.replace(joints=joints, raw=joints.copy()), other


@pytest.mark.parametrize("apart", [80, 60])
def test_joints_that_jump_to_another_person_are_removed(apart: float) -> None:
    """60 px apart, the arm is at the other's right arm when it is at home."""
    one, other = robbed(apart)
    cleaned, untouched = remove_stolen([one, other], clip_of(one, other))
    gone = np.argwhere(one.present & ~cleaned.present)
    assert sorted(set(map(tuple, gone.tolist()))) == [(row, j) for row in range(20, 32) for j in (ELBOW, WRIST)]
    assert same_tracks(untouched, other)


def test_a_joint_may_be_on_the_other_side_of_the_other_person() -> None:
    one, other = robbed()
    other = mirrored(other, POSETRACK, frames(other, 0, 60))
    cleaned, _ = remove_stolen([one, other], clip_of(one, other))
    assert not cleaned.present[25, WRIST]


def test_people_who_cross_keep_their_joints() -> None:
    one, other = walker(1, line((104, 400), (200, 0), 51)), walker(2, line((500, 400), (-200, 0), 51))
    kept = remove_stolen([one, other], clip_of(one, other))
    assert all(same_tracks(a, b) for a, b in zip(kept, (one, other), strict=True))


def test_a_meeting_without_a_jump_is_kept_though_the_joint_jumps_elsewhere() -> None:
    one, other = walker(1, line((104, 400), (200, 0), 51)), walker(2, line((500, 400), (-200, 0), 51))
    joints = one.joints.copy()
    joints[3:5, WRIST] += (0, -90)
    jumpy = one.replace(joints=joints, raw=joints.copy())
    assert same_tracks(remove_stolen([jumpy, other], clip_of(jumpy, other))[0], jumpy)


@pytest.mark.parametrize(("off", "stolen"), [(14, True), (22, False)])
def test_a_joint_beside_the_other_persons_is_not_theirs(off: float, stolen: bool) -> None:
    """People are 212 px tall: 0.08 of them are 17 px."""
    one, other = robbed(40)
    joints = one.joints.copy()
    joints[20:32, WRIST] = other.joints[20:32, WRIST] + (0, off)
    one = one.replace(joints=joints, raw=joints.copy())
    kept = remove_stolen([one, other], clip_of(one, other))[0].present[25, WRIST]
    assert bool(kept) is not stolen


def test_a_joint_that_jumps_to_nobody_is_not_stolen() -> None:
    one, other = robbed()
    far = walker(2, line((900, 400), (0, 0), 60))
    assert same_tracks(remove_stolen([one, far], clip_of(one, far))[0], one)
    assert same_tracks(remove_stolen([one], clip_of(one))[0], one) and len(other) == 60
