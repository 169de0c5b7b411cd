"""Files for other tools: independent readers find what was tracked, and the files come back."""

from __future__ import annotations

import csv
import json
import sys
import zipfile
from io import StringIO
from pathlib import Path
from typing import Any

import ezc3d
import numpy as np
import pandas
import pynwb
import pytest
import sleap_io
from pycocotools.coco import COCO as CocoIndex

from posetrack.formats import OUTPUT_FORMATS
from posetrack.formats.annotations import Annotations
from posetrack.formats.conversion import ConversionConfig, convert_files
from posetrack.formats.foreign import read_foreign
from posetrack.formats.joints import joints_in, own_joints
from posetrack.formats.whole_clips import CLIP_FORMATS
from posetrack.skeletons import BODY_25, COCO, HALPE_26, POSETRACK, Skeleton
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses
from tests.in_process import posetrack

PICTURE = np.zeros((1, 1, 3), np.uint8)
INFO = SourceInfo(name="street", width=640, height=480, fps=None, frame_count=None, path=None)
FPS = 25
READABLE = [name for name in CLIP_FORMATS if name != "bvh"]


def crowd(seed: int, frames: int = 4, skeleton: Skeleton = POSETRACK) -> list[Poses]:
    """Frames of up to three people with ids 2, 5 and 7, each with some joints missing."""
    rng = np.random.default_rng(seed)
    clip = []
    for _ in range(frames):
        count = int(rng.integers(0, 4))
        shape = (count, len(skeleton))
        clip.append(
            Poses(
                boxes=np.concatenate([rng.uniform(0, 99, (count, 2)), rng.uniform(100, 400, (count, 2))], axis=1),
                scores=rng.uniform(0.1, 1, count),
                keypoints=rng.uniform(-20, 3000, (*shape, 2)).astype(np.float32),
                keypoint_scores=rng.uniform(0.1, 1, shape) * skeleton.used * (rng.random(shape) > 0.2),
                track_ids=rng.permutation([2, 5, 7])[:count],
                skeleton=skeleton,
            )
        )
    clip[-1] = clip[-1] if len(clip[-1]) else crowd(seed + 1, frames, skeleton)[-1]
    return clip


def written(folder: Path, form: str, clip: list[Poses], stride: int = 1) -> Path:
    """The file of ``posetrack run``."""
    path = folder / f"street{OUTPUT_FORMATS[form][0]}"
    sink = OUTPUT_FORMATS[form][1](path, INFO)
    for index, poses in enumerate(clip):
        sink.write(Frame(stride * index, stride * index / FPS, PICTURE), poses)
    sink.close()
    return path


def joints_of(clip: list[Poses], stride: int = 1) -> dict[tuple[int, int, str], tuple[float, float, float]]:
    """(frame, person, joint) -> x, y, score."""
    return {
        (stride * index, track_id, joint): (*poses.keypoints[row, slot].tolist(), poses.keypoint_scores[row, slot])
        for index, poses in enumerate(clip)
        for row, track_id in enumerate(poses.track_ids.tolist())
        for slot, joint in enumerate(poses.skeleton.joints)
        if poses.keypoint_scores[row, slot] > 0
    }


def joints_read(video: Annotations) -> dict[tuple[int, int, str], tuple[float, float, float]]:
    own = own_joints(video)
    return {
        (int(video.frames[row]), int(video.track_ids[row]), joint): (*own.xy[row, slot], own.scores[row, slot])
        for row in range(len(video))
        for slot, joint in enumerate(own.skeleton.joints)
        if own.present[row, slot]
    }


def assert_same_joints(found: dict[Any, Any], expected: dict[Any, Any], scores: bool = True) -> None:
    assert found.keys() == expected.keys()
    width = 3 if scores else 2
    got = np.array([found[key][:width] for key in expected])
    assert np.allclose(got, np.array([expected[key][:width] for key in expected]), rtol=0, atol=1.1e-3)


def shared_people(clip: list[Poses]) -> bool:
    """Whether at least two different people have a joint: one person alone has no number in TRC and C3D."""
    return len({person for _, person, _ in joints_of(clip)}) > 1


