"""What files cannot hold is told, and nothing that was never there; what they can hold comes back."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from posetrack.formats import OUTPUT_FORMATS
from posetrack.formats.conversion import ConversionConfig, convert_files
from posetrack.formats.whole_clips import CLIP_FORMATS
from posetrack.refine.files import write_clip
from posetrack.runner.summary import RunSummary
from posetrack.skeletons import HALPE_26, POSETRACK, Skeleton
from posetrack.stages import SourceInfo
from posetrack.types import NO_IMAGE, Frame, Poses
from tests.in_process import posetrack
from tests.refine_clips import clip_of, line, walker

INFO = SourceInfo(name="street", width=640, height=480, fps=None, frame_count=None, path=None)
FEET_ARE_LOST = "Feet, which PoseTrack does not have."


def people(number: int, skeleton: Skeleton = POSETRACK, ids: tuple[int, ...] = (3, 8)) -> Poses:
    """Two people, all of whose joints are seen."""
    rng = np.random.default_rng(number)
    shape = (len(ids), len(skeleton))
    return Poses(
        boxes=np.tile([0, 0, 300, 300], (len(ids), 1)),
        scores=np.full(len(ids), 0.9),
        keypoints=rng.uniform(0, 300, (*shape, 2)),
        keypoint_scores=np.full(shape, 0.7) * skeleton.used,
        track_ids=np.array(ids),
        skeleton=skeleton,
    )


def tracked(
    folder: Path,
    form: str,
    numbers: list[int],
    first_s: float = 0.0,
    empty: int = 0,
    skeleton: Skeleton = POSETRACK,
) -> Path:
    """A file of ``run``: 50 frames a second, the last ``empty`` of them without people."""
    path = folder / f"street{OUTPUT_FORMATS[form][0]}"
    sink = OUTPUT_FORMATS[form][1](path, INFO)
    for place, number in enumerate(numbers):
        seen = people(number, skeleton) if place < len(numbers) - empty else Poses.empty(skeleton)
        sink.write(Frame(number, first_s + number / 50, NO_IMAGE), seen)
    sink.close()
    return path


def lost(source: Path, target: Path, to: str) -> list[str]:
    (sentences,) = convert_files(source, target, ConversionConfig(to=to)).values()
    return sentences


def rows(path: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    return {
        (row["frame"], row["person"], row["joint"]): row for row in csv.DictReader(io.StringIO(path.read_text()))
    }


@pytest.mark.parametrize("numbers", [list(range(12)), list(range(4, 28, 3)), [5, 6, 7, 9]])
def test_frame_numbers_come_back_from_nwb_whenever_the_footage_begins(tmp_path: Path, numbers: list[int]) -> None:
    source = tracked(tmp_path, "csv", numbers, first_s=0.04)
    lost(source, tmp_path / "a.nwb", "nwb")
    lost(tmp_path / "a.nwb", tmp_path / "back.csv", "csv")
    before, after = rows(source), rows(tmp_path / "back.csv")
    assert before.keys() == after.keys()
    for key, row in before.items():
        assert float(after[key]["time_s"]) == pytest.approx(float(row["time_s"]), abs=1e-9)
        if row["x"]:
            assert float(after[key]["x"]) == pytest.approx(float(row["x"]), abs=1e-3)


@pytest.mark.parametrize("to", ["trc", "wide", "openpose", "alphapose", "slp", "nwb", "deeplabcut"])
def test_names_of_images_are_lost_only_by_files_that_have_them(tmp_path: Path, to: str) -> None:
    end = OUTPUT_FORMATS[to][0]
    table = lost(tracked(tmp_path, "csv", list(range(5))), tmp_path / f"a{end}", to)
    assert not any("Names of images" in sentence for sentence in table)
    named = lost(tracked(tmp_path, "posetrack18", list(range(5))), tmp_path / f"b{end}", to)
    assert "Names of images." in named


@pytest.mark.parametrize(
    "to", ["trc", "c3d", "wide", "openpose", "alphapose", "slp", "nwb", "deeplabcut", "coco-tracks"]
)
def test_frames_without_people_at_the_end_are_kept_or_named_as_lost(tmp_path: Path, to: str) -> None:
    source = tracked(tmp_path, "posetrack18", list(range(6)), empty=2)
    target = tmp_path / f"a{OUTPUT_FORMATS[to][0]}"
    told = "Frames without people at the end." in lost(source, target, to)
    lost(target, tmp_path / "back.json", "posetrack18")
    frames = len(json.loads((tmp_path / "back.json").read_text())["images"])
    assert frames == (4 if told else 6)


def test_c3d_says_that_the_time_of_the_first_frame_and_gaps_are_lost(tmp_path: Path) -> None:
    late = lost(tracked(tmp_path, "csv", [0, 1, 2], first_s=0.04), tmp_path / "a.c3d", "c3d")
    assert "The time of the first frame, 0.040 s: C3D counts time in frames, from 0." in late
    apart = lost(tracked(tmp_path, "posetrack18", [0, 2, 4]), tmp_path / "b.c3d", "c3d")
    assert "Numbers of frames: C3D's follow each other without gaps." in apart
    usual = lost(tracked(tmp_path, "csv", [3, 4, 5]), tmp_path / "c.c3d", "c3d")
    assert not any("frame" in sentence for sentence in usual)


def without(path: Path, person: str, joint: str) -> Path:
    """A table in which somebody never has a joint."""
    lines = path.read_text().splitlines()
    names = lines[0].replace('"', "").split(",")
    for place, text in enumerate(lines):
        cells = text.split(",")
        if cells[names.index("person")] == person and cells[names.index("joint")] == joint:
            for name in ("x", "y", "raw_x", "raw_y", "sd", "origin"):
                cells[names.index(name)] = ""
            cells[names.index("score")] = "0"
            lines[place] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_bvh_leaves_out_bones_that_are_never_seen_and_nobody(tmp_path: Path) -> None:
    source = without(tracked(tmp_path, "csv", list(range(5))), "8", "left_wrist")
    told = lost(source, tmp_path / "a.bvh", "bvh")
    assert "Bones that are never seen, which are left out: LeftHand (person 8)." in told
    assert "Joints that the format does not have: head_bottom, head_top." in told
    assert any(sentence.startswith("Which places are missing: BVH has no empty values") for sentence in told)
    bones = re.findall(r"(?:ROOT|JOINT) (\w+)", (tmp_path / "a.bvh").read_text())
    assert {bone.removeprefix("person3_") for bone in bones if bone.startswith("person3_")} - {
        bone.removeprefix("person8_") for bone in bones
    } == {"LeftHand"}


def test_coco_tracks_without_sizes_of_images_says_how_to_give_them(tmp_path: Path) -> None:
    table, like = tracked(tmp_path, "csv", [0, 1, 2]), tracked(tmp_path, "posetrack18", [0, 1, 2])
    sentence = (
        "Sizes of images, which FiftyOne and Label Studio need and the source does not tell: convert the run's "
        "JSON, or give it (--like)."
    )
    assert sentence in lost(table, tmp_path / "a.json", "coco-tracks")
    config = ConversionConfig(to="coco-tracks", like=like)
    (told,) = convert_files(table, tmp_path / "b.json", config).values()
    assert sentence not in told
    images = json.loads((tmp_path / "b.json").read_text())["images"]
    assert {(image["width"], image["height"]) for image in images} == {(INFO.width, INFO.height)}


@pytest.mark.parametrize("to", [name for name in CLIP_FORMATS if name != "bvh"])
def test_a_clip_of_nobody_is_read_back_from_every_format(tmp_path: Path, to: str) -> None:
    table = tmp_path / "a.csv"
    sink = OUTPUT_FORMATS[to][1](tmp_path / f"a{CLIP_FORMATS[to].ending}", INFO)
    for number in range(3):
        sink.write(Frame(number, number / 50, NO_IMAGE), Poses.empty(POSETRACK))
    sink.close()
    convert_files(tmp_path / f"a{CLIP_FORMATS[to].ending}", table, ConversionConfig(to="csv", fps=50.0))
    assert rows(table) == {}


def test_bvh_of_nobody_has_the_root_that_readers_need(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1,1,10,10,50,100,0.9,-1,-1,-1\n2,1,11,10,50,100,0.9,-1,-1,-1\n")
    config = ConversionConfig(to="bvh", fps=25.0)
    (told,) = convert_files(tmp_path / "a.txt", tmp_path / "a.bvh", config).values()
    assert "All people: the file holds one bone of length 0 that does not move." in told
    hierarchy, motion = (tmp_path / "a.bvh").read_text().split("MOTION\n")
    assert len(re.findall("^ROOT", hierarchy, re.MULTILINE)) == 1
    assert hierarchy.count("{") == hierarchy.count("}")
    channels = sum(int(count) for count in re.findall(r"CHANNELS (\d)", hierarchy))
    assert [len(row.split()) for row in motion.splitlines()[2:]] == [channels] * 2


def test_a_run_says_which_joints_its_formats_lose_and_make_up() -> None:
    summary = RunSummary()
    summary.count(people(0, HALPE_26))
    summary.compare(("posetrack18", "openpose18", "csv", "mot"))
    assert FEET_ARE_LOST in summary.lost["posetrack18"]
    assert (
        "That head_bottom was not detected: it is estimated from nose and shoulders."
        in summary.lost["posetrack18"]
    )
    assert any("left_big_toe" in sentence for sentence in summary.lost["openpose18"])
    assert summary.lost.keys() == {"posetrack18", "openpose18"}
    summary.count(people(0))
    summary.compare(("posetrack18", "openpose"))
    assert summary.lost.keys() == {"openpose"}
    assert "That neck was not detected: it is the middle of the shoulders." in summary.lost["openpose"]


def test_refining_a_table_with_feet_to_json_says_that_they_are_lost(tmp_path: Path) -> None:
    source = tracked(tmp_path, "csv", list(range(12)), skeleton=HALPE_26)
    done = posetrack("refine", source, "-o", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    assert "posetrack18 lost:\n  - Eyes and ears, which PoseTrack does not have." in done.stdout
    assert FEET_ARE_LOST in done.stdout
    (facts,) = json.loads((tmp_path / "a.json.meta.json").read_text())["files"].values()
    assert FEET_ARE_LOST in facts["lost"]


def test_refine_writes_into_a_folder_as_other_commands_do(tmp_path: Path) -> None:
    source = tmp_path / "street.csv"
    write_clip(source, clip_of(walker(1, line((100, 300), (40, 0), 30))))
    done = posetrack("refine", source, "-o", tmp_path / "new" / "folder")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == {
        "street_refined.csv",
        "street_refined.csv.meta.json",
    }


@pytest.mark.parametrize("name", ["a_coco.json", "a_posetrack17.json"])
def test_refine_does_not_write_another_format_than_the_name_says(tmp_path: Path, name: str) -> None:
    source = tmp_path / "street.csv"
    write_clip(source, clip_of(walker(1, line((100, 300), (40, 0), 30))))
    done = posetrack("refine", source, "-o", tmp_path / name)
    assert done.returncode == 2
    assert "the ending tells the format" in done.stderr
    assert not (tmp_path / name).exists()


def test_convert_makes_the_folder_of_its_target_and_leaves_none_behind_after_an_error(tmp_path: Path) -> None:
    source = tracked(tmp_path, "csv", list(range(3)))
    done = posetrack("convert", source, tmp_path / "new" / "deep" / "a.json")
    assert done.returncode == 0, done.stderr
    assert "annotations" in json.loads((tmp_path / "new" / "deep" / "a.json").read_text())  # .json is PoseTrack18
    source.write_text(source.read_text().replace(",nose,", ",snout,"))
    failed = posetrack("convert", source, tmp_path / "other" / "a.json")
    assert failed.returncode == 2
    assert not (tmp_path / "other").exists()


def test_a_crowd_of_more_than_255_markers_comes_back_from_c3d(tmp_path: Path) -> None:
    crowd = people(1, ids=tuple(range(40)))
    source = tmp_path / "street.csv"
    sink = OUTPUT_FORMATS["csv"][1](source, INFO)
    for number in range(3):
        sink.write(Frame(number, number / 50, NO_IMAGE), crowd)
    sink.close()
    assert not any("C3D ends there" in sentence for sentence in lost(source, tmp_path / "a.c3d", "c3d"))
    lost(tmp_path / "a.c3d", tmp_path / "back.csv", "csv")
    before, after = rows(source), rows(tmp_path / "back.csv")
    assert len(before) == len(after) == 40 * 15 * 3
    assert all(float(after[key]["x"]) == pytest.approx(float(row["x"]), abs=1e-3) for key, row in before.items())


def test_bones_of_bvh_have_three_rotations_as_blender_needs(tmp_path: Path) -> None:
    text = tracked(tmp_path, "bvh", [0, 1, 2]).read_text()
    channels = re.findall(r"CHANNELS (\d+) (.*)", text)
    assert channels
    for count, names in channels:
        assert len(names.split()) == int(count)
        assert {"Xrotation", "Yrotation", "Zrotation"} <= set(names.split())


@pytest.mark.parametrize("clip", ["../../evil", "/evil", "..\\..\\evil", ".."])
def test_names_of_clips_do_not_become_paths(tmp_path: Path, clip: str) -> None:
    source = tracked(tmp_path, "csv", [0, 1])
    source.write_text(source.read_text().replace("street", clip))
    (tmp_path / "in").mkdir()
    convert_files(source, tmp_path / "in" / "frames", ConversionConfig(to="openpose"))
    convert_files(source, tmp_path / "in" / "frames.zip", ConversionConfig(to="openpose"))
    with zipfile.ZipFile(tmp_path / "in" / "frames.zip") as archive:
        names = archive.namelist()
    assert sorted(one.name for one in (tmp_path / "in" / "frames").iterdir()) == sorted(names)
    assert len(names) == 2 and not any(mark in name for name in names for mark in "/\\")
    assert {one.name for one in tmp_path.iterdir()} == {source.name, "in"}


@pytest.mark.parametrize("command", [["convert"], ["refine", "-o"]])
def test_a_target_whose_name_no_disk_holds_is_refused_in_one_sentence(tmp_path: Path, command: list[str]) -> None:
    source = tracked(tmp_path, "csv", list(range(3)))
    name, *option = command
    done = posetrack(name, source, *option, tmp_path / ("a" * 300 + ".csv"))
    assert done.returncode == 2
    assert "the name is too long for the disk" in done.stderr and done.stderr.count("\n") == 1


MOTIONBERT_READS = {
    19: "hips",
    12: "right_hip",
    11: "left_hip",
    18: "shoulders",
    0: "nose",
    17: "head_top",
    10: "right_wrist",
}
"""Some of Halpe's places from which MotionBERT takes a body (its ``halpe2h36m``)."""


