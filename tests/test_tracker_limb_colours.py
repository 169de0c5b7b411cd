"""Colours along the limbs: what they are, and which of them can be seen."""

import cv2
import numpy as np
import pytest

from posetrack.skeletons import COCO, LSP, POSETRACK, Skeleton
from posetrack.tracker import LimbColours
from posetrack.types import UNLINKED, FloatArray, Image, Poses
from tests.walkers import J

PARTS = ["upper torso", "lower torso", "upper arms", "forearms", "thighs", "shins"]
CLOTHES = {"shirt": (200, 40, 40), "skin": (220, 170, 140), "trousers": (30, 40, 120), "boots": (40, 40, 40)}
GREY = (128, 128, 128)


HALF_WIDTHS = {"shoulder": 20, "elbow": 34, "wrist": 40, "hip": 12, "knee": 14, "ankle": 16}
HEIGHTS = {"shoulder": 130, "elbow": 105, "wrist": 80, "hip": 80, "knee": 40, "ankle": 4}


def standing(x: float = 100.0, y: float = 200.0, score: float = 0.9) -> Poses:
    """Somebody 160 px tall, seen from the front, with both feet about (x, y)."""
    joints = np.full((17, 2), (x, y - 145), np.float32)
    for joint, half in HALF_WIDTHS.items():
        joints[J[f"left_{joint}"]], joints[J[f"right_{joint}"]] = (
            (x + half, y - HEIGHTS[joint]),
            (x - half, y - HEIGHTS[joint]),
        )
    box = np.concatenate([joints.min(axis=0), joints.max(axis=0)])
    return Poses(box[None], np.ones(1), joints[None], np.full((1, 17), score), [UNLINKED], POSETRACK)


def painted(poses: Poses) -> Image:
    """The first person, in clothes of known colours before a grey wall."""
    image = np.full((240, 320, 3), GREY, np.uint8)
    joints = np.rint(poses.keypoints[0]).astype(int)
    torso = joints[[J["left_shoulder"], J["right_shoulder"], J["right_hip"], J["left_hip"]]]
    cv2.fillConvexPoly(image, cv2.convexHull(torso), CLOTHES["shirt"])
    for side in ("left", "right"):
        for start, end, colour in (
            ("shoulder", "elbow", "shirt"), ("elbow", "wrist", "skin"),
            ("hip", "knee", "trousers"), ("knee", "ankle", "boots"),
        ):  # fmt: skip
            ends = [tuple(map(int, joints[J[f"{side}_{joint}"]])) for joint in (start, end)]
            cv2.line(image, *ends, CLOTHES[colour], 5)
    return image


def opponent(colour: tuple[int, int, int]) -> list[float]:
    red, green, blue = np.log(np.array(colour) + 8.0)
    return [red - green, blue - (red + green) / 2]


def described(image: Image, poses: Poses) -> FloatArray:
    """float32 [6, 3], of the first person."""
    return LimbColours().describe(image, poses)[0].reshape(6, 3)


def test_each_part_has_the_colour_that_it_was_painted_in() -> None:
    one = standing()
    found = described(painted(one), one)
    for part, colour in (
        ("upper torso", "shirt"), ("lower torso", "shirt"), ("forearms", "skin"), ("thighs", "trousers"),
        ("shins", "boots"),
    ):  # fmt: skip
        assert found[PARTS.index(part), :2] == pytest.approx(opponent(CLOTHES[colour]), abs=0.02), part


def test_less_light_changes_little_and_other_clothes_much() -> None:
    one = standing()
    image = painted(one)
    darker = described((image * 0.6).astype(np.uint8), one)
    assert np.abs(darker - described(image, one)).max() < 0.15
    others = described(image[:, :, ::-1].copy(), one)
    assert np.abs(others - described(image, one)).max() > 1


def test_white_and_black_clothes_differ_though_both_are_grey() -> None:
    one = standing()
    black, white = (np.where(painted(one) == 128, 128, value).astype(np.uint8) for value in (20, 240))
    difference = described(white, one) - described(black, one)
    assert (difference[:, 2] > 0.8).all() and np.abs(difference[:, :2]).max() < 0.01


def test_it_does_not_matter_which_side_is_called_left() -> None:
    one, swap = standing(), POSETRACK.flip_permutation
    mirrored = one.replace(keypoints=one.keypoints[:, swap], keypoint_scores=one.keypoint_scores[:, swap])
    image = painted(one)
    assert described(image, mirrored) == pytest.approx(described(image, one), abs=1e-6)


def test_parts_whose_joints_are_not_clearly_seen_have_no_colour() -> None:
    one = standing()
    scores = one.keypoint_scores.copy()
    for joint in ("left_ankle", "right_ankle", "left_hip"):
        scores[0, J[joint]] = 0.1
    seen = np.isfinite(described(painted(one), one.replace(keypoint_scores=scores))).all(axis=1)
    assert dict(zip(PARTS, seen.tolist(), strict=True)) == {
        "upper torso": False, "lower torso": False, "upper arms": True, "forearms": True, "thighs": True,
        "shins": False,
    }  # fmt: skip


def test_nobody_gets_the_colours_of_whoever_may_be_in_front() -> None:
    both = Poses.concatenate([standing(100), standing(100, 204)])
    assert np.isnan(LimbColours().describe(painted(both), both)[:, :6]).all()
    apart = Poses.concatenate([standing(100), standing(220)])
    assert np.isfinite(LimbColours().describe(painted(apart), apart)[0]).all()


def test_people_outside_of_the_picture_have_no_colour() -> None:
    assert np.isnan(described(painted(standing()), standing(-200))).all()


@pytest.mark.parametrize("skeleton", [POSETRACK, COCO, LSP, Skeleton("head", ("nose",), (), (0.1,))])
def test_every_skeleton_gets_eighteen_numbers(skeleton: Skeleton) -> None:
    nobody, image = Poses.empty(skeleton), painted(standing())
    assert LimbColours().describe(image, nobody).shape == (0, 18)
    one = Poses(
        np.array([[10, 10, 50, 90]]), np.ones(1), np.full((1, len(skeleton), 2), 30), np.ones((1, len(skeleton))),
        [UNLINKED], skeleton,
    )  # fmt: skip
    assert np.isfinite(LimbColours().describe(image, one)).any() == (len(skeleton) > 1)
