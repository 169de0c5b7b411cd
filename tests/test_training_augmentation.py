"""Augmentation of crops; joints that it removes from the image disappear from the targets."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.skeletons import POSETRACK
from posetrack.training.pasting import paste_beside
from posetrack.training.pose_augmentation import Augmentation, cut_off, half_body, hide_head
from posetrack.training.pose_data import PoseDataset
from posetrack.training.pose_people import LabelledPerson
from posetrack.training.pose_targets import TargetSettings

PLAIN = Augmentation(scale=0, rotation_deg=0, shift=0, flip=0, recolour=False, grey=0, degrade=0)
SHARP = TargetSettings(sigma=1.0)
SMALL = PoseArchitecture(width=64, height=64, padding=1.0, all_slots=True)
UPRIGHT = {
    "head_top": (32, 8), "nose": (32, 12), "head_bottom": (32, 16),
    "left_shoulder": (40, 20), "right_shoulder": (24, 20), "left_hip": (37, 36), "right_hip": (27, 36),
    "left_knee": (37, 46), "right_knee": (27, 46), "left_ankle": (37, 56), "right_ankle": (27, 56),
}  # fmt: skip
BORDER = (1, 2, 3)


def person(tmp_path: Path, **fields: object) -> LabelledPerson:
    """An upright person in a white image of 64 x 64; the crop is the whole image."""
    path = tmp_path / "white.png"
    cv2.imwrite(str(path), np.full((64, 64, 3), 255, np.uint8))
    keypoints, weights = np.zeros((17, 2), np.float32), np.zeros(17, np.float32)
    for name, place in UPRIGHT.items():
        keypoints[POSETRACK.index(name)], weights[POSETRACK.index(name)] = place, 1
    nothing = np.full((17, 3), (0, 0, -1), np.float32)
    plain = LabelledPerson(path, np.array([0, 0, 63, 63], np.float32), keypoints, weights, weights > 0, nothing)
    return replace(plain, **fields)


def known_joints(someone: LabelledPerson) -> tuple[np.ndarray, np.ndarray]:
    return someone.points.astype(np.float64), someone.known


@pytest.mark.parametrize("seed", range(20))
def test_a_half_body_contains_one_half_of_the_joints_and_few_of_the_other(tmp_path: Path, seed: int) -> None:
    someone = person(tmp_path)
    box = half_body(someone.box, someone.points, someone.known, POSETRACK, np.random.default_rng(seed))
    inside = ((someone.points > box[:2]) & (someone.points < box[2:])).all(axis=1) & someone.known
    names = {POSETRACK.joints[k] for k in np.flatnonzero(inside)}
    halves = (
        {"head_top", "left_shoulder", "right_shoulder", "left_hip", "right_hip"},
        {"left_hip", "right_hip", "left_knee", "left_ankle", "right_ankle"},
        {"head_top", "left_shoulder", "left_hip", "left_ankle"},
        {"head_top", "right_shoulder", "right_hip", "right_ankle"},
    )
    assert any(half <= names for half in halves)
    assert (box[2:] - box[:2]).min() < 63


def test_all_four_halves_occur(tmp_path: Path) -> None:
    someone = person(tmp_path)
    random = np.random.default_rng(0)
    boxes = {
        half_body(someone.box, someone.points, someone.known, POSETRACK, random).round().tobytes()
        for _ in range(60)
    }
    assert len(boxes) == 4


def test_a_person_with_few_known_joints_stays_whole(tmp_path: Path) -> None:
    someone = person(tmp_path)
    few = np.zeros(17, np.bool_)
    few[[5, 6]] = True
    box = half_body(someone.box, someone.points, few, POSETRACK, np.random.default_rng(0))
    assert (box == someone.box).all()


@pytest.mark.parametrize("seed", range(12))
def test_beyond_the_cut_the_crop_is_blank_and_joints_are_gone(tmp_path: Path, seed: int) -> None:
    someone = person(tmp_path)
    points, known = known_joints(someone)
    white = np.full((64, 64, 3), 255, np.uint8)
    crop, gone = cut_off(white, points, known, BORDER, np.random.default_rng(seed))
    blank = (crop == BORDER).all(axis=-1)
    assert 0 < blank.sum() < blank.size
    assert (white == 255).all()
    for joint in np.flatnonzero(known):
        x, y = points[joint].astype(int)
        near = blank[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        assert gone[joint] == blank[y, x] or not near.all()
    assert known[gone].any()


def test_the_target_of_a_joint_outside_the_frame_is_empty(tmp_path: Path) -> None:
    someone = person(tmp_path)
    _, targets, weights, _, placed = PoseDataset([someone], SMALL, replace(PLAIN, cut=1.0), SHARP, seed=3)[0]
    heights = targets.amax(dim=(1, 2)).numpy()
    labelled = someone.weights > 0
    assert (weights.numpy() == labelled).all()
    assert (heights[labelled] < 0.01).any()
    assert (heights[labelled] > 0.7).any()


@pytest.mark.parametrize("seed", range(8))
def test_a_hidden_head_changes_the_head_and_leaves_the_hips(tmp_path: Path, seed: int) -> None:
    someone = person(tmp_path)
    points, known = known_joints(someone)
    picture = np.random.default_rng(9).integers(0, 256, (64, 64, 3), np.uint8)
    crop = hide_head(picture, points, known, POSETRACK, np.random.default_rng(seed))
    changed = (crop != picture).any(axis=-1)
    assert changed[9:15, 29:35].mean() > 0.9
    assert not changed[30:].any()


def test_an_unknown_head_is_not_hidden(tmp_path: Path) -> None:
    picture = np.random.default_rng(9).integers(0, 256, (64, 64, 3), np.uint8)
    crop = hide_head(picture, np.zeros((17, 2)), np.zeros(17, np.bool_), POSETRACK, np.random.default_rng(0))
    assert (crop == picture).all()


@pytest.mark.parametrize("option", ["occlude", "darken", "shrink", "degrade"])
def test_each_change_of_appearance_has_its_probability_and_keeps_the_targets(tmp_path: Path, option: str) -> None:
    picture = np.random.default_rng(9).integers(0, 256, (64, 64, 3), np.uint8)
    someone = person(tmp_path)
    cv2.imwrite(str(someone.image), picture)
    plain = PoseDataset([someone], SMALL, PLAIN, SHARP)[0]
    varied = PoseDataset([someone], SMALL, replace(PLAIN, **{option: 1.0}), SHARP)[0]
    assert (plain[0].numpy() != varied[0].numpy()).mean() > 0.02
    assert (plain[1] == varied[1]).all()
    assert plain[0].shape == varied[0].shape


def test_people_are_turned_over_with_the_given_probability(tmp_path: Path) -> None:
    """The height of the head in the crop shows which way up the person is."""
    someone = person(tmp_path)

    def below(turn_over: float) -> float:
        dataset = PoseDataset([someone] * 200, SMALL, replace(PLAIN, turn_over=turn_over), SHARP)
        head, ankle = POSETRACK.index("head_bottom"), POSETRACK.index("left_ankle")
        rows = [dataset[index][1][[head, ankle]].amax(dim=2).argmax(dim=1) for index in range(200)]
        return float(np.mean([int(row[0]) > int(row[1]) for row in rows]))

    assert below(0.0) == 0
    assert 0.3 < below(1.0) < 0.7


@pytest.mark.parametrize("field", ["half_body", "cut", "hide_head", "darken", "shrink", "turn_over", "occlude"])
@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_a_probability_outside_of_0_to_1_is_refused(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"augmentation.{field}"):
        Augmentation(**{field: value})


def donor(tmp_path: Path) -> LabelledPerson:
    """The same person, black on black."""
    path = tmp_path / "black.png"
    cv2.imwrite(str(path), np.zeros((64, 64, 3), np.uint8))
    return replace(person(tmp_path), image=path)


@pytest.mark.parametrize("seed", range(8))
def test_a_pasted_person_is_drawn_where_its_joints_are(tmp_path: Path, seed: int) -> None:
    someone = person(tmp_path)
    white = np.full((64, 64, 3), 255, np.uint8)
    crop, pasted = paste_beside(white, *known_joints(someone), donor(tmp_path), np.random.default_rng(seed))
    assert set(np.flatnonzero(pasted[:, 2])) == {POSETRACK.index(name) for name in UPRIGHT}
    places = pasted[pasted[:, 2] > 0, :2].round().astype(int)
    inside = places[((places >= 0) & (places < 64)).all(axis=1)]
    assert len(inside) and (crop[inside[:, 1], inside[:, 0]] < 128).all()
    dark = np.argwhere(crop[..., 0] < 128)[:, ::-1]
    assert (dark >= places.min(axis=0) - 8).all() and (dark <= places.max(axis=0) + 8).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_pasted_person_is_of_similar_size_and_not_at_the_same_place(tmp_path: Path, seed: int) -> None:
    someone = person(tmp_path)
    joints, known = known_joints(someone)
    white = np.full((64, 64, 3), 255, np.uint8)
    _, pasted = paste_beside(white, joints, known, donor(tmp_path), np.random.default_rng(seed))
    own, other = joints[known], pasted[pasted[:, 2] > 0, :2]
    ratio = np.ptp(other[:, 1]) / np.ptp(own[:, 1])
    away = abs(other[:, 0].min() + other[:, 0].max() - own[:, 0].min() - own[:, 0].max()) / 2
    assert 0.7 <= ratio <= 1.3
    assert 0.15 * np.ptp(own[:, 0]) < away < np.ptp(own[:, 0])


def test_a_pasted_persons_joints_get_lower_targets_of_their_own(tmp_path: Path) -> None:
    sample = [donor(tmp_path)]
    pasting = replace(PLAIN, paste=1.0)
    alone = PoseDataset(sample, SMALL, PLAIN, SHARP)[0][1].numpy()
    suppressed = PoseDataset(sample, SMALL, pasting, SHARP)[0][1].numpy()
    joint = PoseDataset(sample, SMALL, pasting, replace(SHARP, others_height=0.5))[0][1].numpy()
    np.testing.assert_array_equal(suppressed, alone)
    added = joint - alone
    assert 0.3 < added.max() <= 0.5 and added.min() == 0
    knee = POSETRACK.index("left_knee")
    assert added[knee].max() > 0.3 or added[POSETRACK.index("right_knee")].max() > 0.3
    assert added[POSETRACK.index("left_wrist")].max() == 0  # the donor has none


def test_joints_of_others_beyond_the_cut_get_no_target(tmp_path: Path) -> None:
    far = np.zeros((1, 17, 3), np.float32)
    far[0, POSETRACK.index("left_knee")] = 32, 62, 1
    someone = person(tmp_path, others=far)
    lower = TargetSettings(sigma=1.0, others_height=0.5)
    cut = replace(PLAIN, cut=1.0)
    for seed in range(20):
        image, targets, *_ = PoseDataset([someone], SMALL, cut, lower, seed=seed)[0]
        blank = bool((image[:, 62, 32].numpy() != 255).any())
        assert (float(targets[POSETRACK.index("left_knee"), 15, 8]) < 0.1) == blank
