"""Every sentence about what a conversion loses appears exactly where it is true."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from posetrack.formats.conversion import ConversionConfig, convert_files
from posetrack.formats.reading import read_annotations
from posetrack.skeletons import POSETRACK

NAMES = "Names of images."
NAMES_AND_FRAMES = "Names of images, and frames without people."
JOINTS = "Joints and their scores."
HEADS = "Boxes of heads: the file is no longer a ground truth."
REGIONS = "Ignore regions."
BOXES = "Boxes of people."
IDS = "Ids of images."
ANNOTATION_IDS = "Ids of annotations."
ORIGINS = "Joints at (0, 0) that are not visible: they become absent."
UNLISTED = "That people have no list of joints: they get an empty one."
JOINT_SCORE_18 = "Which joints lack a score: they get -9999, as in the official evaluator."
JOINT_SCORE_COCO = "Which joints lack a score: they get 1."
PERSON_SCORE = "Which people lack a score: they get 1."
FLAGS = "Flags of visibility."
DIGITS = "Digits of coordinates and scores: tables hold about seven."
TIMES = "Times of frames."
PERSON_SCORE_COCO = "Which people lack a score: they get the mean of their joints'."
COCO_HEAD = "head_bottom and head_top, which COCO does not have."

ALWAYS: dict[str, set[str]] = {
    "posetrack18": set(), "posetrack17": set(), "coco": {NAMES}, "mot": {NAMES, JOINTS},
    "csv": {NAMES}, "parquet": {NAMES},
}  # fmt: skip
"""What every file loses."""

TABLES = ("csv", "parquet")


def file_17() -> dict[str, Any]:
    """One image of one person with two scored joints."""
    points = [
        {"id": [joint], "x": [10 + joint], "y": [20], "is_visible": [1], "score": [0.5]} for joint in (13, 0)
    ]
    person = {"track_id": [3], "score": [0.25], "annopoints": [{"point": points}]}
    return {"annolist": [{"image": [{"name": "images/000001_mpii/000000.jpg"}], "annorect": [person]}]}


def file_18() -> dict[str, Any]:
    """The same as PoseTrack18, with a box, an official id, and a second person."""
    keypoints = [10, 20, 2, *[0] * 45, 14, 20, 2]
    people = [
        {
            "id": 1000001000000 + n, "image_id": 10000010000, "category_id": 1, "track_id": n, "score": 0.25,
            "keypoints": keypoints, "scores": [0.5] * 17, "bbox": [1, 2, 3, 4],
        }
        for n in range(2)
    ]  # fmt: skip
    image = {"file_name": "images/000001_mpii/000000.jpg", "id": 10000010000}
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK.joints)}
    return {"images": [image], "annotations": people, "categories": [category]}


Change = Callable[[Any], Any]


def first(data: Any) -> Any:
    return data["annolist"][0]["annorect"][0]


def points(data: Any) -> Any:
    return first(data)["annopoints"][0]["point"]


def somewhere(n: int) -> dict[str, Any]:
    return {"image": [{"name": f"images/000001_mpii/{n:06d}.jpg"}], "annorect": []}


CASES_17: dict[str, tuple[Change, dict[str, set[str]]]] = {
    "as it is": (lambda d: None, {}),
    "head box": (
        lambda d: first(d).update(x1=[1], y1=[2], x2=[3], y2=[4]),
        {"coco": {HEADS}, "mot": {HEADS}, "table": {HEADS}},
    ),
    "ignore region": (
        lambda d: d["annolist"][0].update(
            ignore_regions=[{"point": [{"x": [x], "y": [x * x]} for x in range(3)]}]
        ),
        {"coco": {REGIONS}, "mot": {REGIONS}, "table": {REGIONS}},
    ),
    "one joint without score": (
        lambda d: points(d)[0].pop("score"),
        {"posetrack18": {JOINT_SCORE_18}, "coco": {JOINT_SCORE_COCO}},
    ),
    "no joint with a score": (lambda d: [p.pop("score") for p in points(d)], {"coco": {JOINT_SCORE_COCO}}),
    "person without score": (
        lambda d: first(d).pop("score"),
        {"mot": {PERSON_SCORE}, "coco": {PERSON_SCORE_COCO}},
    ),
    "hidden joint at the origin": (
        lambda d: points(d)[0].update(x=[0], y=[0], is_visible=[0]),
        {"posetrack18": {ORIGINS}, "coco": {FLAGS}, "table": {FLAGS}},
    ),
    "visible joint at the origin": (lambda d: points(d)[0].update(x=[0], y=[0]), {}),
    "hidden joint on an axis": (
        lambda d: points(d)[0].update(x=[0], is_visible=[0]),
        {"coco": {FLAGS}, "table": {FLAGS}},
    ),
    "no list of joints": (
        lambda d: d["annolist"][0]["annorect"].append({"track_id": [4], "score": [1]}),
        {"posetrack18": {UNLISTED}, "table": {UNLISTED}},
    ),
    "fields of frames": (
        lambda d: d["annolist"][0].update(mood=1, imgnum=[1], is_labeled=[1]),
        dict.fromkeys([*ALWAYS, "table"], {"Fields of frames: mood."}),
    ),
    "fields of people": (
        lambda d: first(d).update(mood=1, age=2),
        dict.fromkeys([*ALWAYS, "table"], {"Fields of people: age, mood."}),
    ),
}

CASES_18: dict[str, tuple[Change, dict[str, set[str]]]] = {
    "as it is": (lambda d: None, {"posetrack17": {BOXES}, "coco": {BOXES}}),
    "no boxes": (lambda d: [a.pop("bbox") for a in d["annotations"]], {}),
    "a box of two": (
        lambda d: d["annotations"][0].pop("bbox"),
        {"posetrack17": {BOXES}, "coco": {BOXES}},
    ),
    "other ids of images": (
        lambda d: [e.update({key: 5}) for e, key in zip(
            d["images"] + d["annotations"], ("id", "image_id", "image_id"), strict=True)]
        + [a.update(id=500 + n) for n, a in enumerate(d["annotations"])],
        {"posetrack17": {BOXES, IDS}, "coco": {BOXES}},
    ),
    "other ids of annotations": (
        lambda d: d["annotations"][1].update(id=1000001000002),
        {"posetrack18": {ANNOTATION_IDS}, "posetrack17": {BOXES, ANNOTATION_IDS},
         "coco": {BOXES, ANNOTATION_IDS}, "mot": {ANNOTATION_IDS}, "table": {ANNOTATION_IDS}},
    ),
    "no ids of annotations": (
        lambda d: [a.pop("id") for a in d["annotations"]],
        {"posetrack17": {BOXES}, "coco": {BOXES}},
    ),
    "fields of images": (
        lambda d: d["images"][0].update(width=640),
        {"posetrack17": {BOXES, "Fields of images: width."}, "coco": {BOXES, "Fields of images: width."},
         "mot": {"Fields of images: width."}, "table": {"Fields of images: width."}},
    ),
    "more digits than a table's": (
        lambda d: d["annotations"][0]["keypoints"].__setitem__(0, 1234.56789),
        {"posetrack17": {BOXES}, "coco": {BOXES}, "table": {DIGITS}},
    ),
    "seven digits": (
        lambda d: d["annotations"][0]["keypoints"].__setitem__(0, 1234.567),
        {"posetrack17": {BOXES}, "coco": {BOXES}},
    ),
    "more digits of a joint's score": (
        lambda d: d["annotations"][0]["scores"].__setitem__(0, 0.123456789),
        {"posetrack17": {BOXES}, "coco": {BOXES}, "table": {DIGITS}},
    ),
    "more digits of a person's score": (
        lambda d: d["annotations"][0].update(score=0.123456789),
        {"posetrack17": {BOXES}, "coco": {BOXES}, "table": {DIGITS}},
    ),
    "times": (
        lambda d: d["images"][0].update(time_s=0.123456789012),
        {"posetrack17": {BOXES, TIMES}, "coco": {BOXES, TIMES}, "mot": {TIMES}},
    ),
    "a time that is text": (
        lambda d: d["images"][0].update(time_s="noon"),
        {"posetrack17": {BOXES, TIMES}, "coco": {BOXES, TIMES}, "mot": {TIMES}, "table": {TIMES}},
    ),
}  # fmt: skip


def check(folder: Path, data: Any, to: str, further: set[str]) -> None:
    (folder / "source.json").write_text(json.dumps(data))
    target = folder / "target"
    config = ConversionConfig(to=to, coco_joints="posetrack")
    assert set(convert_files(folder / "source.json", target, config)[target]) == ALWAYS[to] | further


@pytest.mark.parametrize("to", ALWAYS)
@pytest.mark.parametrize("name", CASES_17)
def test_what_is_lost_of_posetrack17(tmp_path: Path, name: str, to: str) -> None:
    change, lost = CASES_17[name]
    data = file_17()
    change(data)
    check(tmp_path, data, to, lost.get("table" if to in TABLES else to, set()))


@pytest.mark.parametrize("to", ALWAYS)
@pytest.mark.parametrize("name", CASES_18)
def test_what_is_lost_of_posetrack18(tmp_path: Path, name: str, to: str) -> None:
    change, lost = CASES_18[name]
    data = file_18()
    change(data)
    check(tmp_path, data, to, lost.get("table" if to in TABLES else to, set()))


@pytest.mark.parametrize("to", ["coco", "mot", "csv", "parquet"])
def test_frames_without_people_are_lost_where_only_people_are_written(tmp_path: Path, to: str) -> None:
    data = file_17()
    data["annolist"].append(somewhere(1))
    (tmp_path / "source.json").write_text(json.dumps(data))
    losses = convert_files(tmp_path / "source.json", tmp_path / "target", ConversionConfig(to=to))
    (sentences,) = losses.values()
    assert NAMES_AND_FRAMES in sentences and NAMES not in sentences


@pytest.mark.parametrize("joint", [11, 12, 13, 14])
@pytest.mark.parametrize("coco_joints", ["coco", "posetrack"])
def test_head_joints_are_lost_where_there_are_some_and_coco_has_none(
    tmp_path: Path, joint: int, coco_joints: str
) -> None:
    data = file_17()
    points(data)[0]["id"] = [joint]
    (tmp_path / "a.json").write_text(json.dumps(data))
    config = ConversionConfig(to="coco", coco_joints=coco_joints)
    (sentences,) = convert_files(tmp_path / "a.json", tmp_path / "b.json", config).values()
    assert (COCO_HEAD in sentences) == (joint in (12, 14) and coco_joints == "coco")


def test_several_sequences_of_a_posetrack17_file_become_one_video(tmp_path: Path) -> None:
    data = file_17()
    data["annolist"].append({"image": [{"name": "images/000002_mpii/000007.jpg"}, {"name": "x"}], "annorect": []})
    (tmp_path / "a.json").write_text(json.dumps(data))
    (video,) = read_annotations(tmp_path / "a.json")
    assert video.video == "000001"
    assert [image["file_name"][-10:] for image in video.images] == ["000000.jpg", "000007.jpg"]
    convert_files(tmp_path / "a.json", tmp_path / "b.json", ConversionConfig(to="posetrack18"))
    target = tmp_path / "c.json"
    losses = convert_files(tmp_path / "b.json", target, ConversionConfig(to="posetrack17"))[target]
    assert "The borders between 2 videos." in losses


@pytest.mark.parametrize(
    ("numbers", "lost"), [([0, 1, 2], False), ([7, 8], False), ([0, 5, 10005], True), ([3], False)]
)
def test_frame_numbers_that_change_in_mot_are_listed(tmp_path: Path, numbers: list[int], lost: bool) -> None:
    """MOTChallenge numbers the images of the file in order."""
    image = {"image": [{"name": ""}], **file_17()["annolist"][0]}
    annolist = [{**image, "image": [{"name": f"images/000001_mpii/{n:06d}.jpg"}]} for n in numbers]
    (tmp_path / "a.json").write_text(json.dumps({"annolist": annolist}))
    (losses,) = convert_files(tmp_path / "a.json", tmp_path / "a.txt", ConversionConfig(to="mot")).values()
    frames = "Numbers of frames: images are numbered in order, without gaps."
    assert (frames in losses) == lost
    written = (tmp_path / "a.txt").read_text().splitlines()
    assert [int(line.split(",")[0]) for line in written] == list(range(1, len(numbers) + 1))
