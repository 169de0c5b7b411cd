"""Which poses are people of their own, and what is reported of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.errors import ConfigError
from posetrack.skeletons import COCO, POSETRACK, Skeleton
from posetrack.tracker import (
    ParametricConfig,
    SelectionConfig,
    iou_matrix,
    oks_matrix,
    parametric_nms,
    people_among,
    select_joints,
)
from posetrack.tracker.oks import part_oks
from posetrack.tracker.pose_nms import close_joints, parametric_similarity
from posetrack.types import UNLINKED, Poses

CONFIG = ParametricConfig()


def select_people(poses: Poses, config: SelectionConfig) -> Poses:
    return poses[people_among(poses, config)]


def people(
    rng: np.random.Generator, count: int, skeleton: Skeleton = COCO, spread: float = 4.0, height: float = 200.0
) -> Poses:
    """Estimates of a few people, some of them several times, with joints missing here and there."""
    bodies = rng.uniform((0, 0), (0.4 * height, height), (3, len(skeleton), 2)) + rng.uniform(0, 400, (3, 1, 2))
    keypoints = bodies[rng.integers(0, 3, count)] + rng.normal(0, spread, (count, len(skeleton), 2))
    scores = rng.uniform(0.1, 1, (count, len(skeleton))) * (rng.random((count, len(skeleton))) > 0.1)
    boxes = np.concatenate([keypoints.min(axis=1), keypoints.max(axis=1)], axis=1)
    return Poses(boxes, rng.random(count), keypoints, scores, np.full(count, UNLINKED), skeleton)


def distance_by_hand(poses: Poses, i: int, j: int) -> tuple[float, float]:
    """RMPE's K_Sim + lambda H_Sim and the number of close joints, joint by joint, i the reference."""
    x1, y1, x2, y2 = poses.boxes[i].tolist()
    k_sim, h_sim, close = 0.0, 0.0, 0
    for joint in poses.skeleton.in_use.tolist():
        c_i, c_j = float(poses.keypoint_scores[i, joint]), float(poses.keypoint_scores[j, joint])
        if c_i == 0 or c_j == 0:
            continue
        dx, dy = (poses.keypoints[j, joint] - poses.keypoints[i, joint]).tolist()
        if abs(dx) <= (x2 - x1) / 20 and abs(dy) <= (y2 - y1) / 20:
            k_sim += math.tanh(c_i / 1.0) * math.tanh(c_j / 1.0)
        h_sim += math.exp(-(dx * dx + dy * dy) / 2.65)
        close += math.hypot(dx, dy) <= min(0.1 * max(x2 - x1, y2 - y1), 7)
    scale = 17 / len(poses.skeleton.in_use)
    return (k_sim + 1.7 * h_sim) * scale, close * scale


@pytest.mark.parametrize("skeleton", [COCO, POSETRACK])
@pytest.mark.parametrize("spread", [0.5, 4.0])
def test_pose_distances_are_those_of_the_paper(skeleton: Skeleton, spread: float) -> None:
    poses = people(np.random.default_rng(1), 9, skeleton, spread)
    similarity, close = parametric_similarity(poses, CONFIG), close_joints(poses, CONFIG)
    for i in range(9):
        for j in range(9):
            by_hand = distance_by_hand(poses, i, j)
            assert (similarity[i, j], close[i, j]) == pytest.approx(by_hand, rel=1e-4, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 14), spread=st.sampled_from([0.3, 2.0, 6.0, 12.0]))
def test_suppression_is_the_papers_loop(seed: int, count: int, spread: float) -> None:
    """The most confident pose is the reference, redundant ones go, and again with those left."""
    poses = people(np.random.default_rng(seed), count, COCO, spread)
    left, kept = list(range(count)), []
    while left:
        reference = max(left, key=lambda index: float(poses.keypoint_scores[index].mean()))
        kept.append(reference)
        distances = {j: distance_by_hand(poses, reference, j) for j in left}
        left = [j for j in left if j != reference and distances[j][0] <= 22.48 and distances[j][1] < 5]
    assert parametric_nms(poses, CONFIG).tolist() == kept


