"""Feet: the toes and heels of Halpe-26 and BODY_25 are tracked, drawn, written and converted."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import posetrack
from posetrack.flow import ZeroFlow
from posetrack.pose_tracker import PoseTracker
from posetrack.runner import Outputs
from posetrack.skeletons import BODY_25, FEET, HALPE_26, Skeleton
from posetrack.types import Boxes, Image, Poses
from posetrack.video import Annotator, AnnotatorConfig
from posetrack.video.palette import LEFT, RIGHT
from tests.in_process import posetrack as command
from tests.stubs import StubDetector

FIGURE = {
    "nose": (0.5, 0.08), "head_top": (0.5, 0.0), "neck": (0.5, 0.16), "mid_hip": (0.5, 0.5),
    "left_eye": (0.53, 0.06), "left_ear": (0.57, 0.07), "left_shoulder": (0.7, 0.2), "left_elbow": (0.8, 0.36),
    "left_wrist": (0.85, 0.5), "left_hip": (0.6, 0.5), "left_knee": (0.62, 0.7), "left_ankle": (0.64, 0.88),
    "left_big_toe": (0.78, 1.0), "left_small_toe": (0.9, 0.94), "left_heel": (0.6, 0.97),
}  # fmt: skip
"""Relative to the box; right joints are mirrored."""

BOX = np.array([[60.0, 20.0, 180.0, 260.0]], np.float32)
FRAMES = 5


def places(skeleton: Skeleton) -> np.ndarray:
    """float [K, 2], relative to the box."""
    figure = dict(FIGURE)
    for joint, (x, y) in FIGURE.items():
        if joint.startswith("left_"):
            figure[joint.replace("left_", "right_")] = (1 - x, y)
    return np.array([figure[joint] for joint in skeleton.joints])


class Standing:
    """Sees the same joints in every box."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        corner, size = boxes.xyxy[:, None, :2], boxes.xyxy[:, None, 2:] - boxes.xyxy[:, None, :2]
        scores = np.full((len(boxes), len(self.skeleton)), 0.9, np.float32)
        return Poses.in_boxes(boxes, corner + places(self.skeleton) * size, scores, self.skeleton)


@pytest.fixture(params=[HALPE_26, BODY_25], ids=lambda skeleton: skeleton.name)
def skeleton(request: pytest.FixtureRequest) -> Skeleton:
    return request.param


def tracker(skeleton: Skeleton) -> PoseTracker:
    return PoseTracker(detector=StubDetector(BOX), pose=Standing(skeleton), flow=ZeroFlow(), threads=1)


def test_feet_are_tracked_and_drawn_in_the_colour_of_their_side(skeleton: Skeleton) -> None:
    picture = np.full((280, 240, 3), 128, np.uint8)
    results = list(tracker(skeleton).track([picture] * FRAMES))
    assert [poses.track_ids.tolist() for _, poses in results] == [[0]] * FRAMES
    expected = BOX[0, :2] + places(skeleton) * (BOX[0, 2:] - BOX[0, :2])
    for frame, poses in results:
        assert poses.skeleton is skeleton and poses.present.all()
        np.testing.assert_allclose(poses.keypoints[0], expected, atol=0.5)
        drawn = Annotator(AnnotatorConfig(labels=False)).draw(frame, poses)
        for start, end in (limb for limb in skeleton.limbs if set(FEET) & set(limb)):
            x, y = (
                poses.keypoints[0, [skeleton.index(start), skeleton.index(end)]].mean(axis=0).round().astype(int)
            )
            assert tuple(drawn[y, x]) == (LEFT if end.startswith("left") else RIGHT), end
    feet = np.isin(skeleton.joints, FEET)
    without = poses.replace(keypoint_scores=np.where(feet, 0, 0.9)[None])
    x, y = poses.keypoints[0, skeleton.index("left_big_toe")].round().astype(int)
    assert (drawn[y, x] != 128).any()
    assert (Annotator(AnnotatorConfig(labels=False)).draw(frame, without)[y, x] == 128).all()


def test_feet_reach_the_files_of_others(skeleton: Skeleton, tmp_path: Path) -> None:
    images = tmp_path / "walk"
    images.mkdir()
    for number in range(FRAMES):
        cv2.imwrite(str(images / f"{number}.png"), np.full((280, 240, 3), 128, np.uint8))
    outputs = Outputs(formats=("csv", "coco-tracks"), video=False)
    posetrack.run(images, tmp_path / "out", tracker=lambda: tracker(skeleton), outputs=outputs)
    with (tmp_path / "out" / "walk.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    toes = [row for row in rows if row["joint"] == "right_small_toe"]
    x, y = BOX[0, :2] + places(skeleton)[skeleton.index("right_small_toe")] * (BOX[0, 2:] - BOX[0, :2])
    assert len(toes) == FRAMES and {row["person"] for row in toes} == {"0"}
    np.testing.assert_allclose([[float(row["x"]), float(row["y"])] for row in toes], [[x, y]] * FRAMES, atol=0.5)
    (tracks,) = (tmp_path / "out").glob("walk*coco*.json")
    category = json.loads(tracks.read_text())["categories"][0]
    ends = {tuple(sorted(category["keypoints"][end - 1] for end in limb)) for limb in category["skeleton"]}
    assert ("right_ankle", "right_heel") in ends and ("left_ankle", "left_big_toe") in ends
    done = command("convert", tmp_path / "out" / "walk.csv", tmp_path / "openpose", "--to", "openpose")
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "openpose").rglob("*_keypoints.json"))
    keypoints = np.reshape(json.loads(files[0].read_text())["people"][0]["pose_keypoints_2d"], (-1, 3))
    assert len(files) == FRAMES and len(keypoints) == len(BODY_25)
    np.testing.assert_allclose(keypoints[BODY_25.index("right_small_toe"), :2], (x, y), atol=0.5)