@pytest.mark.parametrize(
    ("form", "seed"),
    [(form, seed) for form in READABLE for seed in range(1 if form == "nwb" else 3)],  # pynwb takes seconds
)
def test_a_file_for_another_tool_comes_back(tmp_path: Path, form: str, seed: int) -> None:
    skeleton = CLIP_FORMATS[form].skeleton or POSETRACK
    clip = crowd(seed, skeleton=skeleton)
    if form in ("trc", "c3d") and not shared_people(clip):
        clip = [*clip, crowd(3)[0].replace(track_ids=[2, 5, 7][: len(crowd(3)[0])])]
    path = written(tmp_path, form, clip)
    read = read_foreign(path, FPS, None)
    assert read is not None
    keeps = CLIP_FORMATS[form].keeps
    found, expected = joints_read(read.video), joints_of(clip)
    if "ids" in keeps or shared_people(clip):
        assert_same_joints(found, expected, scores="scores" in keeps)
    if "times" in keeps:
        times = {n: image["time_s"] for n, image in enumerate(read.video.images) if "time_s" in image}
        assert all(times[frame] == pytest.approx(frame / FPS, abs=1e-6) for frame, _, _ in expected)


@pytest.mark.parametrize("second", [name for name in READABLE if CLIP_FORMATS[name].skeleton in (None, COCO)])
def test_annotations_convert_to_all_other_formats(tmp_path: Path, second: str) -> None:
    clip = crowd(5, skeleton=COCO)
    source = written(tmp_path, "coco-tracks", clip)
    there = tmp_path / "out" / f"there{CLIP_FORMATS[second].ending}"
    there.parent.mkdir()
    convert_files(source, there, ConversionConfig(to=second, fps=FPS))
    read = read_foreign(there, FPS, None)
    assert read is not None
    assert_same_joints(joints_read(read.video), joints_of(clip), scores="scores" in CLIP_FORMATS[second].keeps)


def test_trc_reads_as_pose2sim_and_opensim_read_it(tmp_path: Path) -> None:
    clip = crowd(1)
    path = written(tmp_path, "trc", clip)
    lines = path.read_text().splitlines()
    header = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    markers = lines[3].split("\t")[2::3]
    table = pandas.read_csv(path, sep="\t", skiprows=4)  # as Pose2Sim does
    assert header["Units"] == "px" and float(header["DataRate"]) == FPS
    assert int(header["NumMarkers"]) == len([name for name in markers if name]) == (table.shape[1] - 2) / 3
    assert int(header["NumFrames"]) == len(table) == len(clip)
    expected = joints_of(clip)
    for (frame, person, joint), (x, y, _) in expected.items():
        if joint == "right_knee":
            place = 2 + 3 * markers.index(f"person{person}:RKnee")
            assert table.iloc[frame, place : place + 3].tolist() == pytest.approx([x, -y, 0], abs=1e-3)
    assert not any(line.endswith("\t") for line in lines[5:]), "OpenSim would miss the last cell"
    values = table.iloc[:, 2:].to_numpy()
    assert np.isfinite(values).sum() == 3 * len(expected), "missing joints must be empty cells"


def test_one_person_has_plain_marker_names_in_metres(tmp_path: Path) -> None:
    source = written(tmp_path, "parquet", crowd(1))
    target = tmp_path / "one.trc"
    done = posetrack("convert", source, target, "--person", "5", "--scale", "2m=400px")
    assert done.returncode == 0, done.stderr
    text = target.read_text()
    assert "\tRKnee\t" in text and "person" not in text and "\tm\t" in text
    assert "number of the person" in done.stderr + done.stdout
    truth = {key: value for key, value in joints_of(crowd(1)).items() if key[1] == 5}
    read = read_foreign(target, None, 0.005)
    assert read is not None
    assert_same_joints(
        {(frame, 5, joint): xy for (frame, _, joint), xy in joints_read(read.video).items()}, truth, scores=False
    )
    refused = posetrack("convert", target, tmp_path / "b.csv")
    assert refused.returncode == 2 and "--scale" in refused.stderr


