"""``posetrack refine``: files in, files out, people in words."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
from typer.testing import CliRunner

from posetrack.cli.main import app
from posetrack.errors import ConfigError, DataFormatError, OutputError, PoseTrackError
from posetrack.refine.files import read_clip, write_clip
from posetrack.skeletons import BODY_25
from tests.refine_clips import clip_of, line, walker


@pytest.fixture
def tracked(tmp_path: Path) -> Path:
    path = tmp_path / "street.parquet"
    write_clip(
        path,
        clip_of(
            walker(1, line((100, 300), (100, 0), 100))[np.r_[0:40, 50:100]],
            walker(2, line((500, 500), (0, 0), 100), score=0.1),
            walker(3, line((900, 500), (0, 20), 60)),
        ),
    )
    return path


def refine(*arguments: object) -> list[str]:
    """The lines that the command prints. Its errors are raised."""
    done = CliRunner().invoke(app, ["refine", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_writes_beside_its_input_and_says_who_is_in_it(tracked: Path) -> None:
    before = tracked.read_bytes()
    assert refine(tracked) == [
        "2 people:",
        "  person 1: 0.00 to 3.96 s; seen 90 %, filled 10 %, missing 0 %; mean joint score 0.80; check 2.00 s",
        "  person 3: 0.00 to 2.36 s; seen 100 %, filled 0 %, missing 0 %; mean joint score 0.80; no doubts",
        str(tracked.with_name("street_refined.parquet")),
    ]
    assert tracked.read_bytes() == before
    refined = read_clip(tracked.with_name("street_refined.parquet"))
    assert [len(track) for track in refined.tracks] == [100, 60]


@pytest.mark.parametrize("ending", [".csv", ".json", ".txt"])
def test_the_ending_tells_the_format(tracked: Path, ending: str) -> None:
    target = tracked.with_name(f"out{ending}")
    refine(tracked, "-o", target)
    if ending == ".txt":
        assert len(target.read_text().splitlines()) == 160
    else:
        assert [len(track) for track in read_clip(target).tracks] == [100, 60]


@pytest.mark.parametrize("ending", ["_wide.csv", "_openpose.zip"])
def test_faces_and_feet_are_written_where_the_format_has_them(tmp_path: Path, ending: str) -> None:
    source, target = tmp_path / "street.parquet", tmp_path / f"out{ending}"
    body = walker(1, line((100, 300), (100, 0), 40))
    joints = np.arange(len(BODY_25) * 2).reshape(1, -1, 2) * 7.0 + np.arange(40)[:, None, None]
    there = np.ones(joints.shape[:2])
    track = body.replace(
        joints=joints, raw=joints, joint_scores=0.9 * there, origins=there.astype(np.uint8),
        boxes=np.concatenate([joints.min(axis=1), joints.max(axis=1)], axis=1),
    )  # fmt: skip
    write_clip(source, replace(clip_of(track), skeleton=BODY_25))
    refine(source, "-o", target, "--smooth", "none")
    if ending == "_wide.csv":
        table = pandas.read_csv(target)
        written = np.array([[table[f"person1_{name}_{axis}"] for axis in "xy"] for name in BODY_25.joints])
    else:
        with zipfile.ZipFile(target) as archive:
            people = [json.loads(archive.read(name))["people"][0] for name in sorted(archive.namelist())]
        written = np.array([person["pose_keypoints_2d"] for person in people]).reshape(40, -1, 3)[..., :2]
        written = written.transpose(1, 2, 0)
    assert np.allclose(written, joints.transpose(1, 2, 0), atol=0.01)


def test_options_reach_the_second_pass(tracked: Path) -> None:
    target = tracked.with_name("out.parquet")
    refine(tracked, "-o", target, "--drop", 3, "--max-fill", "0.2s", "--smooth", "none")
    (track,) = read_clip(target).tracks
    assert track.track_id == 1 and len(track) == 90
    assert np.array_equal(track.joints, track.raw, equal_nan=True)
    lines = refine(tracked, "-o", target, "--overwrite", "--people", "1", "--drop", 3, "--subject", "longest")
    assert lines[0] == "1 person:"


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--smooth", "butterworth:13Hz"], ConfigError, "more than 26 frames per second, and the clip has 25"),
        (["--people", "none"], ConfigError, "--people none: give a number"),
        (["--max-fill", "long"], ConfigError, "--max-fill long: give a time"),
        (["--max-fill", "-1"], ConfigError, "--max-fill -1: give a time"),
        (["--max-fill", "inf"], ConfigError, "--max-fill inf: give a time"),
        (["--max-fill", "nan"], ConfigError, "--max-fill nan: give a time"),
        (["--drop", "4 6"], ConfigError, "--drop 4 6: give ids separated by commas"),
        (["--smooth", "kalman:0.002Hz"], ConfigError, "0.002 Hz is too low for"),
        (["--same", "1=44"], ConfigError, "--same names 44, but nobody has that id"),
        (["--fps", "0"], ConfigError, "fps must be above 0"),
        (["-o", "out.avi"], ConfigError, "the ending tells the format"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    tracked: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], error: type[PoseTrackError], words: str
) -> None:
    monkeypatch.chdir(tracked.parent)
    with pytest.raises(error, match=words) as caught:
        refine(tracked, *arguments)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tracked.parent.iterdir()] == [tracked.name]


@pytest.mark.parametrize(
    ("name", "words"),
    [("street.mp4", "give what was written beside it"), ("street", "street is a folder; give a file")],
)
def test_a_video_and_a_folder_are_no_tracks(tmp_path: Path, name: str, words: str) -> None:
    source = tmp_path / name
    source.mkdir() if source.suffix == "" else source.write_bytes(b"video")
    with pytest.raises(DataFormatError, match=words) as caught:
        refine(source)
    assert str(source) in str(caught.value) and "_refined" not in str(caught.value)


def test_nothing_is_replaced_unasked_and_the_input_never(tracked: Path) -> None:
    refine(tracked)
    with pytest.raises(OutputError, match=r"street_refined\.parquet exists already"):
        refine(tracked)
    refine(tracked, "--overwrite")
    with pytest.raises(ConfigError, match="which is read"):
        refine(tracked, "-o", tracked, "--overwrite")


def test_a_file_that_is_missing_or_foreign_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFormatError, match=r"gone\.json: cannot be read"):
        refine(tmp_path / "gone.json")
    (tmp_path / "foreign.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataFormatError, match=r"foreign\.csv: there is no column 'frame'"):
        refine(tmp_path / "foreign.csv")
    (tmp_path / "foreign.json").write_text("{}")
    with pytest.raises(DataFormatError, match=r"foreign\.json: this is neither"):
        refine(tmp_path / "foreign.json")
