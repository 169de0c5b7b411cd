"""What conversion from and to tables loses, and what it estimates of joints that a skeleton lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from posetrack.formats.conversion import ConversionConfig, convert_files
from posetrack.formats.losses import lost_in_reading
from posetrack.formats.table_content import NEEDED, load_table
from posetrack.skeletons import LSP
from tests.test_formats_losses import (
    ALWAYS,
    COCO_HEAD,
    HEADS,
    JOINTS,
    PERSON_SCORE,
    PERSON_SCORE_COCO,
    TABLES,
    TIMES,
    file_17,
    file_18,
)

EYES = "Eyes and ears, which PoseTrack does not have."
HEAD_ESTIMATED = "That head_bottom and head_top were not detected: they are estimated from nose and shoulders."
NOSE_ESTIMATED = "That the nose was not detected: it is estimated from head_bottom and head_top."


@pytest.mark.parametrize(
    ("names", "lost", "numbers"),
    [
        (["000007", "000012"], False, [7, 12]),
        (["a", "b"], False, [0, 1]),
        (["999999"], False, [999999]),
        (["1000000"], True, [0]),
        (["000005", "1000000"], True, [0, 1]),
    ],
)
@pytest.mark.parametrize("to", TABLES)
def test_numbers_of_frames_that_a_table_cannot_hold_are_lost(
    tmp_path: Path, to: str, names: list[str], lost: bool, numbers: list[int]
) -> None:
    image = file_17()["annolist"][0]
    annolist = [{**image, "image": [{"name": f"images/000001_mpii/{name}.jpg"}]} for name in names]
    (tmp_path / "a.json").write_text(json.dumps({"annolist": annolist}))
    target = tmp_path / f"b.{to}"
    losses = convert_files(tmp_path / "a.json", target, ConversionConfig(to=to))[target]
    assert ("Numbers of frames: images are numbered in order, without gaps." in losses) == lost
    assert list(dict.fromkeys(load_table(target).columns["frame"])) == list(map(str, numbers))


@pytest.mark.parametrize(("source", "coco_joints"), [("json", "coco"), ("csv", "coco"), ("csv", "posetrack")])
@pytest.mark.parametrize("to", ALWAYS)
def test_what_is_lost_of_cocos_joints(tmp_path: Path, source: str, coco_joints: str, to: str) -> None:
    person = {"image_id": 0, "track_id": 0, "score": 0.5, "category_id": 1, "keypoints": [3.0, 4.0, 0.5] * 17}
    (tmp_path / "a.json").write_text(json.dumps([person]))
    convert_files(tmp_path / "a.json", tmp_path / "a.csv", ConversionConfig(to="csv"))
    target = tmp_path / "target"
    config = ConversionConfig(to=to, coco_joints=coco_joints)
    losses = set(convert_files(tmp_path / f"a.{source}", target, config)[target])
    in_posetrack = to in ("posetrack18", "posetrack17") or (to == "coco" and coco_joints == "posetrack")
    assert losses == ({EYES, HEAD_ESTIMATED} if in_posetrack else {JOINTS} if to == "mot" else set())


@pytest.mark.parametrize("slot", range(17))
def test_only_eyes_and_ears_that_are_present_are_lost(tmp_path: Path, slot: int) -> None:
    keypoints = [0.0] * 51
    keypoints[3 * slot : 3 * slot + 3] = [3.0, 4.0, 0.5]
    person = {"image_id": 0, "track_id": 0, "score": 0.5, "category_id": 1, "keypoints": keypoints}
    (tmp_path / "a.json").write_text(json.dumps([person]))
    losses = convert_files(tmp_path / "a.json", tmp_path / "b.json", ConversionConfig(to="posetrack18"))
    assert (EYES in losses[tmp_path / "b.json"]) == (slot in (1, 2, 3, 4))


@pytest.mark.parametrize(("to", "lost"), [
    ("posetrack18", {NOSE_ESTIMATED}), ("posetrack17", {NOSE_ESTIMATED}), ("coco", {NOSE_ESTIMATED, COCO_HEAD}),
    ("mot", {JOINTS}), ("csv", set()), ("parquet", set()),
])  # fmt: skip
def test_what_is_lost_of_the_joints_of_leeds_sports_pose(tmp_path: Path, to: str, lost: set[str]) -> None:
    rows = [f"0,0.5,1,0.5,{joint},{n},2,0.5" for n, joint in enumerate(LSP.joints)]
    (tmp_path / "a.csv").write_text("\n".join([",".join(NEEDED), *rows]))
    losses = convert_files(tmp_path / "a.csv", tmp_path / "b", ConversionConfig(to=to))[tmp_path / "b"]
    assert set(losses) - {TIMES} == lost
    assert (TIMES in losses) == (to in ("posetrack17", "coco", "mot"))


def test_a_table_of_a_few_joints_is_taken_for_posetracks(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{','.join(NEEDED)}\n0,,1,,left_hip,1,2,1\n0,,1,,head_top,1,2,1")
    target = tmp_path / "b.json"
    assert convert_files(tmp_path / "a.csv", target, ConversionConfig(to="posetrack18")) == {target: []}


def test_further_columns_of_a_table_are_lost(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"mood,{','.join(NEEDED)},age\ngood,0,,1,,nose,1,2,1,7")
    losses = convert_files(tmp_path / "a.csv", tmp_path / "b.csv", ConversionConfig(to="csv"))
    assert losses == {tmp_path / "b.csv": ["Columns: age, mood."]}


def test_nothing_is_lost_of_results_without_people(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    for to in ALWAYS:
        assert convert_files(tmp_path / "a.json", tmp_path / to, ConversionConfig(to=to)) == {tmp_path / to: []}


def test_further_fields_of_coco_results_are_lost(tmp_path: Path) -> None:
    person = {"image_id": 0, "track_id": 0, "score": 0.5, "category_id": 1, "keypoints": [0] * 51, "mood": 1}
    (tmp_path / "a.json").write_text(json.dumps([person]))
    losses = convert_files(tmp_path / "a.json", tmp_path / "b.json", ConversionConfig(to="coco"))
    assert losses == {tmp_path / "b.json": ["Fields of people: mood."]}


@pytest.mark.parametrize(("rest", "lost"), [("", False), (",-1,-1,-1", False), (",-1,0.5", True), (", -1", False)])
def test_further_columns_of_mot_text_are_lost_if_one_is_used(tmp_path: Path, rest: str, lost: bool) -> None:
    (tmp_path / "a.txt").write_text(f"1,2,3,4,5,6,1{rest}\n")
    (losses,) = convert_files(tmp_path / "a.txt", tmp_path / "b", ConversionConfig(to="posetrack18")).values()
    assert losses == (["Columns after the confidence."] if lost else [])


@pytest.mark.parametrize(
    ("change", "to", "sentence"),
    [
        ({"x1": [1], "y1": [2], "x2": [3], "y2": [4]}, "coco", HEADS),
        ({"score": None}, "coco", PERSON_SCORE_COCO),
        ({"score": None}, "mot", PERSON_SCORE),
    ],
)
def test_what_one_of_two_people_loses_is_listed(
    tmp_path: Path, change: dict[str, Any], to: str, sentence: str
) -> None:
    data = file_17()
    people = data["annolist"][0]["annorect"]
    people.append({**people[0], "track_id": [4], **change})
    (tmp_path / "a.json").write_text(json.dumps(data))
    (losses,) = convert_files(tmp_path / "a.json", tmp_path / "b", ConversionConfig(to=to)).values()
    assert sentence in losses


def test_times_are_lost_if_one_is_not_a_number(tmp_path: Path) -> None:
    data = file_18()
    data["images"][0]["time_s"] = 0.5
    data["images"].append({"file_name": "images/000001_mpii/000001.jpg", "id": 10000010001, "time_s": "noon"})
    (tmp_path / "a.json").write_text(json.dumps(data))
    (losses,) = convert_files(tmp_path / "a.json", tmp_path / "b", ConversionConfig(to="csv")).values()
    assert TIMES in losses


EARS = "Ears, which PoseTrack's files have slots for but never use."


@pytest.mark.parametrize("place", range(51))
def test_ears_of_posetrack18_are_lost_if_one_of_their_numbers_is_given(tmp_path: Path, place: int) -> None:
    """In a file whose ears are at other places than ours."""
    data = file_18()
    names = data["categories"][0]["keypoints"]
    names.append(names.pop(names.index("left_ear")))
    data["annotations"][0]["keypoints"], data["annotations"][1]["keypoints"] = [0] * 51, [0] * 51
    data["annotations"][1]["keypoints"][place] = 1
    assert (EARS in lost_in_reading(data)) == (names[place // 3] in ("left_ear", "right_ear"))


@pytest.mark.parametrize("people", [100, 101])
def test_ids_of_annotations_are_kept_as_long_as_posetrack_can_number_them(people: int) -> None:
    data = file_18()
    person = data["annotations"][0]
    data["annotations"] = [
        {**person, "id": 100 * 10000010000 + n, "track_id": n, "image_id": 10000010000} for n in range(people)
    ]
    assert (["Ids of annotations."] == lost_in_reading(data)) == (people > 100)