def test_c3d_reads_with_ezc3d(tmp_path: Path) -> None:
    clip = crowd(2)
    file = ezc3d.c3d(str(written(tmp_path, "c3d", clip)))
    labels, points = file["parameters"]["POINT"]["LABELS"]["value"], file["data"]["points"]
    assert file["parameters"]["POINT"]["RATE"]["value"][0] == FPS
    assert file["parameters"]["POINT"]["UNITS"]["value"] == ["px"]
    assert points.shape == (4, len(labels), len(clip))
    for (frame, person, joint), (x, y, _) in joints_of(clip).items():
        if joint == "left_wrist":
            place = labels.index(f"person{person}:LWrist")
            assert points[:3, place, frame] == pytest.approx([x, -y, 0], abs=1e-3)
    assert np.isfinite(points[0]).sum() == len(joints_of(clip))
    residuals = file["data"]["meta_points"]["residuals"][0]
    assert ((residuals < 0) == np.isnan(points[0])).all()


@pytest.mark.parametrize(("form", "width", "knee"), [("openpose", 25, 10), ("openpose18", 18, 9)])
def test_openpose_files_have_openposes_order(tmp_path: Path, form: str, width: int, knee: int) -> None:
    clip = crowd(3, skeleton=COCO)
    with zipfile.ZipFile(written(tmp_path, form, clip)) as archive:
        names = archive.namelist()
        assert names == [f"street_{frame:012d}_keypoints.json" for frame in range(len(clip))]
        for frame, poses in enumerate(clip):
            people = json.loads(archive.read(names[frame]))["people"]
            assert [person["person_id"] for person in people] == [[track_id] for track_id in poses.track_ids]
            for row, person in enumerate(people):
                triples = np.reshape(person["pose_keypoints_2d"], (width, 3))
                slot = COCO.index("right_knee")
                there = poses.keypoint_scores[row, slot] > 0
                assert triples[knee, :2] == pytest.approx(poses.keypoints[row, slot] * there, abs=1e-3)
                shoulders = [COCO.index("left_shoulder"), COCO.index("right_shoulder")]
                seen = (poses.keypoint_scores[row, shoulders] > 0).all()
                neck = poses.keypoints[row, shoulders].mean(axis=0) * seen
                assert triples[1, :2] == pytest.approx(neck, abs=1e-3)


def test_openpose_folders_convert_like_archives_and_say_what_is_approximated(tmp_path: Path) -> None:
    source = written(tmp_path, "parquet", crowd(4, skeleton=COCO))
    folder = tmp_path / "frames"
    done = posetrack("convert", source, folder, "--to", "openpose")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "neck was not detected: it is the middle of the shoulders" in said
    assert "stay missing: left_big_toe" in said
    assert posetrack("convert", folder, tmp_path / "back.csv", "--fps", "25").returncode == 0
    assert posetrack("convert", source, tmp_path / "a.zip").returncode == 0
    assert posetrack("convert", tmp_path / "a.zip", tmp_path / "zip.csv", "--fps", "25").returncode == 0
    assert (tmp_path / "back.csv").read_bytes() == (tmp_path / "zip.csv").read_bytes()
    assert posetrack("convert", source, folder, "--to", "openpose").returncode == 2


def test_alphapose_has_the_fields_that_lifters_read(tmp_path: Path) -> None:
    clip = crowd(6, skeleton=COCO)
    people = json.loads(written(tmp_path, "alphapose", clip).read_text())
    expected = [(index, row) for index, poses in enumerate(clip) for row in range(len(poses))]
    assert len(people) == len(expected)
    for person, (index, row) in zip(people, expected, strict=True):
        assert int(person["image_id"].split(".")[0]) == index  # as MotionBERT does
        assert person["idx"] == clip[index].track_ids[row]
        assert np.shape(person["keypoints"]) == (51,) and len(person["box"]) == 4


def test_coco_tracks_are_read_by_pycocotools_and_have_what_cvat_needs(tmp_path: Path) -> None:
    clip = crowd(7, skeleton=HALPE_26)
    index = CocoIndex(str(written(tmp_path, "coco-tracks", clip)))
    category = index.loadCats(index.getCatIds())[0]
    assert category["keypoints"] == list(HALPE_26.joints)
    assert all(1 <= end <= 26 for limb in category["skeleton"] for end in limb)
    images = sorted(index.getImgIds())
    for frame, poses in enumerate(clip):
        assert index.imgs[images[frame]]["width"] == 640
        people = index.loadAnns(index.getAnnIds(imgIds=[images[frame]]))
        assert [person["attributes"]["track_id"] for person in people] == poses.track_ids.tolist()
        for row, person in enumerate(people):
            assert person["num_keypoints"] == (poses.keypoint_scores[row] > 0).sum()


