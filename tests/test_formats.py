"""Sinks and skeleton conversion: files can be read back, and no incomplete file stays."""

from __future__ import annotations

import csv
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from posetrack.errors import OutputError
from posetrack.files.pending import write_file
from posetrack.formats import FORMATS, PoseTrack18Sink
from posetrack.skeleton_conversion import conversion_matrix, convert_poses
from posetrack.skeletons import COCO, LSP, POSETRACK, Skeleton
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses

PICTURE = np.zeros((4, 4, 3), np.uint8)
SOURCE = SourceInfo(name="street", width=640, height=480, fps=None, frame_count=None, path=None)


def random_poses(count: int, skeleton: Skeleton = POSETRACK, seed: int = 0) -> Poses:
    """People with some joints missing and some outside the image."""
    rng = np.random.default_rng(seed)
    joints = len(skeleton)
    scores = rng.uniform(0.1, 1, (count, joints)) * (rng.random((count, joints)) > 0.2)
    scores[:, [skeleton.index(joint) for joint in skeleton.unused]] = 0
    corners = rng.uniform(0, 300, (count, 2))
    return Poses(
        boxes=np.concatenate([corners, corners + rng.uniform(20, 200, (count, 2))], axis=1),
        scores=rng.uniform(0.1, 1, count),
        keypoints=rng.uniform(-20, 660, (count, joints, 2)),
        keypoint_scores=scores,
        track_ids=rng.permutation(100)[:count],
        skeleton=skeleton,
    )


FRAMES = [random_poses(3, seed=1), Poses.empty(POSETRACK), random_poses(1, seed=2)]


def write(folder: Path, name: str, frames: list[Poses] = FRAMES) -> Path:
    suffix, sink_class = FORMATS[name]
    path = folder / f"street{suffix}"
    sink = sink_class(path, SOURCE)
    for index, poses in enumerate(frames):
        sink.write(Frame(index, index / 25, PICTURE), poses)
    sink.close()
    return path


def test_posetrack18_has_an_image_for_every_frame_also_without_people(tmp_path: Path) -> None:
    data = json.loads(write(tmp_path, "posetrack18").read_text())
    assert [image["nframes"] for image in data["images"]] == [3, 3, 3]
    assert len({image["id"] for image in data["images"]}) == 3
    by_image = [[a for a in data["annotations"] if a["image_id"] == i["id"]] for i in data["images"]]
    assert [len(people) for people in by_image] == [3, 0, 1]
    assert data["categories"][0]["keypoints"] == list(POSETRACK.joints)


def test_posetrack18_file_names_are_of_the_form_that_the_official_evaluator_parses(tmp_path: Path) -> None:
    data = json.loads(write(tmp_path, "posetrack18").read_text())
    number, source = Path(data["images"][2]["file_name"]).parent.name.split("_")[:2]
    assert int(number) == 0
    assert source == "mpii"
    assert int(Path(data["images"][2]["file_name"]).stem) == 2


def test_posetrack18_keeps_joints_scores_boxes_and_ids(tmp_path: Path) -> None:
    data = json.loads(write(tmp_path, "posetrack18").read_text())
    for poses, image in zip(FRAMES, data["images"], strict=True):
        people = [a for a in data["annotations"] if a["image_id"] == image["id"]]
        triples = np.array([a["keypoints"] for a in people]).reshape(len(people), 17, 3)
        present = poses.present
        np.testing.assert_array_equal(triples[..., 2] > 0, present)
        np.testing.assert_array_equal(triples[~present], 0)
        np.testing.assert_allclose(triples[present][:, :2], poses.keypoints[present], atol=6e-4)
        np.testing.assert_allclose(
            np.array([a["scores"] for a in people]).reshape(-1, 17), poses.keypoint_scores, atol=6e-5
        )
        assert [a["track_id"] for a in people] == poses.track_ids.tolist()


def test_boxes_are_measured_from_the_corner_of_the_image(tmp_path: Path) -> None:
    whole_image = random_poses(1).replace(boxes=np.array([[-0.5, -0.5, 639.5, 479.5]], np.float32))
    data = json.loads(write(tmp_path, "posetrack18", [whole_image]).read_text())
    assert data["annotations"][0]["bbox"] == [0, 0, 640, 480]
    assert write(tmp_path, "mot", [whole_image]).read_text().split(",")[2:6] == [
        "1.00",
        "1.00",
        "640.00",
        "480.00",
    ]


