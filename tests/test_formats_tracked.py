"""Tracked poses as annotations of a video, against plain loops."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack.formats import FORMATS
from posetrack.formats.annotations import EVALUATION_JOINTS
from posetrack.formats.tracked import annotations_of
from posetrack.pixels import from_centre, from_corner
from posetrack.skeletons import COCO, POSETRACK, Skeleton
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses


def people(count: int, skeleton: Skeleton = POSETRACK, seed: int = 0) -> Poses:
    """People some of whose joints are missing."""
    rng = np.random.default_rng(seed)
    joints = len(skeleton)
    scores = rng.uniform(0.1, 1, (count, joints)) * (rng.random((count, joints)) > 0.3)
    return Poses(
        boxes=rng.uniform(0, 300, (count, 4)),
        scores=rng.uniform(0.1, 1, count),
        keypoints=rng.uniform(-20, 660, (count, joints, 2)),
        keypoint_scores=scores,
        track_ids=rng.permutation(100)[:count],
        skeleton=skeleton,
    )


def images(count: int) -> list[dict[str, Any]]:
    return [{"file_name": f"{number:06d}.jpg"} for number in range(count)]


def test_numbers_are_rounded_to_a_thousandth_of_a_pixel() -> None:
    """Joints keep their coordinates, boxes are measured from the image's corner; unknown values are NaN."""
    frames = [people(3), Poses.empty(POSETRACK), people(2, seed=1)]
    found = annotations_of(Path("000007.json"), "000007", images(3), frames)
    assert (found.path, found.video, found.images) == (Path("000007.json"), "000007", images(3))
    assert found.frames.tolist() == [0, 0, 0, 2, 2] and len(found) == 5
    assert found.listed.tolist() == [True] * 5
    assert found.head_boxes.shape == (5, 4) and np.isnan(found.head_boxes).all()
    everybody = [(poses, person) for poses in frames for person in range(len(poses))]
    for row, (poses, person) in enumerate(everybody):
        assert found.track_ids[row] == poses.track_ids[person]
        assert found.person_scores[row] == round(float(poses.scores[person]), 4)
        x1, y1, x2, y2 = (float(side) for side in poses.boxes[person])
        corner, size = [round(x1 + 0.5, 3), round(y1 + 0.5, 3)], [round(x2 - x1, 3), round(y2 - y1, 3)]
        assert found.boxes[row, :2].tolist() == corner
        assert (found.boxes[row, 2:] - found.boxes[row, :2]).tolist() == pytest.approx(size, abs=1e-9)
        for place, joint in enumerate(EVALUATION_JOINTS):
            slot = POSETRACK.index(joint)
            score = float(poses.keypoint_scores[person, slot])
            x, y = poses.keypoints[person, slot].tolist()
            assert found.present[row, place] == (score > 0)
            assert found.keypoints[row, place].tolist() == ([round(x, 3), round(y, 3)] if score > 0 else [0, 0])
            assert math.isnan(found.visibility[row, place]), "the tracker does not say"
            assert found.scores[row, place] == round(score, 4)


def test_joints_of_another_skeleton_are_converted_to_posetracks() -> None:
    poses = people(4, COCO).replace(keypoint_scores=np.full((4, 17), 0.5))
    found = annotations_of(Path("a.json"), "a", images(1), [poses])
    for place, joint in enumerate(EVALUATION_JOINTS):
        if joint in COCO.joints:
            np.testing.assert_allclose(found.keypoints[:, place], poses.keypoints[:, COCO.index(joint)], atol=6e-4)
    assert found.present.all(), "head and neck lie on the line of the face"


def test_a_video_without_people_has_its_images() -> None:
    found = annotations_of(Path("a.json"), "a", images(2), [Poses.empty(COCO)] * 2)
    assert len(found) == 0 and found.keypoints.shape == (0, 15, 2) and found.people_per_frame().tolist() == [0, 0]


def test_an_image_without_poses_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="2 images but poses of 1 frames"):
        annotations_of(Path("a.json"), "a", images(2), [people(1)])


def test_the_images_corner_is_half_a_pixel_before_its_first_centre() -> None:
    corner = np.array([[0.0, 0.0], [1.0, 10.25]], np.float32)
    centre = np.array([[-0.5, -0.5], [0.5, 9.75]], np.float32)
    for found, expected in ((from_corner(corner), centre), (from_centre(centre), corner)):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.float32


def test_sinks_round_to_the_digits_of_their_formats(tmp_path: Path) -> None:
    poses = Poses(
        boxes=np.array([[0.12345, 0.5, 10.12345, 20.5]]),
        scores=np.array([0.123456]),
        keypoints=np.full((1, 17, 2), 7.123456),
        keypoint_scores=np.full((1, 17), 0.654321) * POSETRACK.used,
        track_ids=np.array([0]),
        skeleton=POSETRACK,
    )
    info = SourceInfo(name="a", width=640, height=480, fps=None, frame_count=None, path=None)
    written = {}
    for name, (_, sink_class) in FORMATS.items():
        sink = sink_class(tmp_path / name, info)
        sink.write(Frame(0, 0.0, np.zeros((1, 1, 3), np.uint8)), poses)
        sink.close()
        written[name] = tmp_path / name
    data = json.loads(written["posetrack18"].read_text())
    (person,), (image,) = data["annotations"], data["images"]
    assert (image["has_no_densepose"], image["width"], image["height"]) == (True, 640, 480)
    assert person["bbox"] == [0.623, 1, 10, 20] and person["keypoints"][:3] == [7.123, 7.123, 2]
    assert (person["scores"][0], person["score"]) == (0.6543, 0.1235)
    (person,) = json.loads(written["coco"].read_text())
    assert (person["keypoints"][:3], person["score"]) == ([7.123, 7.123, 0.654], 0.1235)
    (person,) = json.loads(written["posetrack17"].read_text())["annolist"][0]["annorect"]
    assert person["annopoints"][0]["point"][0] == {"id": [0], "x": [7.123], "y": [7.123], "score": [0.6543]}
    assert written["mot"].read_text() == "1,1,1.62,2.00,10.00,20.00,0.1235,-1,-1,-1\n"
    assert written["csv"].read_text().splitlines()[1] == (
        "a,0,0,0,,0.123456,nose,7.123456,7.123456,0.654321,0.12345,0.5,10.12345,20.5,"
        "7.123456,7.123456,seen,,,0.12345,0.5,10.12345,20.5"
    )