def test_sleap_io_reads_people_joints_and_tracks(tmp_path: Path) -> None:
    clip = crowd(8)
    labels = sleap_io.load_slp(str(written(tmp_path, "slp", clip)), open_videos=False)
    names = [node.name for node in labels.skeletons[0].nodes]
    found = {
        (int(frame.frame_idx), int(person.track.name.removeprefix("person")), names[slot]): (*xy, 0.0)
        for frame in labels
        for person in frame.instances
        for slot, xy in enumerate(person.numpy())
        if np.isfinite(xy).all()
    }
    assert_same_joints(found, joints_of(clip), scores=False)


def test_pynwb_and_sleap_io_read_the_poses_of_an_nwb_file(tmp_path: Path) -> None:
    clip = [
        poses.replace(track_ids=np.where(poses.track_ids == 7, 12, poses.track_ids)) for poses in crowd(8)
    ]  # in the alphabet, 12 comes before 2
    path = written(tmp_path, "nwb", clip)
    found = {}
    with pynwb.NWBHDF5IO(str(path), "r", load_namespaces=True) as file:
        for name, person in file.read().processing["SLEAP_VIDEO_000_street"].data_interfaces.items():
            for joint, series in person.pose_estimation_series.items():
                assert series.timestamps[:].tolist() == pytest.approx([n / FPS for n in range(len(clip))])
                for frame, (xy, score) in enumerate(zip(series.data[:], series.confidence[:], strict=True)):
                    if np.isfinite(xy).all():
                        found[frame, int(name.removeprefix("track")), joint] = (*xy, score)
    assert_same_joints(found, joints_of(clip))
    people = sorted({person for _, person, _ in joints_of(clip)})
    whose = [(x, f"track{people.index(person)}") for (_, person, _), (x, *_) in joints_of(clip).items()]
    instances = [one for frame in sleap_io.load_nwb(str(path)) for one in frame.instances]
    assert len(instances) == sum(poses.keypoint_scores.any(axis=1).sum() for poses in clip)
    for one in instances:  # numbered anew, in the order of our numbers
        xs = one.numpy()[:, 0]
        assert {name for x, name in whose if np.isclose(xs, x, atol=1e-3).any()} == {one.track.name}