def test_a_worse_pose_never_suppresses_a_better_one() -> None:
    """Joints 3 px apart are close in a box of 200 px (of the worse pose), and not in one of 20 px."""
    keypoints = np.random.default_rng(0).uniform(0, 20, (1, len(COCO), 2)) + np.array([[[0, 0]], [[3, 0]]])
    scores = np.full((2, len(COCO)), 0.5)
    scores[0] = 0.9
    boxes = np.array([[0, 0, 20, 20], [0, 0, 200, 200]])
    poses = Poses(boxes, np.ones(2), keypoints, scores, np.full(2, UNLINKED), COCO)
    redundant = close_joints(poses, CONFIG) >= 5
    assert (redundant[0, 1], redundant[1, 0]) == (False, True)
    assert parametric_nms(poses, CONFIG).tolist() == [0, 1]


@pytest.mark.parametrize("nms", ["oks", "parametric"])
def test_a_person_estimated_twice_is_one_and_neighbours_are_two(nms: str) -> None:
    rng = np.random.default_rng(0)
    one = people(rng, 1, POSETRACK)
    scores = np.full((3, 17), 0.9, np.float32) * np.array([[0.9], [1.0], [0.8]], np.float32)
    moved = np.array([[2.0, 1.0], [0.0, 0.0], [150.0, 10.0]], np.float32)
    poses = Poses(
        one.boxes + np.tile(moved, 2), np.ones(3), one.keypoints + moved[:, None], scores,
        np.full(3, UNLINKED), POSETRACK,
    )  # fmt: skip
    kept = select_people(poses, SelectionConfig(nms=nms))
    np.testing.assert_array_equal(kept.boxes, poses.boxes[1:])


@pytest.mark.parametrize("nms", ["oks", "parametric"])
def test_nobody_and_people_without_joints_are_no_trouble(nms: str) -> None:
    config = SelectionConfig(nms=nms, min_pose_score=0)
    assert len(select_people(Poses.empty(COCO), config)) == 0
    blank = Poses(
        np.zeros((2, 4)), np.ones(2), np.zeros((2, 17, 2)), np.zeros((2, 17)), np.full(2, UNLINKED), COCO
    )
    assert len(select_people(blank, config)) == 2
    assert select_joints(blank, SelectionConfig(rescore=True)).scores.tolist() == [0, 0]


def test_the_better_pose_stays_whatever_the_order() -> None:
    poses = people(np.random.default_rng(4), 12, COCO, 0.5)
    for nms in ("oks", "parametric"):
        config = SelectionConfig(nms=nms)
        kept = select_people(poses, config)
        order = np.random.default_rng(1).permutation(12)
        assert sorted(select_people(poses[order], config).scores.tolist()) == sorted(kept.scores.tolist())


def test_faint_joints_can_be_left_out_of_the_comparison() -> None:
    """A hidden person's faint joints lie on whoever stands in front; those that are seen lie elsewhere."""
    front = people(np.random.default_rng(3), 1, COCO, 0.0)
    keypoints = np.repeat(front.keypoints, 2, axis=0).copy()
    keypoints[1, 11:] += (60, 5)
    scores = np.full((2, 17), 0.9, np.float32)
    scores[1, :11], scores[1, 11:] = 0.19, 0.6
    poses = Poses(np.repeat(front.boxes, 2, axis=0), np.ones(2), keypoints, scores, np.full(2, UNLINKED), COCO)
    assert len(select_people(poses, SelectionConfig(max_oks=0.6, min_nms_joint_score=0))) == 1
    assert len(select_people(poses, SelectionConfig(max_oks=0.6, min_nms_joint_score=0.2))) == 2


def test_rescoring_is_box_score_times_the_mean_of_the_joints_that_are_seen() -> None:
    scores = np.zeros((2, 17), np.float32)
    scores[0, :4] = 0.9, 0.5, 0.1, 0.4
    scores[1, :3] = 0.19, 0.1, 0.15
    poses = Poses(
        np.array([[0, 0, 9, 9], [50, 0, 59, 9]]),
        [0.8, 0.9],
        np.zeros((2, 17, 2)) + [[[0, 0]], [[50, 0]]],
        scores,
        np.full(2, UNLINKED),
        COCO,
    )
    reported = select_joints(poses, SelectionConfig(rescore=True))
    np.testing.assert_allclose(reported.scores, [0.8 * (0.9 + 0.5 + 0.4) / 3, 0], rtol=1e-6)
    assert (reported.keypoint_scores > 0).sum(axis=1).tolist() == [3, 0]
    np.testing.assert_array_equal(select_joints(poses, SelectionConfig()).scores, poses.scores)
    tracked = select_people(poses, SelectionConfig(rescore=True, min_pose_score=0))
    np.testing.assert_array_equal(tracked.scores, poses.scores)


