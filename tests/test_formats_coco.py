"""Reading COCO keypoint results, and the images made up for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import EVALUATION_JOINTS
from posetrack.formats.coco_results import parse_coco_results, result_rows
from posetrack.formats.results import are_frame_numbers, images_of_ids, images_up_to, order_by_frame
from posetrack.skeletons import COCO, POSETRACK

PATH = Path("street.json")


def person(image_id: Any = 0, track_id: Any = 0, **changes: Any) -> dict[str, Any]:
    keypoints = [value for slot in range(17) for value in (slot + 10, -slot - 1, 0.5)]
    return {"image_id": image_id, "track_id": track_id, "keypoints": keypoints, "score": 0.25, **changes}


def test_joints_are_present_where_their_score_is_positive() -> None:
    keypoints = [3, -4, 0.5] + [7, 8, 0] * 3 + [5, 6, -1] * 13
    video = parse_coco_results(PATH, [person(keypoints=keypoints)], POSETRACK, None)
    nose = EVALUATION_JOINTS.index("nose")
    assert np.argwhere(video.present).tolist() == [[0, nose]]
    assert video.keypoints[0, nose].tolist() == [3, -4] and not video.keypoints[~video.present].any()
    assert video.scores[0, nose] == 0.5 and np.isnan(video.scores).sum() == 14
    assert video.joints is None and video.person_scores.tolist() == [0.25] and video.listed.tolist() == [True]
    assert video.boxes.shape == video.head_boxes.shape == (1, 4)


def test_cocos_joints_are_kept_beside_posetracks() -> None:
    video = parse_coco_results(PATH, [person(), person(track_id=1, score=None)], COCO, None)
    assert video.joints is not None and video.joints.skeleton == COCO and video.joints.present.all()
    assert video.joints.xy[1].tolist() == [[slot + 10, -slot - 1] for slot in range(17)]
    assert (video.joints.scores == 0.5).all() and video.present.all()
    assert video.keypoints[0, EVALUATION_JOINTS.index("left_hip")].tolist() == [21, -12]
    assert np.isnan(video.person_scores).tolist() == [False, True] and np.isnan(video.boxes).all()


def test_people_are_ordered_by_frame_and_keep_their_order_within_one() -> None:
    ids = np.random.default_rng(0).permutation(60).tolist()
    video = parse_coco_results(PATH, [person(n % 3, track_id) for n, track_id in enumerate(ids)], COCO, None)
    assert video.frames.tolist() == [0] * 20 + [1] * 20 + [2] * 20
    assert video.track_ids.tolist() == ids[::3] + ids[1::3] + ids[2::3]


@pytest.mark.parametrize(
    ("people", "words"),
    [
        ([person(), person()], r"frame 0 \(.*000000.jpg\): two people have the track id 0"),
        ([person(2), person(2, None)], r"frame 2 \(.*000002.jpg\): a person has no 'track_id'"),
        ([person(), person(1, 1.5)], "frame 1 .*the track id 1.5"),
        ([person(), person(1, 2**31)], "frame 1 .*the track id 2147483648"),
        ([person(), person(1, keypoints=[1, 2, 3])], "frame 1 .*'keypoints' must hold 51 numbers, but has 3"),
        ([person(), {"track_id": 1}], "which number 1 lacks"),
        ([person(), 7], "which number 1 lacks"),
    ],
)
def test_bad_results_are_one_sentence(people: list[Any], words: str) -> None:
    with pytest.raises(DataFormatError, match=rf"street\.json.*{words}"):
        parse_coco_results(PATH, people, COCO, None)


def test_images_must_have_the_ids_of_the_results() -> None:
    images = [{"file_name": "images/000007_mpii/a.jpg", "id": 5}, {"file_name": "b.jpg", "id": 3}]
    video = parse_coco_results(PATH, [person(3), person(5)], COCO, images)
    assert video.frames.tolist() == [0, 1] and video.images == images and video.video == "000007"
    with pytest.raises(DataFormatError, match="no image with the id 4; .*--like"):
        parse_coco_results(PATH, [person(3), person(4)], COCO, images)
    assert order_by_frame(PATH, ["a", 1.5], [1.5, "a", 1.5])[1].tolist() == [1, 0, 2]


def names_and_ids(images: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(Path(image["file_name"]).name, image["id"]) for image in images]


def test_images_are_made_up_for_all_frames_or_for_each_id() -> None:
    first = 10**10
    assert names_and_ids(images_up_to(PATH.stem, 1)) == [("000000.jpg", first), ("000001.jpg", first + 1)]
    assert images_up_to(PATH.stem, -1) == images_of_ids(PATH, []) == []
    assert names_and_ids(images_of_ids(PATH, [2, 1])) == [(f"00000{n}.jpg", n) for n in range(3)]
    assert names_and_ids(images_of_ids(PATH, [10003420001])) == [
        (f"00000{n}.jpg", 10003420000 + n) for n in (0, 1)
    ]
    assert names_and_ids(images_of_ids(PATH, [10003430000, 10003420007, 10003430000])) == [
        ("000000.jpg", 10003420007), ("000001.jpg", 10003430000),
    ]  # fmt: skip
    assert names_and_ids(images_of_ids(PATH, ["f10", "f9", "f9"])) == [("000000.jpg", "f9"), ("000001.jpg", "f10")]
    assert names_and_ids(images_of_ids(PATH, [-1])) == [("000000.jpg", -1)]
    assert names_and_ids(images_of_ids(PATH, [3, -5])) == [("000000.jpg", -5), ("000001.jpg", 3)]
    assert names_and_ids(images_of_ids(PATH, ["a", 1])) == [("000000.jpg", 1), ("000001.jpg", "a")]
    assert len(images_of_ids(PATH, [10003420003, 10003420001])) == 4
    older = images_of_ids(PATH, [10**10 + 10_005, 10**10 + 5])
    assert [image["id"] for image in older] == [10**10 + n for n in range(10_006)]
    assert names_and_ids(images_of_ids(PATH, [1.5, 0])) == [("000000.jpg", 0), ("000001.jpg", 1.5)]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], True), ([0, 999_999], True), ([0, 10**6], False), ([-1], False), ([1.0], False), ([True], True),
        ([-1, 5], False), ([10000010005, 10000020007], False),
        ([10**10, 10**10 + 9999], True), ([10**10, 10**10 + 10_000], True),
        ([10**10 + 999_999, 10**10], True), ([2 * 10**10, 10**10], False), ([20000010000, 20000020000], False),
        ([2 * 10**10 - 1, 2 * 10**10 - 2], True),
        ([10**10, 10**10 + 999_999 - 10_000, 10**10 + 999_999], True), ([10**10, 10**10 + 10**6], False),
    ],
)  # fmt: skip
def test_which_ids_are_numbers_of_frames(ids: list[Any], expected: bool) -> None:
    assert are_frame_numbers(ids) == expected


def test_a_single_joint_gives_the_person_its_score() -> None:
    video = parse_coco_results(PATH, [person(keypoints=[1, 2, 0.5] + [0] * 48, score="?")], COCO, None)
    (row,) = result_rows(video, COCO)
    assert row["score"] == 0.5 and row["keypoints"] == [1, 2, 0.5] + [0] * 48