@pytest.mark.parametrize("form", READABLE)
def test_the_same_poses_give_the_same_bytes_at_any_time(tmp_path: Path, form: str) -> None:
    """So results can be verified; NWB has random ids and the time of writing unless it is told otherwise."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, second = (written(tmp_path / name, form, crowd(4)).read_bytes() for name in ("one", "two"))
    assert first == second


def test_deeplabcut_reads_with_pandas_as_deeplabcut_reads_it(tmp_path: Path) -> None:
    clip = crowd(9)
    path = written(tmp_path, "deeplabcut", clip)
    table = pandas.read_csv(path, header=[0, 1, 2, 3], index_col=0)
    assert table.columns.names == ["scorer", "individuals", "bodyparts", "coords"]
    for (frame, person, joint), values in joints_of(clip).items():
        row = table.loc[frame, ("posetrack", f"person{person}", joint)]
        assert row[["x", "y", "likelihood"]].tolist() == pytest.approx(values, abs=1e-3)
    assert table.notna().to_numpy().sum() == 3 * len(joints_of(clip))


@pytest.mark.parametrize("form", ["wide", "wide-parquet"])
def test_wide_tables_read_with_pandas(tmp_path: Path, form: str) -> None:
    clip = crowd(10)
    path = written(tmp_path, form, clip, stride=2)
    table = (pandas.read_csv(path) if form == "wide" else pandas.read_parquet(path)).set_index("frame")
    assert table.time_s.tolist() == pytest.approx([2 * n / FPS for n in range(len(clip))])
    for (frame, person, joint), values in joints_of(clip, stride=2).items():
        columns = [f"person{person}_{joint}_{part}" for part in ("x", "y", "score")]
        assert table.loc[frame, columns].tolist() == pytest.approx(values, abs=1e-3)
    found = [name for name in table if name.endswith(("_origin", "_raw_x", "_raw_y"))]
    places = table.drop(columns=["time_s", *found])
    assert places.notna().to_numpy().sum() == 3 * len(joints_of(clip, stride=2))
    assert table[found].notna().to_numpy().sum() == places.notna().to_numpy().sum()


def bvh_positions(text: str) -> dict[str, np.ndarray]:
    """Every node's places [F, 2], computed from the text by the format's own rules."""
    head, motion = text.split("MOTION\n")
    words = head.split()
    nodes: list[tuple[str, int, np.ndarray, list[str]]] = []
    stack: list[int] = []
    place = 1
    while place < len(words):
        word = words[place]
        if word in ("ROOT", "JOINT"):
            nodes.append((words[place + 1], stack[-1] if stack else -1, np.zeros(3), []))
            place += 2
        elif word == "End":
            nodes.append(("", stack[-1], np.zeros(3), []))
            place += 2
        elif word == "{":
            stack.append(len(nodes) - 1)
            place += 1
        elif word == "}":
            stack.pop()
            place += 1
        elif word == "OFFSET":
            nodes[-1][2][:] = [float(value) for value in words[place + 1 : place + 4]]
            place += 4
        else:
            count = int(words[place + 1])
            nodes[-1][3].extend(words[place + 2 : place + 2 + count])
            place += 2 + count
    return placed(nodes, np.loadtxt(StringIO("\n".join(motion.splitlines()[2:])), ndmin=2))


def placed(nodes: list[tuple[str, int, np.ndarray, list[str]]], values: np.ndarray) -> dict[str, np.ndarray]:
    """Every node's places, from its name, parent, offset and channels, and the channels' values [F, C]."""
    column, spots, turns, found = 0, [], [], {}
    for name, parent, offset, channels in nodes:
        given = {channel: values[:, column + n] for n, channel in enumerate(channels)}
        column += len(channels)
        turn = np.radians(given.get("Zrotation", np.zeros(len(values))))
        if parent < 0:
            spot = np.stack([given["Xposition"], given["Yposition"]], axis=1)
        else:
            angle = turns[parent]
            moved = [np.cos(angle) * offset[0] - np.sin(angle) * offset[1]]
            moved.append(np.sin(angle) * offset[0] + np.cos(angle) * offset[1])
            spot, turn = spots[parent] + np.stack(moved, axis=1), turn + angle
        spots.append(spot)
        turns.append(turn)
        found[name] = spot
    assert column == values.shape[1]
    return found


BONES = {
    "LeftFoot": "left_ankle", "RightLeg": "right_knee", "LeftUpLeg": "left_hip", "LeftForeArm": "left_elbow",
    "RightHand": "right_wrist", "Head": "nose",
}  # fmt: skip


@pytest.mark.parametrize(
    "never", [(), ("left_ankle",), ("left_knee",), ("right_hip",), ("nose", "left_shoulder"), ("left_hip", "nose")]
)
def test_bvh_puts_a_rigid_body_where_it_was_without_the_joints_that_are_never_seen(
    tmp_path: Path, never: tuple[str, ...]
) -> None:
    rng = np.random.default_rng(0)
    body, used = rng.uniform(100, 400, (17, 2)), POSETRACK.used.copy()
    used[[POSETRACK.index(joint) for joint in never]] = False
    clip = []
    for angle in np.linspace(0, 5, 9):  # turns almost once
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        clip.append(
            Poses(
                boxes=[[0, 0, 9, 9]], scores=[1], keypoints=(body @ turn.T + angle)[None].astype(np.float32),
                keypoint_scores=np.ones((1, 17)) * used, track_ids=[4], skeleton=POSETRACK,
            )
        )  # fmt: skip
    found = bvh_positions(written(tmp_path, "bvh", clip).read_text())
    assert {name for name in BONES if name in found} == {
        name for name, joint in BONES.items() if joint not in never
    }
    for node in found.keys() & BONES.keys():
        expected = np.array([poses.keypoints[0, POSETRACK.index(BONES[node])] for poses in clip])
        assert np.allclose(found[node], expected * (1, -1), atol=0.05), node


def test_bvh_of_a_joint_that_is_never_seen_together_with_others_leaves_it_out(tmp_path: Path) -> None:
    clip = crowd(6, frames=4)
    nose = np.arange(17) == POSETRACK.index("nose")
    clip = [
        poses.replace(keypoint_scores=poses.keypoint_scores * (nose if number == 0 else ~nose))
        for number, poses in enumerate(clip)
    ]
    found = bvh_positions(written(tmp_path, "bvh", clip).read_text())
    assert not [name for name in found if name.endswith("Head")]
    assert all(np.isfinite(places).all() for places in found.values())


def test_gaps_do_not_become_places(tmp_path: Path) -> None:
    clip = crowd(11, frames=6)
    clip[2] = Poses.empty(POSETRACK)
    for form in ("trc", "wide", "deeplabcut"):
        text = written(tmp_path, form, clip).read_text()
        lines = csv.reader(text.splitlines(), delimiter="\t" if form == "trc" else ",")
        row = next(line for line in lines if line[0] == ("3" if form == "trc" else "2"))
        cells = row[2 if form != "deeplabcut" else 1 :]
        assert set(cells) <= ({"", "nan"} if form == "trc" else {""})


BAD = {
    "no.trc": ("hello", "not a TRC file"),
    "units.trc": (
        "PathFileType\t4\t(X/Y/Z)\ta\nDataRate\tUnits\n25\tparsec\nFrame#\tTime\tRKnee\t\t\n\t\tX1\tY1\tZ1\n"
        "1\t0\t1\t2\t0\n",
        "'parsec' is unknown",
    ),
    "short.trc": (
        "PathFileType\t4\t(X/Y/Z)\ta\nDataRate\tUnits\n25\tpx\nFrame#\tTime\tRKnee\t\t\n\t\tX1\tY1\tZ1\n"
        "1\t0\t1\tx\t0\n",
        "line 6",
    ),
    "times.trc": (
        "PathFileType\t4\t(X/Y/Z)\ta\nDataRate\tUnits\n25\tpx\nFrame#\tTime\tRKnee\t\t\n\t\tX1\tY1\tZ1\n"
        "1\t0\t1\t2\t0\n2\t0\t1\t2\t0\n",
        "line 7",
    ),
    "broken.c3d": ("\x02\x50not", "C3D"),
    "broken.slp": ("not hdf5", "sleap-io"),
    "broken.zip": ("not a zip", "cannot be read"),
    "wrong.json": ('[{"image_id": "x.jpg", "idx": 1, "box": [0,0,1,1], "keypoints": []}]', "names no frame"),
    "joints.json": (
        '[{"image_id": "3.jpg", "idx": 1, "box": [0,0,1,1], "keypoints": [1, 2, 0.5], "score": 1}]', "frame 3"
    ),
    "dlc.csv": ("scorer,a,a,a\nbodyparts,tail,tail,tail\ncoords,x,y,likelihood\n0,1,2,1\n", "tail is unknown"),
    "dlc2.csv": ("scorer,a,a\nbodyparts,nose,nose\ncoords,x,y\n0,1,2\n0,1,2\n", "line 5"),
    "wide.csv": ("frame,time_s,person1_nose_x,person1_nose_y\n0,0.0,5,6\n0,0.1,5,6\n", "line 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_damaged_files_of_other_tools_are_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    content, words = BAD[name]
    (tmp_path / name).write_text(content)
    done = posetrack("convert", tmp_path / name, tmp_path / "out.parquet", "--fps", "25")
    assert done.returncode == 2, done.stdout
    assert words in done.stderr and name in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out.parquet").exists()


def test_files_without_times_ask_for_the_frame_rate(tmp_path: Path) -> None:
    path = written(tmp_path, "alphapose", crowd(6, skeleton=COCO))
    refused = posetrack("convert", path, tmp_path / "a.trc")
    assert refused.returncode == 2 and "--fps" in refused.stderr
    assert posetrack("convert", path, tmp_path / "a.trc", "--fps", "50").returncode == 0
    assert "\n50\t50\t" in (tmp_path / "a.trc").read_text()


def test_an_unknown_person_is_named_with_those_there_are(tmp_path: Path) -> None:
    source = written(tmp_path, "parquet", crowd(1))
    done = posetrack("convert", source, tmp_path / "a.trc", "--person", "77")
    assert done.returncode == 2 and "no person 77" in done.stderr and "2, 5, 7" in done.stderr


def test_openpose_people_without_ids_are_numbered_and_that_is_said(tmp_path: Path) -> None:
    body = [float(n) for n in range(75)]
    for frame in range(2):
        content = {"people": [{"person_id": [-1], "pose_keypoints_2d": body}] * 2}
        (tmp_path / f"a_{frame:012d}_keypoints.json").write_text(json.dumps(content))
    read = read_foreign(tmp_path, FPS, None)
    assert read is not None
    assert read.video.track_ids.tolist() == [0, 1, 0, 1]
    assert own_joints(read.video).skeleton == BODY_25
    assert any("no ids" in sentence for sentence in read.lost)
    assert joints_in(read.video, COCO).present[:, COCO.index("left_knee")].all()


@pytest.mark.parametrize("ending", [".trc", "_wide.csv", "_openpose.zip", "_coco_tracks.json"])
def test_refine_writes_files_for_other_tools(tmp_path: Path, ending: str) -> None:
    poses = crowd(1)[0]
    clip = [poses.replace(keypoints=poses.keypoints + n) for n in range(20)]
    source = written(tmp_path, "wide", clip)
    posetrack("convert", source, tmp_path / "a.parquet")
    target = tmp_path / f"refined{ending}"
    done = posetrack("refine", tmp_path / "a.parquet", "-o", target, "--smooth", "none")
    assert done.returncode == 0, done.stderr
    read = read_foreign(target, FPS, None)
    assert read is not None
    people = {person for _, person, _ in joints_read(read.video)}
    assert done.stderr.startswith(f"{len(people)} p") or done.stdout.startswith(f"{len(people)} p")


@pytest.mark.parametrize(
    ("form", "package", "extra"),
    [("c3d", "ezc3d", "c3d"), ("slp", "sleap_io", "sleap"), ("nwb", "ndx_pose", "sleap")],
)
def test_a_missing_package_is_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, package: str, extra: str
) -> None:
    source = written(tmp_path, "wide", crowd(1))
    monkeypatch.setitem(sys.modules, package, None)
    for arguments in (
        ["convert", source, tmp_path / "a", "--to", form],
        ["run", tmp_path / "no.mp4", "-f", form, "-o", tmp_path / "out"],
    ):
        done = posetrack(*arguments)
        assert done.returncode == 2 and f"posetrack[{extra}]" in done.stderr, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["street_wide.csv"]


def test_what_a_run_saw_is_not_converted(tmp_path: Path) -> None:
    (tmp_path / "a.tracks").write_bytes(b"x")
    done = posetrack("convert", tmp_path / "a.tracks", tmp_path / "a.trc")
    assert done.returncode == 2 and "posetrack refine" in done.stderr


@pytest.mark.parametrize("form", CLIP_FORMATS)
def test_clips_without_frames_or_people_give_complete_files(tmp_path: Path, form: str) -> None:
    for name, clip in (("none", []), ("nobody", [Poses.empty(POSETRACK)] * 3)):
        folder = tmp_path / name
        folder.mkdir()
        path = written(folder, form, clip)
        assert path.exists() and list(folder.iterdir()) == [path]
    one = [Poses.empty(POSETRACK), crowd(1)[0]]
    (tmp_path / "one").mkdir()
    assert written(tmp_path / "one", form, one[1:]).exists()


@pytest.mark.parametrize("form", ["wide", "c3d", "nwb", "coco-tracks"])
def test_a_discarded_file_leaves_nothing_and_the_earlier_one_stays(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"street{OUTPUT_FORMATS[form][0]}"
    path.write_text("earlier")
    sink = OUTPUT_FORMATS[form][1](path, INFO)
    sink.write(Frame(0, 0.0, PICTURE), crowd(1)[0])
    sink.discard()
    assert path.read_text() == "earlier" and list(tmp_path.iterdir()) == [path]
