"""Rows of the CSV and Parquet tables against plain loops, and the groups in which they are written."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from posetrack.formats import FORMATS, arrow_tables
from posetrack.formats.table_content import BOX
from posetrack.formats.tracked import annotations_of
from posetrack.skeletons import COCO, POSETRACK, Skeleton
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses

PICTURE = np.zeros((1, 1, 3), np.uint8)
SOURCE = SourceInfo(name="street", width=640, height=480, fps=None, frame_count=None, path=None)
DOT = Skeleton(name="dot", joints=("dot",), limbs=(), sigmas=(0.1,))


def people(count: int, skeleton: Skeleton, seed: int = 0) -> Poses:
    """People some of whose joints are missing."""
    rng = np.random.default_rng(seed)
    joints = len(skeleton)
    scores = rng.uniform(0.1, 1, (count, joints)) * (rng.random((count, joints)) > 0.3)
    keypoints = rng.uniform(-20, 660, (count, joints, 2))
    keypoints[scores == 0] = np.nan
    return Poses(
        boxes=rng.uniform(0, 300, (count, 4)),
        scores=rng.uniform(0.1, 1, count),
        keypoints=keypoints,
        keypoint_scores=scores,
        track_ids=rng.permutation(10 * count)[:count],
        skeleton=skeleton,
    )


def write(path: Path, name: str, frames: list[Poses]) -> Path:
    sink = FORMATS[name][1](path, SOURCE)
    for index, poses in enumerate(frames):
        sink.write(Frame(3 * index, index / 7, PICTURE), poses)
    sink.close()
    return path


def rows_of(frames: list[Poses]) -> list[dict[str, Any]]:
    """Person after person, joint after joint: those in use, in the skeleton's order."""
    rows = []
    for index, poses in enumerate(frames):
        for person in range(len(poses)):
            for slot, joint in enumerate(poses.skeleton.joints):
                if joint in poses.skeleton.unused:
                    continue
                score = float(poses.keypoint_scores[person, slot])
                x, y = (float(value) if score > 0 else None for value in poses.keypoints[person, slot])
                rows.append(
                    {
                        "clip": "street",
                        "frame": 3 * index,
                        "time_s": index / 7,
                        "person": int(poses.track_ids[person]),
                        "name": None,
                        "person_score": float(poses.scores[person]),
                        "joint": joint,
                        "x": x,
                        "y": y,
                        "score": score,
                    }
                    | dict(zip(BOX, poses.boxes[person].tolist(), strict=True))
                    | {
                        "raw_x": x,
                        "raw_y": y,
                        "origin": "seen" if score > 0 else None,
                        "sd": None,
                        "identity": None,
                    }
                    | dict(zip([f"raw_{side}" for side in BOX], poses.boxes[person].tolist(), strict=True))
                )
    return rows


@pytest.mark.parametrize("skeleton", [POSETRACK, COCO, DOT], ids=lambda skeleton: skeleton.name)
def test_there_is_a_row_for_every_frame_person_and_joint_in_use(tmp_path: Path, skeleton: Skeleton) -> None:
    frames = [people(3, skeleton), Poses.empty(skeleton), people(2, skeleton, seed=1)]
    expected = rows_of(frames)
    assert (
        pyarrow.parquet.read_table(write(tmp_path / "street.parquet", "parquet", frames)).to_pylist() == expected
    )
    with write(tmp_path / "street.csv", "csv", frames).open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [list(row) for row in written] == [list(row) for row in expected]
    for row, truth in zip(written, expected, strict=True):
        assert (row["clip"], row["joint"]) == (truth["clip"], truth["joint"])
        for name, value in truth.items():
            if value is None:
                assert row[name] == ""
            elif name == "origin":
                assert row[name] == value
            elif name not in ("clip", "joint"):
                assert float(row[name]) == pytest.approx(value, rel=1e-6)


def test_a_row_group_holds_fifty_thousand_rows(tmp_path: Path) -> None:
    crowd, one = people(49_999, DOT), people(1, DOT)
    path = write(tmp_path / "street.parquet", "parquet", [crowd, one, crowd, one, one])
    table = pyarrow.parquet.ParquetFile(path).metadata
    assert [table.row_group(group).num_rows for group in range(table.num_row_groups)] == [50_000, 50_000, 1]


def test_frames_without_people_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long clip of an empty street: empty batches are written after a while, like full groups."""
    monkeypatch.setattr(arrow_tables, "_ROWS_PER_GROUP", 3)
    written: list[int] = []

    class Writer:
        def write_table(self, table: Any) -> None:
            written.append(table.num_rows)

    table = arrow_tables.ArrowTable(Writer())
    seen = []
    for index in range(7):
        table.append(annotations_of(tmp_path, "", [{"file_name": ""}], [Poses.empty(DOT)]), [index])
        seen.append(len(written))
    assert seen == [0, 0, 1, 1, 1, 2, 2] and written == [0, 0]