def test_ears_count_neither_in_rescoring_nor_in_the_pose_distance() -> None:
    scores = np.full((1, 17), 0.5, np.float32)
    scores[0, [POSETRACK.index("left_ear"), POSETRACK.index("right_ear")]] = 1
    poses = Poses(np.array([[0, 0, 9, 9]]), [1.0], np.zeros((1, 17, 2)), scores, [UNLINKED], POSETRACK)
    assert select_joints(poses, SelectionConfig(rescore=True)).scores[0] == pytest.approx(0.5)
    assert close_joints(poses, CONFIG)[0, 0] == pytest.approx(17)


@pytest.mark.parametrize(
    "name, value", [("score_scale", 0), ("distance_scale_px2", -1.0), ("box_share", float("nan")),
                    ("min_matches", 0), ("max_match_px", 0.0), ("spatial_weight", -0.1), ("min_similarity", -1)]
)  # fmt: skip
def test_parameters_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        ParametricConfig(**{name: value})  # type: ignore[arg-type]


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(ConfigError, match="nms is 'soft'; choose one of oks, parametric"):
        SelectionConfig(nms="soft")
    with pytest.raises(ConfigError, match="min_nms_joint_score must lie between 0 and 1"):
        SelectionConfig(min_nms_joint_score=1.5)


def one_person(*scores: float, shift: float = 0.0) -> Poses:
    """A pose 200 px tall, the first joints with these scores and the rest missing."""
    rng = np.random.default_rng(0)
    keypoints = rng.uniform((0, 0), (80, 200), (1, 17, 2)) + shift
    filled = np.zeros((1, 17))
    filled[0, : len(scores)] = scores
    return Poses([[0, 0, 80, 200]], [0.8], keypoints, filled, [UNLINKED], COCO)


@pytest.mark.parametrize(("mean", "is_a_person"), [(0.14, False), (0.16, True)])
def test_a_pose_is_a_person_from_a_mean_joint_score_of_15_percent_on(mean: float, is_a_person: bool) -> None:
    assert len(select_people(one_person(*[mean] * 17), SelectionConfig())) == is_a_person


@pytest.mark.parametrize(("shift", "people_left"), [(5.0, 1), (14.0, 2)])
def test_two_poses_are_one_person_above_an_oks_of_a_half(shift: float, people_left: int) -> None:
    poses = Poses.concatenate([one_person(*[0.9] * 17), one_person(*[0.8] * 17, shift=shift)])
    oks = oks_matrix(poses, poses)[0, 1]
    assert 0.25 < oks < 0.5 if people_left == 2 else oks > 0.5
    assert len(select_people(poses, SelectionConfig())) == people_left


def test_joints_below_three_tenths_do_not_tell_two_people_apart() -> None:
    """Three joints agree; the others, which nobody believes in, do not."""
    poses = Poses.concatenate([one_person(*[0.9] * 3, *[0.25] * 14), one_person(*[0.8] * 3, *[0.25] * 14)])
    keypoints = poses.keypoints.copy()
    keypoints[1, 3:] += 60
    assert len(select_people(poses.replace(keypoints=keypoints), SelectionConfig())) == 1
    everything = SelectionConfig(min_nms_joint_score=0.2)
    assert len(select_people(poses.replace(keypoints=keypoints), everything)) == 2


def test_the_chosen_rule_decides() -> None:
    """9 px apart, two poses are alike by OKS, and not within AlphaPose's 7 px."""
    poses = Poses.concatenate([one_person(*[0.9] * 17), one_person(*[0.8] * 17, shift=6.4)])
    assert len(select_people(poses, SelectionConfig(nms="oks"))) == 1
    assert len(select_people(poses, SelectionConfig(nms="parametric"))) == 2


def test_a_joint_at_the_limit_is_reported_and_a_missing_one_has_score_0() -> None:
    reported = select_joints(one_person(0.25, 0.24, 0.9), SelectionConfig(min_joint_score=0.25))
    assert reported.keypoint_scores[0].tolist() == pytest.approx([0.25, 0, 0.9] + [0] * 14)
    alone = select_joints(one_person(0.25, 0.24), SelectionConfig(min_joint_score=0.25, rescore=True))
    assert alone.scores.tolist() == pytest.approx([0.8 * 0.25])


