"""Labels by agreement, and photographs turned: what a detector learns from beside what people labelled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

import posetrack.models
from posetrack import POSETRACK, Boxes, Poses
from posetrack.errors import ConfigError, DataFormatError
from posetrack.training.box_labels import Agreement, agreed, label_boxes, read_nobody
from posetrack.training.photographs import read_image, read_photographs
from posetrack.training.turning import turn
from posetrack.types import UNLINKED
from tests.in_process import posetrack as run_command
from tests.video_clips import write_clip


@dataclass
class Finds:
    """Finds the same boxes in every image, and their mirror images in a mirrored one."""

    boxes: Boxes

    def detect(self, images):
        found = []
        for image in images:
            left, top, right, bottom = self.boxes.xyxy.T
            if image[0, 0, 0] == 0:  # the left half of the test image is white
                left, right = image.shape[1] - 1 - right, image.shape[1] - 1 - left
            found.append(Boxes(np.stack([left, top, right, bottom], axis=1), self.boxes.scores))
        return found


class Sees:
    """Sees a standing body in the left half of the image, and none in the right."""

    skeleton = POSETRACK

    def estimate(self, image, boxes):
        joints = len(POSETRACK)
        share = np.linspace(0.1, 0.9, joints)
        low, size = boxes.xyxy[:, None, :2], (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2])[:, None]
        keypoints = low + size * np.stack([np.full(joints, 0.5), share], axis=1)
        scores = np.where(boxes.xyxy[:, 2] <= image.shape[1] / 2, 0.8, 0.01)
        ids = np.full(len(boxes), UNLINKED)
        return Poses(boxes.xyxy, boxes.scores, keypoints, np.tile(scores[:, None], joints), ids, POSETRACK)


def boxes(*rows):
    values = np.array(rows, np.float32).reshape(-1, 5)
    return Boxes(values[:, :4], values[:, 4])


def label(folder: Path, *rows, config=None):
    image = np.zeros((200, 400, 3), np.uint8)
    image[:, :200] = 255
    cv2.imwrite(str(folder / "a.png"), image)
    return label_boxes(folder, [Finds(boxes(*rows))], Sees(), config)["annotations"]


def test_a_box_that_all_passes_give_and_that_holds_a_body_is_a_person(tmp_path):
    (person,) = label(tmp_path, (20, 30, 80, 180, 0.9))
    assert person["bbox"] == [20.5, 30.5, 60, 150]
    assert person["score"] == pytest.approx(0.9)
    assert (person["iscrowd"], person["pseudo"]) == (0, True)


def test_a_tall_box_without_a_body_is_background_however_sure_the_detector_is(tmp_path):
    assert label(tmp_path, (250, 30, 310, 180, 1.0)) == []


def test_a_small_box_without_a_body_is_a_region_to_ignore(tmp_path):
    (region,) = label(tmp_path, (250, 30, 270, 90, 1.0))
    assert region["iscrowd"] == 1


def test_a_box_in_which_the_detector_hardly_believes_is_a_region_to_ignore_and_below_that_nothing(tmp_path):
    assert [each["iscrowd"] for each in label(tmp_path, (20, 30, 80, 180, 0.4))] == [1]
    assert label(tmp_path, (20, 30, 80, 180, 0.2)) == []


def test_the_worse_of_two_boxes_with_one_pose_is_background(tmp_path):
    (person,) = label(tmp_path, (20, 30, 80, 180, 0.9), (24, 34, 76, 176, 0.8), config=Agreement(same_iou=0.99))
    assert person["bbox"] == [20.5, 30.5, 60, 150]


def test_boxes_grow_to_hold_the_joints_that_are_sure(tmp_path):
    class SeesBelow(Sees):
        def estimate(self, image, boxes):
            poses = super().estimate(image, boxes)
            keypoints = poses.keypoints.copy()
            keypoints[:, POSETRACK.joints.index("left_ankle")] = (50, 195)
            return poses.replace(keypoints=keypoints)

    cv2.imwrite(str(tmp_path / "a.png"), np.pad(np.full((200, 200, 3), 255, np.uint8), ((0, 0), (0, 200), (0, 0))))
    (person,) = label_boxes(tmp_path, [Finds(boxes((20, 30, 80, 180, 0.9)))], SeesBelow())["annotations"]
    assert person["bbox"] == [20.5, 30.5, 60, 165]


def test_boxes_of_several_passes_become_their_mean_weighted_by_their_scores():
    merged = agreed([boxes((0, 0, 10, 20, 0.9)), boxes((2, 0, 12, 20, 0.3)), boxes()], 0.6)
    np.testing.assert_allclose(merged.xyxy, [[0.5, 0, 10.5, 20]], atol=1e-5)
    np.testing.assert_allclose(merged.scores, [0.4])


def test_two_people_whom_one_pass_tells_apart_stay_two():
    first = boxes((0, 0, 10, 20, 0.9), (2, 0, 12, 20, 0.8))
    assert len(agreed([first, first], 0.6)) == 2


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(DataFormatError, match="no images"):
        label_boxes(tmp_path, [], Sees())


def test_settings_of_agreement_are_checked():
    with pytest.raises(ConfigError, match="min_score"):
        Agreement(min_score=2)
    with pytest.raises(ConfigError, match="evidence_joints"):
        Agreement(evidence_joints=0)


@pytest.mark.parametrize("angle_deg", [-40.0, 25.0, 90.0])
def test_turned_joints_lie_where_their_pixels_are(angle_deg):
    image = np.zeros((120, 160, 3), np.uint8)
    image[70, 100] = 255  # corner convention: its middle is at (100.5, 70.5)
    turned, (box,) = turn(
        image, np.array([[80, 40, 121, 101]], np.float32), [np.array([[100.5, 70.5]], np.float32)], angle_deg
    )
    row, column = np.unravel_index(turned[..., 0].argmax(), (120, 160))
    centre = (box[:2] + box[2:]) / 2
    np.testing.assert_allclose(centre, (column + 0.5, row + 0.5), atol=0.8)
    # The margin is the mean distance of the box's sides from the joints.
    np.testing.assert_allclose(box[2:] - box[:2], [51, 51], atol=1e-3)


def test_a_box_without_joints_turns_into_the_box_around_its_corners():
    _, (box,) = turn(
        np.zeros((100, 100, 3), np.uint8), np.array([[40, 20, 60, 80]], np.float32), [np.zeros((0, 2))], 90.0
    )
    np.testing.assert_allclose(box, [20, 40, 80, 60], atol=1e-4)


def test_the_command_writes_a_file_that_training_reads(tmp_path):
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.full((96, 128, 3), 90, np.uint8))
    bundled = Path(posetrack.models.__file__).parent / "bundled"
    networks = ("--detector", bundled / "detector_lite.safetensors", "--pose", bundled / "pose_lite.safetensors")
    output = tmp_path / "boxes.json"
    command = ("train", "boxes", tmp_path / "images", "-o", output, *networks, "--short-side", "64")
    done = run_command(*command)
    assert done.returncode == 0, done.stderr
    (photograph,) = read_photographs(output, tmp_path / "images")
    assert (photograph.width, photograph.height, len(photograph.boxes)) == (128, 96, 0)
    assert run_command(*command).returncode == 2  # the file is there


def test_boxes_where_somebody_saw_nobody_are_background_whatever_the_networks_see(tmp_path):
    found = ((20, 30, 80, 180, 0.9), (110, 30, 170, 180, 0.9))
    listed = tmp_path / "nobody.json"
    listed.write_text('{"a.png": [[24, 30, 58, 150]]}')
    label(tmp_path, *found)  # writes the image
    (person,) = label_boxes(tmp_path, [Finds(boxes(*found))], Sees(), nobody=read_nobody(listed))["annotations"]
    assert person["bbox"][0] == 110.5


def test_a_list_of_empty_boxes_that_names_no_image_of_the_folder_is_refused(tmp_path):
    label(tmp_path)
    with pytest.raises(DataFormatError, match=r"no image b\.png"):
        label_boxes(tmp_path, [Finds(boxes())], Sees(), nobody={"b.png": np.zeros((1, 4), np.float32)})


@pytest.mark.parametrize(
    "text", ['{"a.png": [1, 2, 3, 4]}', '{"a.png": [[1, 2, 3]]}', '{"a.png": 3}', "[1]", "{", '{"a": null}']
)
def test_a_list_of_empty_boxes_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "nobody.json").write_text(text)
    with pytest.raises(DataFormatError, match="does not list boxes"):
        read_nobody(tmp_path / "nobody.json")
    with pytest.raises(DataFormatError, match="cannot read"):
        read_nobody(tmp_path / "missing.json")


def test_every_nth_frame_of_a_clip_becomes_an_image(tmp_path):
    frames = np.repeat(np.arange(0, 250, 25, dtype=np.uint8), 48 * 64 * 3).reshape(10, 48, 64, 3)
    clip = write_clip(tmp_path / "my clip.1.mp4", frames)
    command = ("train", "frames", clip, "-o", tmp_path / "new" / "frames", "--every", "4")
    done = run_command(*command)
    assert done.returncode == 0, done.stderr
    written = {path.name: read_image(path) for path in (tmp_path / "new" / "frames").iterdir()}
    assert sorted(written) == ["my_clip_1_00000.jpg", "my_clip_1_00004.jpg", "my_clip_1_00008.jpg"]
    for name, image in written.items():
        assert image.shape == (48, 64, 3)
        assert abs(image.mean() - 25 * int(name[-9:-4])) < 4
    again = run_command(*command)
    assert again.returncode == 2
    assert "my_clip_1_00000.jpg" in again.stderr
    assert run_command(*command, "--overwrite").returncode == 0


def test_frames_of_what_is_no_clip_are_refused_and_leave_no_folder(tmp_path):
    (tmp_path / "clip.mp4").write_text("no video")
    done = run_command("train", "frames", tmp_path / "clip.mp4", "-o", tmp_path / "frames")
    assert done.returncode == 2
    assert "clip.mp4" in done.stderr
    assert not (tmp_path / "frames").exists()
