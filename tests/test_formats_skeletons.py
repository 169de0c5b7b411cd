"""Every skeleton through every format that can hold it: files come back with the joints that they had."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from posetrack.formats.conversion import SUFFIXES, ConversionConfig, convert_files
from posetrack.formats.joints import own_joints
from posetrack.formats.table_content import load_table
from posetrack.formats.tables import parse_table
from posetrack.formats.whole_clips import CLIP_FORMATS
from posetrack.skeletons import LSP, POSETRACK, SKELETONS, Skeleton
from posetrack.types import Poses
from tests.in_process import posetrack
from tests.test_formats_other_tools import assert_same_joints, joints_of, joints_read, written

ANY_SKELETON = [name for name, form in CLIP_FORMATS.items() if form.skeleton is None and name != "bvh"]


def two_people(skeleton: Skeleton) -> list[Poses]:
    """Three frames of people 2 and 5; their first joint and one of the last are never seen."""
    rng = np.random.default_rng(len(skeleton))
    seen = np.tile(skeleton.used, (2, 1))
    seen[:, 0], seen[1, -1] = False, False
    return [
        Poses(
            boxes=[[0, 0, 90, 90], [200, 0, 290, 90]],
            scores=[0.9, 0.8],
            keypoints=rng.uniform(0, 300, (2, len(skeleton), 2)).astype(np.float32),
            keypoint_scores=rng.uniform(0.2, 1, seen.shape) * seen,
            track_ids=[2, 5],
            skeleton=skeleton,
        )
        for _ in range(3)
    ]


def read(path: Path) -> dict[tuple[int, int, str], tuple[float, float, float]]:
    """(frame, person, joint) -> x, y, score of a table."""
    return joints_read(parse_table(load_table(path), None))


@pytest.mark.parametrize(
    ("form", "skeleton"),
    [
        pytest.param(form, skeleton, id=f"{form}-{skeleton.name}")
        for form in [*ANY_SKELETON, "csv", "parquet", "coco"]
        for skeleton in SKELETONS.values()
        if form != "nwb" or skeleton in (POSETRACK, LSP)  # pynwb takes a second per person
    ],
)
def test_every_skeleton_comes_back_from_every_format(tmp_path: Path, form: str, skeleton: Skeleton) -> None:
    clip = two_people(skeleton)
    if form == "nwb":
        clip = [poses[:1] for poses in clip]
    source = written(tmp_path, "parquet", clip)
    there, back = tmp_path / f"there{SUFFIXES[form]}", tmp_path / "back.csv"
    for start, target, to in ((source, there, form), (there, back, "csv")):
        convert_files(start, target, ConversionConfig(to=to, coco_joints=skeleton.name, fps=25))
    video = parse_table(load_table(back), None)
    assert own_joints(video).skeleton == skeleton
    scored = form not in ("trc", "c3d")
    assert_same_joints(joints_read(video), joints_of(clip), scores=scored)


@pytest.mark.parametrize("ending", [".trc", "_wide.csv", "_coco_tracks.json"])
@pytest.mark.parametrize("skeleton", [SKELETONS["body_25"], LSP], ids=lambda skeleton: skeleton.name)
def test_refined_files_for_other_tools_keep_the_clips_joints(
    tmp_path: Path, ending: str, skeleton: Skeleton
) -> None:
    still = two_people(skeleton)[:1] * 20
    source = written(tmp_path, "parquet", still)
    target = tmp_path / f"refined{ending}"
    assert posetrack("refine", source, "-o", target, "--smooth", "none").returncode == 0
    posetrack("convert", target, tmp_path / "back.csv")
    video = parse_table(load_table(tmp_path / "back.csv"), None)
    assert own_joints(video).skeleton == skeleton
    assert {joint for _, _, joint in joints_read(video)} == {joint for _, _, joint in joints_of(still)}


def test_ears_in_posetracks_slots_are_told_lost_from_annotation_tools(tmp_path: Path) -> None:
    plain, eared = tmp_path / "a.json", tmp_path / "b.json"
    posetrack("convert", written(tmp_path, "parquet", two_people(POSETRACK)), plain, "--to", "coco-tracks")
    data = json.loads(plain.read_text())
    data["categories"][0]["keypoints"] += ["left_ear", "right_ear"]
    for person in data["annotations"]:
        person["keypoints"] += [1, 2, 2, 0, 0, 0]
        person["keypoint_scores"] += [0.5, 0]
    eared.write_text(json.dumps(data))
    said = [posetrack("convert", path, path.with_suffix(".csv")).stdout for path in (plain, eared)]
    assert ["Ears" in text for text in said] == [False, True]
    assert read(tmp_path / "a.csv") == read(tmp_path / "b.csv")