def test_joints_just_seven_pixels_apart_are_close_and_five_of_them_suffice() -> None:
    one = one_person(*[0.9] * 17)
    other = one_person(*[0.8] * 17)
    keypoints = np.round(one.keypoints)
    moved = keypoints + [0, 7]
    moved[0, 5:] += 300
    pair = Poses.concatenate([one.replace(keypoints=keypoints), other.replace(keypoints=moved)])
    assert close_joints(pair, CONFIG)[0, 1] == 5
    assert parametric_nms(pair, CONFIG).tolist() == [0]
    moved[0, 4] += 300
    pair = Poses.concatenate([one.replace(keypoints=keypoints), other.replace(keypoints=moved)])
    assert parametric_nms(pair, CONFIG).tolist() == [0, 1]


def test_joints_that_one_of_two_poses_misses_are_not_compared_not_even_near_the_origin() -> None:
    scores = np.zeros((1, 17))
    scores[0, 0] = 0.5
    near = Poses([[0, 0, 80, 200]], [0.8], np.full((1, 17, 2), 1.0), np.full((1, 17), 0.9), [UNLINKED], COCO)
    pair = Poses.concatenate([near, near.replace(keypoint_scores=scores)])
    assert close_joints(pair, CONFIG).tolist() == [[17, 1], [1, 1]]
    wide = ParametricConfig(score_scale=2.0)
    expected = np.tanh(0.9 / 2) * np.tanh(0.5 / 2) + 1.7
    assert parametric_similarity(pair, wide)[0, 1] == pytest.approx(expected, rel=1e-5)


def pair_apart(x: float, y: float = 0.0, corner: tuple[int, int] = (0, 0)) -> Poses:
    """Two poses in one box of 80 x 200 px from a corner on, each joint of one this far from the other's."""
    one = one_person(*[0.9] * 17)
    first = one.replace(boxes=one.boxes + [*corner, *corner], keypoints=np.round(one.keypoints) + corner)
    second = first.replace(keypoints=first.keypoints + [x, y], keypoint_scores=np.full((1, 17), 0.8))
    return Poses.concatenate([first, second])


