"""The row builders, called directly: what each row says about a person, and the limits of its numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import EVALUATION_JOINTS, EVALUATION_SLOTS, Annotations, Joints
from posetrack.formats.arrow_tables import joint_rows
from posetrack.formats.coco_results import result_rows
from posetrack.formats.joints import converted, flags, joints_in, own_joints, person_boxes
from posetrack.formats.naming import clip_of
from posetrack.formats.posetrack17_rows import frame_rows
from posetrack.formats.posetrack18_rows import (
    PERSON_CATEGORY,
    annotation_ids,
    can_be_numbered,
    image_row,
    people_rows,
    xywh,
)
from posetrack.formats.tracked import EXACT, ROUNDED, annotations_of, corner_boxes
from posetrack.skeletons import COCO, LSP, POSETRACK, Skeleton
from posetrack.types import Poses

PATH = Path("street.json")
IMAGE = {"file_name": "images/a/000003.jpg", "id": 7}
NOSE, HEAD = EVALUATION_JOINTS.index("nose"), EVALUATION_JOINTS.index("head_top")


def video(count: int = 1, skeleton: Skeleton = POSETRACK, **changes: Any) -> Annotations:
    """People in one image, with all joints at (10, 20) and scores of 0.5."""
    joints = len(skeleton)
    people = Poses(
        boxes=np.tile([0.5, 1.5, 30.5, 41.5], (count, 1)),
        scores=np.full(count, 0.25),
        keypoints=np.tile([10.0, 20.0], (count, joints, 1)),
        keypoint_scores=np.tile(0.5 * skeleton.used, (count, 1)),
        track_ids=np.arange(count),
        skeleton=skeleton,
    )
    return replace(annotations_of(PATH, "a", [IMAGE], [people]), **changes)


def written_rows(people: Annotations) -> list[dict[str, Any]]:
    """What a file has of each person."""
    return [orjson.loads(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)) for row in people_rows(people)]


def test_sizes_of_boxes_lose_the_noise_of_subtraction_and_nothing_else() -> None:
    starts, sizes = np.array([[0.1, 1000.7]]), np.array([[7.023, 0.000000001]])
    assert xywh(np.concatenate([starts, starts + sizes], axis=1)).tolist() == [[0.1, 1000.7, 7.023, 1e-9]]
    assert xywh(np.array([[0, 0, 700000.3 + 2.0**-33, 1.0000000004]])).tolist() == [[0, 0, 700000.3, 1]]
    large = np.array([[0, 0, 1e6 + 2.0**-31, 1.5e300]])
    assert xywh(large).tolist() == [[0, 0, 1e6 + 2.0**-31, 1.5e300]]
    assert xywh(np.array([[5.0, 5, 5, 3]])).tolist() == [[5, 5, 0, -2]]


def test_an_images_own_fields_take_precedence() -> None:
    row = image_row({**IMAGE, "nframes": 9, "width": 5}, "a", 4)
    assert row == {
        "file_name": "images/a/000003.jpg", "id": 7, "frame_id": 7, "vid_id": "a", "nframes": 9,
        "is_labeled": True, "width": 5,
    }  # fmt: skip
    region = np.array([[1.0, 2], [3, 4], [5, 6]])
    row = image_row(IMAGE, "a", 4, [region])
    assert (row["ignore_regions_x"], row["ignore_regions_y"]) == ([[1, 3, 5]], [[2, 4, 6]])
    assert image_row(IMAGE, "a", 4, [])["ignore_regions_x"] == []


def test_a_posetrack18_person_has_what_is_known() -> None:
    (person,) = written_rows(video())
    assert list(person) == [
        "image_id", "category_id", "track_id", "bbox", "area", "keypoints", "num_keypoints", "scores", "score",
        "iscrowd", "segmentation",
    ]  # fmt: skip
    assert person["image_id"] == 7 and person["bbox"] == [1, 2, 30, 40] and person["area"] == 1200
    assert person["keypoints"] == [0 if slot in (3, 4) else n for slot in range(17) for n in (10, 20, 2)]
    assert person["scores"] == [0 if slot in (3, 4) else 0.5 for slot in range(17)]
    assert person["num_keypoints"] == 15 and person["score"] == 0.25
    assert (person["iscrowd"], person["segmentation"], person["category_id"]) == (0, [], 1)
    head = np.array([[1.0, 2, 4, 8]])
    (person,) = written_rows(video(head_boxes=head, person_scores=np.array([np.nan])))
    assert person["bbox_head"] == [1, 2, 3, 6] and "score" not in person


def test_absent_joints_are_zeros_in_posetrack18_and_flags_are_kept() -> None:
    visibility = np.array([[0.0, 1, 2, np.nan, *[np.nan] * 11]])
    people = video(visibility=visibility, present=np.arange(15)[None] < 4)
    (person,) = written_rows(people)
    triples = {n: person["keypoints"][3 * slot : 3 * slot + 3] for n, slot in enumerate(EVALUATION_SLOTS)}
    assert [triples[n] for n in range(4)] == [[10, 20, 0], [10, 20, 1], [10, 20, 2], [10, 20, 2]]
    assert [person["scores"][slot] for slot in EVALUATION_SLOTS] == [0.5] * 4 + [0] * 11
    assert all(triples[n] == [0, 0, 0] for n in range(4, 15)) and person["num_keypoints"] == 3
    assert flags(people).tolist() == [[0, 1, 2, 2, *[0] * 11]]
    assert own_joints(people).xy.sum() == 4 * 30


def test_areas_are_rounded_to_a_thousandth() -> None:
    (person,) = written_rows(video(boxes=np.array([[0, 0, 1.23456, 1]])))
    assert person["area"] == 1.235 and person["bbox"] == [0, 0, 1.23456, 1]


def test_the_category_names_joints_and_counts_limbs_from_one() -> None:
    assert (PERSON_CATEGORY["id"], PERSON_CATEGORY["name"]) == (1, "person")
    limbs = [tuple(POSETRACK.joints[end - 1] for end in limb) for limb in PERSON_CATEGORY["skeleton"]]
    assert limbs == list(POSETRACK.limbs)


def test_a_posetrack18_persons_list_of_scores_is_empty_only_if_no_joint_has_one() -> None:
    scores = np.full((3, 15), np.nan)
    scores[1, NOSE], scores[2] = 0.75, 0.5
    rows = [person["scores"] for person in written_rows(video(3, scores=scores))]
    assert rows[0] == [] and rows[1].count(-9999) == 14 and rows[1][0] == 0.75 and rows[2].count(0.5) == 15


@pytest.mark.parametrize(
    ("image_id", "people", "expected"),
    [
        (7, 100, True), (7, 101, False), (1, 0, True), (0, 1, False), (10**16 - 1, 1, True), (10**16, 1, False),
        ("7", 1, False), (7.0, 1, False),
    ],
)  # fmt: skip
def test_people_are_numbered_like_posetracks_where_possible(image_id: Any, people: int, expected: bool) -> None:
    assert can_be_numbered([image_id], people) == expected
    ids = list(annotation_ids([video(people, images=[{**IMAGE, "id": image_id}])]))
    assert ids == ([100 * image_id + n for n in range(people)] if expected else list(range(1, people + 1)))


def test_one_crowd_or_odd_id_numbers_everybody_from_one() -> None:
    crowd, one = video(101), video(1, images=[{**IMAGE, "id": 8}])
    assert list(annotation_ids([one, crowd])) == list(annotation_ids([crowd, one])) == list(range(1, 103))
    assert list(annotation_ids([one, video()])) == [800, 700]
    assert not can_be_numbered([7, 0], 1) and not can_be_numbered([0, 7], 1)
    assert list(annotation_ids([])) == []


def test_people_are_in_their_frames_in_posetrack17() -> None:
    images = [{**IMAGE, "file_name": f"{n}.jpg"} for n in range(4)]
    frames = frame_rows(video(3, images=images, frames=np.array([1, 1, 3])), range(1, 5))
    assert [[person["track_id"][0] for person in frame["annorect"]] for frame in frames] == [[], [0, 1], [], [2]]


def test_a_posetrack17_person_has_what_is_known() -> None:
    (frame,) = frame_rows(video(), [4])
    assert (frame["image"], frame["imgnum"], frame["is_labeled"]) == ([{"name": IMAGE["file_name"]}], [4], [1])
    (person,) = frame["annorect"]
    assert list(person) == ["track_id", "score", "annopoints"]
    points = person["annopoints"][0]["point"]
    assert points == [{"id": [n], "x": [10], "y": [20], "score": [0.5]} for n in range(15)]
    (frame,) = frame_rows(
        video(
            head_boxes=np.array([[1.0, 2, 4, 8]]),
            person_scores=np.array([np.nan]),
            scores=np.full((1, 15), np.nan),
            visibility=np.array([[2.0, 0.0] + [1.0] * 13]),
            present=np.array([[True, True] + [False] * 13]),
            ignore_regions={0: [np.array([[1.0, 2], [3, 4]])]},
            images=[{**IMAGE, "is_labeled": False}],
        ),
        [1],
    )
    assert frame["is_labeled"] == [0]
    assert frame["ignore_regions"] == [{"point": [{"x": [1], "y": [2]}, {"x": [3], "y": [4]}]}]
    assert frame["annorect"] == [
        {
            "track_id": [0],
            "annopoints": [
                {"point": [{"id": [n], "x": [10], "y": [20], "is_visible": [1 - n]} for n in range(2)]}
            ],
            "x1": [1], "y1": [2], "x2": [4], "y2": [8],
        }
    ]  # fmt: skip
    (frame,) = frame_rows(video(listed=np.array([False])), [1])
    assert "annopoints" not in frame["annorect"][0]


def test_coco_results_without_scores_get_means_and_ones() -> None:
    scores = np.full((1, 15), np.nan)
    scores[0, :3] = 0.25
    present = np.arange(15)[None] < 4
    (person,) = result_rows(video(scores=scores, present=present, person_scores=np.array([np.nan])), POSETRACK)
    assert person["score"] == pytest.approx((3 * 0.25 + 1) / 4)
    assert sorted(person["keypoints"][2::3]) == [0] * 13 + [0.25] * 3 + [1]
    assert sorted(person["keypoints"][::3]) == [0] * 13 + [10] * 4
    (nobody,) = result_rows(video(present=np.zeros((1, 15), bool), person_scores=np.array([np.nan])), POSETRACK)
    assert nobody["score"] == 0 and nobody["keypoints"] == [0] * 51


@pytest.mark.parametrize("skeleton", [POSETRACK, COCO, LSP], ids=lambda skeleton: skeleton.name)
def test_joints_are_kept_in_their_own_skeleton(skeleton: Skeleton) -> None:
    people = video(2, skeleton)
    assert (people.joints is None) == (skeleton == POSETRACK)
    own = own_joints(people)
    assert own.skeleton == skeleton
    np.testing.assert_array_equal(own.present, np.tile(skeleton.used, (2, 1)))
    np.testing.assert_array_equal(own.xy, [10, 20] * own.present[..., None])
    assert joints_in(people, skeleton).present.sum() == 2 * skeleton.used.sum()
    assert joint_rows(people, [3]).column("joint").to_pylist() == 2 * [skeleton.joints[k] for k in skeleton.in_use]


def test_a_joint_made_of_others_has_the_lowest_of_their_scores() -> None:
    scores = np.full((1, 17), 0.5)
    scores[0, [COCO.index("nose"), COCO.index("left_shoulder"), COCO.index("left_hip")]] = 0.25, 0.75, np.nan
    present = np.ones((3, 17), dtype=bool)
    present[1, COCO.index("nose")] = present[2, COCO.index("right_shoulder")] = False
    joints = Joints(
        skeleton=COCO, xy=np.tile([10.0, 20.0], (3, 17, 1)), scores=np.tile(scores, (3, 1)), present=present
    )
    made = converted(PATH, joints, POSETRACK)
    head = POSETRACK.index("head_top")
    assert made.present[:, head].tolist() == [True, False, False]
    assert made.scores[0, [head, POSETRACK.index("nose")]].tolist() == [0.25, 0.25]
    assert np.isnan(made.scores[1:, head]).all() and np.isnan(made.scores[0, POSETRACK.index("left_hip")])
    assert not made.present[:, POSETRACK.index("left_ear")].any()
    assert not made.xy[~made.present].any() and made.xy[0, head].tolist() == pytest.approx([10, 20], abs=1e-5)
    assert converted(PATH, joints, COCO) is joints


def test_posetracks_joints_are_those_of_the_annotations() -> None:
    people = video(skeleton=COCO)
    moved = replace(people, keypoints=people.keypoints + 1)
    assert joints_in(moved, POSETRACK).xy[0, POSETRACK.index("nose")].tolist() == [11, 21]
    assert joints_in(moved, COCO).xy[0, COCO.index("nose")].tolist() == [10, 20]


def test_coordinates_too_large_to_compute_with_are_refused() -> None:
    joints = video(skeleton=COCO).joints
    assert joints is not None
    far = replace(joints, xy=np.where(np.arange(17)[:, None] == 0, 1.5e308, joints.xy))
    with pytest.raises(DataFormatError, match=r"street\.json: a coordinate is too large to compute with"):
        converted(PATH, far, POSETRACK)
    for changes in ({"keypoints": np.full((1, 15, 2), 1e39)}, {"scores": np.full((1, 15), 1e39)}):
        with pytest.raises(DataFormatError, match="too large"):
            joint_rows(video(**changes), [0])
    with pytest.raises(DataFormatError, match="too large"), np.errstate(over="ignore"):
        list(people_rows(video(boxes=np.array([[0.0, 0, 1e200, 1e200]]))))


def test_people_without_a_box_get_the_extent_of_their_joints() -> None:
    keypoints = np.zeros((3, 15, 2))
    keypoints[:, :2] = [[5, 9], [8, 3]]
    people = video(3, keypoints=keypoints, present=np.arange(15)[None] < np.array([[2], [0], [2]]))
    boxes = np.full((3, 4), np.nan)
    boxes[2] = [1, 2, 3, 4]
    assert person_boxes(replace(people, boxes=boxes)).tolist() == [[5.5, 3.5, 8.5, 9.5], [0] * 4, [1, 2, 3, 4]]


def test_numbers_are_exact_or_rounded() -> None:
    boxes = np.array([[0.12345, 1, 2.00011, 3.9]], np.float32)
    x1, y1, x2, y2 = boxes.astype(float)[0] + 0.5
    assert corner_boxes(boxes, EXACT).tolist() == [[x1, y1, x1 + (x2 - x1), y1 + (y2 - y1)]]
    assert corner_boxes(boxes, ROUNDED)[0].tolist() == pytest.approx([0.623, 1.5, 0.623 + 1.877, 4.4], abs=1e-12)


def test_rows_of_a_table_are_null_where_nothing_is_known() -> None:
    present = np.arange(15)[None] == NOSE
    scores = np.where(present, np.nan, 0.5)
    rows = joint_rows(
        video(
            present=present,
            scores=scores,
            person_scores=np.array([np.nan]),
            boxes=np.full((1, 4), np.nan),
            images=[{**IMAGE, "time_s": "noon"}],
        ),
        [12],
    ).to_pylist()
    assert len(rows) == 15 and {row["frame"] for row in rows} == {12}
    assert {(row["time_s"], row["person_score"]) for row in rows} == {(None, None)}
    assert rows[0] == {
        "clip": clip_of(IMAGE["file_name"]), "frame": 12, "time_s": None, "person": 0, "name": None,
        "person_score": None, "joint": "nose", "x": 10, "y": 20, "score": None,
        "box_x1": None, "box_y1": None, "box_x2": None, "box_y2": None,
    }  # fmt: skip
    assert {(row["x"], row["y"], row["score"]) for row in rows[1:]} == {(None, None, 0)}
    assert joint_rows(video(images=[{**IMAGE, "time_s": 0.1}]), [0]).column("time_s")[0].as_py() == 0.1