def test_alphapose26_has_the_places_that_motionbert_reads(tmp_path: Path) -> None:
    frame = people(0)
    source = tracked(tmp_path, "csv", [0])
    told = lost(source, tmp_path / "a_alphapose26.json", "alphapose26")
    assert "That mid_hip was not detected: it is the middle of the hips." in told
    assert any("stay missing" in sentence and "left_big_toe" in sentence for sentence in told)
    for row, person in enumerate(json.loads((tmp_path / "a_alphapose26.json").read_text())):
        places = np.reshape(person["keypoints"], (26, 3))
        at = {joint: frame.keypoints[row, slot] for slot, joint in enumerate(POSETRACK.joints)}
        at["hips"] = (at["left_hip"] + at["right_hip"]) / 2
        at["shoulders"] = (at["left_shoulder"] + at["right_shoulder"]) / 2
        for slot, joint in MOTIONBERT_READS.items():
            assert places[slot, :2] == pytest.approx(at[joint], abs=0.01)
            assert places[slot, 2] == pytest.approx(0.7, abs=1e-3)
        assert not places[20:].any()  # no feet were seen


def test_alphapose26_keeps_feet_and_comes_back(tmp_path: Path) -> None:
    source = tracked(tmp_path, "csv", [0, 1], skeleton=HALPE_26)
    lost(source, tmp_path / "a_alphapose26.json", "alphapose26")
    lost(tmp_path / "a_alphapose26.json", tmp_path / "back.csv", "csv")
    before, after = rows(source), rows(tmp_path / "back.csv")
    assert before.keys() == after.keys() and ("1", "8", "left_heel") in after
    assert all(float(after[key]["x"]) == pytest.approx(float(row["x"]), abs=1e-3) for key, row in before.items())
