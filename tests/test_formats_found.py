"""How joints were found: kept between all files that can hold it, and named as lost by the others."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from posetrack.errors import DataFormatError
from posetrack.formats import FORMATS
from posetrack.formats.conversion import ConversionConfig, convert_files
from posetrack.refine.clip import CARRIED, FILLED, MISSING, SEEN
from posetrack.refine.files import read_clip, write_clip
from posetrack.skeletons import COCO
from posetrack.stages import SourceInfo
from posetrack.types import NO_IMAGE, Frame, Origin, Poses
from tests.refine_clips import clip_of, line, walker

COLUMNS = ["raw_x", "raw_y", "origin", "sd"]
OF_PEOPLE = ["identity", "raw_box_x1", "raw_box_y1", "raw_box_x2", "raw_box_y2"]


def refined(path: Path) -> Path:
    """Two people; some joints were carried, filled, hidden by hand or not found."""
    rng = np.random.default_rng(4)
    tracks = []
    for number in (1, 2):
        track = walker(number, line((200.0 * number, 300), (40, 5), 12))
        origins = rng.choice([SEEN, CARRIED, FILLED, MISSING], track.origins.shape).astype(np.uint8)
        origins[:, 5] = SEEN
        there, raw = origins != MISSING, np.isin(origins, (SEEN, CARRIED))
        tracks.append(
            track.replace(
                origins=origins,
                joints=np.where(there[..., None], track.joints + rng.normal(0, 1, track.joints.shape), np.nan),
                raw=np.where(raw[..., None], track.joints, np.nan),
                joint_scores=np.where(there, track.joint_scores, 0),
                sds=np.where(there, rng.uniform(1, 9, there.shape), np.nan),
                identity=rng.uniform(0.5, 1, len(track)),
                raw_boxes=np.where(np.arange(len(track))[:, None] == 3, np.nan, track.boxes + 2),
                by_hand=~there & (rng.random(there.shape) < 0.3),
            )
        )
    write_clip(path, clip_of(*tracks))
    return path


def converted(source: Path, target: Path, to: str) -> list[str]:
    (lost,) = convert_files(source, target, ConversionConfig(to=to)).values()
    return lost


def test_tables_become_each_other_without_a_change(tmp_path: Path) -> None:
    source = refined(tmp_path / "a.csv")
    assert not converted(source, tmp_path / "b.parquet", "parquet")
    assert not converted(tmp_path / "b.parquet", tmp_path / "c.csv", "csv")
    assert (tmp_path / "c.csv").read_bytes() == source.read_bytes()
    words = set(pd.read_csv(source).origin.dropna())
    assert words == {"seen", "carried", "filled", "hidden"}  # so the file has them all


@pytest.mark.parametrize("to", ["wide", "wide-parquet"])
def test_wide_tables_keep_it_too(tmp_path: Path, to: str) -> None:
    source = refined(tmp_path / "a.csv")
    wide = tmp_path / ("w.parquet" if to == "wide-parquet" else "w.csv")
    lost = converted(source, wide, to)
    assert "How sure identities are, and boxes before smoothing." in lost
    assert not any("How joints were found" in sentence for sentence in lost)
    assert not converted(wide, tmp_path / "b.csv", "csv")
    keys = ["frame", "person", "joint"]
    before, after = (pd.read_csv(path).sort_values(keys) for path in (source, tmp_path / "b.csv"))
    both = before.merge(after, on=keys, suffixes=("", "_again"))
    assert len(both) == len(before) == len(after)
    for name in ("x", "y", *COLUMNS):
        assert both[name].equals(both[f"{name}_again"]), name


def test_what_nobody_knows_has_no_columns(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("frame,time_s,person,person_score,joint,x,y,score\n0,0,1,0.9,nose,5,6,0.8\n")
    assert not converted(source, tmp_path / "b.csv", "csv")
    assert not set(COLUMNS) & set(pd.read_csv(tmp_path / "b.csv"))
    converted(source, tmp_path / "w.csv", "wide")
    assert list(pd.read_csv(tmp_path / "w.csv"))[-1].endswith("_score")


def test_json_keeps_it_but_for_standard_deviations(tmp_path: Path) -> None:
    source = refined(tmp_path / "a.csv")
    lost = converted(source, tmp_path / "b.json", "posetrack18")
    assert "Standard deviations of joints." in lost
    assert not any("How joints were found" in sentence for sentence in lost)
    assert not converted(tmp_path / "b.json", tmp_path / "again.json", "posetrack18")
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads((tmp_path / "b.json").read_text())
    converted(tmp_path / "b.json", tmp_path / "c.csv", "csv")
    before, after = pd.read_csv(source), pd.read_csv(tmp_path / "c.csv")
    assert before.origin.equals(after.origin) and after.sd.isna().all()
    for name in ("raw_x", "raw_y", *OF_PEOPLE):
        assert np.allclose(before[name], after[name], atol=6e-4, equal_nan=True), name


def test_a_converted_table_is_refined_like_its_source(tmp_path: Path) -> None:
    source = refined(tmp_path / "a.csv")
    converted(source, tmp_path / "b.parquet", "parquet")
    first, second = read_clip(source), read_clip(tmp_path / "b.parquet")
    for one, other in zip(first.tracks, second.tracks, strict=True):
        assert np.array_equal(one.origins, other.origins) and np.array_equal(one.by_hand, other.by_hand)
        for name in ("joints", "raw", "sds", "identity", "raw_boxes"):
            assert np.allclose(getattr(one, name), getattr(other, name), equal_nan=True), name


@pytest.mark.parametrize("to", ["coco", "posetrack17", "mot", "trc", "alphapose", "coco-tracks"])
def test_other_formats_say_that_it_is_lost(tmp_path: Path, to: str) -> None:
    lost = converted(refined(tmp_path / "a.csv"), tmp_path / "b", to)
    assert "How joints were found: their origins, standard deviations, and places before smoothing." in lost


def test_sinks_tell_what_flow_has_carried(tmp_path: Path) -> None:
    origin = np.full((1, 17), Origin.ESTIMATED, np.uint8)
    origin[0, COCO.index("left_knee")], origin[0, COCO.index("left_ankle")] = Origin.CARRIED, Origin.FILLED
    scores = np.ones((1, 17))
    scores[0, COCO.index("nose")] = 0
    poses = Poses(
        np.array([[1, 2, 30, 40]]),
        np.ones(1),
        np.full((1, 17, 2), 7.5),
        scores,
        np.array([3]),
        COCO,
        origin=origin,
    )
    info = SourceInfo(name="a", width=64, height=48, fps=25, frame_count=1, path=None)
    sink = FORMATS["csv"][1](tmp_path / "a.csv", info)
    sink.write(Frame(0, 0.0, NO_IMAGE), poses)
    sink.close()
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = {row["joint"]: row for row in csv.DictReader(file)}
    told = {joint: (rows[joint]["origin"], rows[joint]["raw_x"], rows[joint]["sd"]) for joint in rows}
    assert told["left_knee"] == ("carried", "7.5", "") and told["left_ankle"] == ("filled", "", "")
    assert told["nose"] == ("", "", "") and told["right_knee"] == ("seen", "7.5", "")
    assert rows["nose"]["raw_box_x2"] == "30"


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("frame,time_s,person,person_score,joint,x,y,score,origin", "0,0,1,0.9,nose,5,6,0.8,guessed"),
        ("frame,time_s,person1_nose_x,person1_nose_y,person1_nose_origin", "0,0,5,6,guessed"),
    ],
)
def test_an_unknown_origin_is_refused_by_line(tmp_path: Path, header: str, row: str) -> None:
    (tmp_path / "a.csv").write_text(f"{header}\n{row}\n")
    with pytest.raises(DataFormatError, match=r"a\.csv, line 2: .*'guessed', but must be seen, carried, filled"):
        convert_files(tmp_path / "a.csv", tmp_path / "b.json", ConversionConfig(to="posetrack18"))
    assert not (tmp_path / "b.json").exists()