def test_head_boxes_make_a_ground_truth(tmp_path: Path) -> None:
    sink = PoseTrack18Sink(tmp_path / "truth.json", SOURCE)
    sink.write(Frame(0, 0.0, PICTURE), random_poses(1), head_boxes=np.array([[9.5, 19.5, 29.5, 49.5]], np.float32))
    sink.close()
    data = json.loads((tmp_path / "truth.json").read_text())
    assert data["annotations"][0]["bbox_head"] == [10, 20, 20, 30]


def test_posetrack17_leaves_missing_joints_out(tmp_path: Path) -> None:
    frames = json.loads(write(tmp_path, "posetrack17").read_text())["annolist"]
    assert [len(frame["annorect"]) for frame in frames] == [3, 0, 1]
    points = frames[2]["annorect"][0]["annopoints"][0]["point"]
    assert len(points) == FRAMES[2].present.sum()
    nose = next(point for point in points if point["id"] == [13])
    np.testing.assert_allclose([nose["x"][0], nose["y"][0]], FRAMES[2].keypoints[0, 0], atol=6e-4)


def test_coco_results_are_read_by_pycocotools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO as CocoIndex

    results = write(tmp_path, "coco", [random_poses(2, COCO)])
    image_id = json.loads(results.read_text())[0]["image_id"]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": [{"id": image_id}], "annotations": [], "categories": [{"id": 1}]}))
    loaded = CocoIndex(str(truth)).loadRes(str(results))
    assert len(loaded.anns) == 2
    assert all(len(annotation["keypoints"]) == 51 for annotation in loaded.anns.values())


def test_csv_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    with write(tmp_path, "csv").open() as file:
        rows = list(csv.DictReader(file))
    table = pyarrow.parquet.read_table(write(tmp_path, "parquet")).to_pylist()
    assert len(rows) == len(table) == 4 * 15
    assert {row["frame"] for row in rows} == {"0", "2"}
    for text, row in zip(rows, table, strict=True):
        assert text["joint"] == row["joint"]
        assert int(text["person"]) == row["person"]
        assert (text["x"] == "") == (row["x"] is None) == (float(text["score"]) == 0)
        if row["x"] is not None:
            assert np.float32(text["x"]) == np.float32(row["x"])


def test_mot_frames_count_from_one(tmp_path: Path) -> None:
    lines = write(tmp_path, "mot").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["1", "1", "1", "3"]


@pytest.mark.parametrize("name", FORMATS)
def test_discarded_files_leave_nothing(tmp_path: Path, name: str) -> None:
    suffix, sink_class = FORMATS[name]
    sink = sink_class(tmp_path / f"street{suffix}", SOURCE)
    sink.write(Frame(0, 0.0, PICTURE), random_poses(2))
    sink.discard()
    sink.discard()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FORMATS)
def test_no_frames_and_no_people_give_complete_files(tmp_path: Path, name: str) -> None:
    assert write(tmp_path, name, []).exists()
    assert write(tmp_path, name, [Poses.empty(POSETRACK)]).exists()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_has_its_name_only_once_it_is_complete(tmp_path: Path, name: str) -> None:
    suffix, sink_class = FORMATS[name]
    path = tmp_path / f"street{suffix}"
    path.write_text("earlier result")
    sink = sink_class(path, SOURCE)
    sink.write(Frame(0, 0.0, PICTURE), random_poses(2))
    assert path.read_text() == "earlier result"
    sink.close()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert b"earlier" not in path.read_bytes()


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """The system refuses to let files grow beyond 100 kB, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.usefixtures("small_files_only")
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    suffix, sink_class = FORMATS[name]
    sink = sink_class(tmp_path / f"street{suffix}", SOURCE)
    crowd = random_poses(100)
    shifts = np.random.default_rng(0).uniform(0, 10, (400, 1, 1, 1)).astype(np.float32)
    with pytest.raises(OutputError, match=f"street{suffix}"):
        for index, shift in enumerate(shifts):
            sink.write(Frame(index, 0.0, PICTURE), crowd.replace(keypoints=crowd.keypoints + shift))
    sink.discard()
    assert not list(tmp_path.iterdir())


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from posetrack.formats import FORMATS
from posetrack.skeletons import POSETRACK
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses

suffix, sink_class = FORMATS[sys.argv[1]]
source = SourceInfo(name="street", width=8, height=8, fps=None, frame_count=None, path=None)
sink = sink_class(Path(sys.argv[2]) / f"street{suffix}", source)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
sink.write(Frame(0, 0.0, np.zeros((8, 8, 3), np.uint8)), Poses.empty(POSETRACK))
sink.discard()
"""