@pytest.mark.parametrize(
    ("x", "y", "inside"), [(5, 0, True), (5.01, 0, False), (0, 12.5, True), (0, 12.51, False), (-5, -12.5, True)]
)
def test_a_joint_on_the_edge_of_the_box_about_the_references_joint_matches(
    x: float, y: float, inside: bool
) -> None:
    """An eighth of 80 x 200 px: 5 and 12.5 px to each side."""
    found = parametric_similarity(pair_apart(x, y), ParametricConfig(box_share=0.125))[0, 1]
    spatial = 1.7 * 17 * np.exp(-(x * x + y * y) / 2.65)
    assert found == pytest.approx(inside * 17 * np.tanh(0.9) * np.tanh(0.8) + spatial, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("corner", [(0, 0), (1000, 0), (0, 1000)])
def test_close_is_within_a_share_of_the_longer_side_wherever_the_box_lies(corner: tuple[int, int]) -> None:
    """A fortieth of 200 px is 5 px."""
    config = ParametricConfig(box_share=1 / 40)
    assert close_joints(pair_apart(5, corner=corner), config)[0, 1] == 17
    assert close_joints(pair_apart(6, corner=corner), config)[0, 1] == 0


def test_poses_as_similar_as_allowed_are_two_people() -> None:
    pair = pair_apart(2)
    similarity = parametric_similarity(pair, CONFIG)[0, 1]
    for allowed, kept in ((similarity, [0, 1]), (np.nextafter(similarity, np.float32(0)), [0])):
        config = ParametricConfig(min_similarity=float(allowed), min_matches=18)
        assert parametric_nms(pair, config).tolist() == kept


def test_without_weight_distances_do_not_count() -> None:
    found = parametric_similarity(pair_apart(30, 60), ParametricConfig(spatial_weight=0, min_similarity=0))
    assert found[0, 1] == 0


def two_people(iou: float, score: float, moved: float) -> Poses:
    """Two people in boxes 40 px wide; the second pose is the first, moved by a share of the person's size."""
    height, shift = 100.0, 40 * (1 - iou) / (1 + iou)
    boxes = np.array([[0, 0, 40, height], [shift, 0, 40 + shift, height]])
    joints = np.random.default_rng(0).uniform((0, 0), (40, height), (1, len(POSETRACK), 2))
    keypoints = np.concatenate([joints, joints + [moved * height, 0]])
    scores = np.full((2, len(POSETRACK)), 0.8)
    return Poses(boxes, [1.0, score], keypoints, scores, [UNLINKED] * 2, POSETRACK)


@pytest.mark.parametrize(
    ("iou", "score", "moved", "kept"),
    [
        (0.2, 0.9, 0.04, 2),
        (0.29, 0.8, 0.04, 2),
        (0.31, 0.9, 0.04, 1),
        (0.2, 0.79, 0.04, 1),
        (0.2, 0.9, 0.005, 1),
        (0.2, 0.5, 0.3, 2),
    ],
    ids=["apart", "just apart", "boxes alike", "one unsure", "limb by limb", "unlike poses"],
)
def test_two_confident_people_in_boxes_apart_are_two_unless_their_joints_coincide(
    iou: float, score: float, moved: float, kept: int
) -> None:
    """Where people cross, the pose network draws the front person in both boxes."""
    assert len(select_people(two_people(iou, score, moved), SelectionConfig())) == kept


def whole_and_half(moved: float = 0.0, hidden: int = 0) -> Poses:
    """Somebody 200 px tall, and a box about their upper half, both sure.

    The half's upper joints are the person's, moved by a share of the height. Its legs are made up inside its box.
    """
    upper = np.array([not joint.endswith(("knee", "ankle")) for joint in POSETRACK.joints])
    joints = np.random.default_rng(1).uniform((10, 10), (70, 95), (17, 2))
    joints[~upper, 1] += 100
    half = joints + [0, moved * 200]
    half[~upper] = [[20, 97], [60, 97], [25, 98], [55, 98]]
    scores = np.full((2, 17), 0.8)
    scores[0, :hidden] = 0
    boxes = [[0, 0, 80, 200], [0, 0, 80, 100]]
    return Poses(boxes, [0.9, 1.0], np.stack([joints, half]), scores, [UNLINKED] * 2, POSETRACK)


def test_half_a_body_beside_the_whole_one_is_the_same_person_and_the_whole_stays() -> None:
    both = whole_and_half()
    assert select_people(both, SelectionConfig()).boxes.tolist() == [[0, 0, 80, 200]]
    assert select_people(both[[1, 0]], SelectionConfig()).boxes.tolist() == [[0, 0, 80, 200]]


def test_somebody_else_inside_a_persons_box_stays() -> None:
    """A child in front of an adult: the joints are not those of a part of the adult."""
    assert len(select_people(whole_and_half(moved=0.15), SelectionConfig(max_oks=0.9))) == 2


def test_joints_that_the_whole_body_lacks_do_not_make_it_the_same_person() -> None:
    assert len(select_people(whole_and_half(hidden=11), SelectionConfig(max_oks=1.0))) == 2


def test_boxes_that_lie_side_by_side_are_not_parts_of_each_other() -> None:
    both = whole_and_half()
    boxes = both.boxes.copy()
    boxes[1] += [30, 0, 30, 0]  # 62 % inside
    assert len(select_people(both.replace(boxes=boxes), SelectionConfig(max_oks=0.95))) == 2


@pytest.mark.parametrize(
    ("whole", "part", "kept"), [(0.8, 1.0, 1), (0.79, 1.0, 2), (0.79, 0.79, 1), (0.79, 0.8, 2), (0.5, 0.4, 1)]
)
def test_the_whole_takes_its_part_in_if_it_is_sure_or_as_sure_as_the_part(
    whole: float, part: float, kept: int
) -> None:
    both = whole_and_half().replace(scores=[whole, part])
    assert len(select_people(both, SelectionConfig(max_oks=0.95, sure_score=0.8))) == kept


@pytest.mark.parametrize(("shift", "kept"), [(16, 1), (17, 2)])
def test_a_part_lies_in_the_whole_by_four_fifths(shift: float, kept: int) -> None:
    both = whole_and_half()
    boxes = both.boxes.copy()
    boxes[1] += [-shift, 0, -shift, 0]  # of 80 px
    assert len(select_people(both.replace(boxes=boxes), SelectionConfig(max_oks=0.95))) == kept


def test_boxes_that_overlap_by_the_limit_are_not_apart() -> None:
    both = two_people(0.25, 0.9, 0.04)
    overlap = float(iou_matrix(both.boxes, both.boxes)[0, 1])
    for limit, kept in ((overlap, 1), (overlap + 1e-3, 2)):
        assert len(select_people(both, SelectionConfig(max_sure_iou=limit))) == kept


def test_joints_as_alike_as_allowed_are_not_a_parts() -> None:
    both = whole_and_half(moved=0.02)
    alike = float(part_oks(both, np.array([1]), np.array([0]))[0])
    assert 0.7 < alike < 1
    for limit, kept in ((alike, 2), (alike - 1e-3, 1)):
        assert len(select_people(both, SelectionConfig(max_oks=0.99, max_part_oks=limit))) == kept