@pytest.mark.parametrize("name", FORMATS)
def test_unflushed_data_on_a_full_disk_is_discarded_silently(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, name, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_folder_is_one_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="create it first"):
        FORMATS[name][1](tmp_path / "nowhere" / "street", SOURCE)


def test_conversion_keeps_shared_joints_and_all_people() -> None:
    poses = random_poses(5, COCO)
    converted = convert_poses(poses, POSETRACK)
    for joint in set(COCO.joints) & set(POSETRACK.joints) - POSETRACK.unused:
        there, here = POSETRACK.index(joint), COCO.index(joint)
        np.testing.assert_array_equal(converted.keypoint_scores[:, there], poses.keypoint_scores[:, here])
        present = poses.present[:, here]
        np.testing.assert_allclose(
            converted.keypoints[present, there], poses.keypoints[present, here], rtol=1e-6, atol=1e-4
        )
    assert convert_poses(Poses.empty(COCO), POSETRACK).keypoints.shape == (0, 17, 2)


def test_head_joints_of_an_upright_coco_pose_lie_on_its_face_line() -> None:
    keypoints = np.zeros((1, 17, 2), np.float32)
    keypoints[0, COCO.index("nose")] = (100, 60)
    keypoints[0, COCO.index("left_shoulder")] = (120, 100)
    keypoints[0, COCO.index("right_shoulder")] = (80, 100)
    upright = random_poses(1, COCO).replace(keypoints=keypoints, keypoint_scores=np.full((1, 17), 0.5, np.float32))
    converted = convert_poses(upright, POSETRACK)
    np.testing.assert_allclose(converted.keypoints[0, POSETRACK.index("head_bottom")], (100, 88), atol=1e-3)
    np.testing.assert_allclose(converted.keypoints[0, POSETRACK.index("head_top")], (100, 34), atol=1e-3)


def test_an_approximated_joint_is_missing_if_a_joint_it_needs_is_missing() -> None:
    scores = np.full((1, 17), 0.9, np.float32)
    scores[0, COCO.index("left_shoulder")] = 0
    converted = convert_poses(random_poses(1, COCO).replace(keypoint_scores=scores), POSETRACK)
    assert converted.keypoint_scores[0, POSETRACK.index("head_top")] == 0
    assert converted.keypoint_scores[0, POSETRACK.index("nose")] == np.float32(0.9)


@pytest.mark.parametrize("source", [POSETRACK, COCO, LSP], ids=lambda s: s.name)
@pytest.mark.parametrize("target", [POSETRACK, COCO, LSP], ids=lambda s: s.name)
def test_conversion_commutes_with_moving_people(source: Skeleton, target: Skeleton) -> None:
    sums = conversion_matrix(source, target).sum(axis=1)
    assert set(sums.round(6)) <= {0, 1}
    poses = random_poses(3, source)
    moved = convert_poses(poses.replace(keypoints=poses.keypoints + np.float32(50)), target)
    converted = convert_poses(poses, target)
    present = converted.present
    np.testing.assert_allclose(moved.keypoints[present], converted.keypoints[present] + 50, atol=1e-2)


def test_posetrack_has_no_eyes_for_coco() -> None:
    converted = convert_poses(random_poses(2), COCO)
    for joint in ("left_eye", "right_eye", "left_ear", "right_ear"):
        assert not converted.present[:, COCO.index(joint)].any()


def test_a_file_that_cannot_be_written_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"table\.csv"):
            write_file(tmp_path / "table.csv", bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
