"""Results and files of other tools that cannot be used as they are: one sentence, with the file and the remedy."""

from __future__ import annotations

import json
from pathlib import Path

import ezc3d
import pytest

from posetrack.refine.files import read_clip
from posetrack.refine.same_tracks import fingerprint
from tests.in_process import posetrack

TABLE = "\n".join(
    [
        "frame,time_s,person,person_score,joint,x,y,score",
        *(f"{n},{n / 25},1,1,{joint},{50 + n + slot},{60 + slot},1" for n in range(9)
          for slot, joint in enumerate(("nose", "left_hip", "left_ankle"))),
    ]
) + "\n"  # fmt: skip
TRC = (
    "PathFileType\t4\t(X/Y/Z)\ta\nDataRate\tUnits\n25\t{unit}\nFrame#\tTime\tRKnee\t\t\n\t\tX1\tY1\tZ1\n"
    "1\t0\t{x}\t2\t0\n"
)


def told(*arguments: str | Path) -> str:
    """The one sentence with which a command ends."""
    done = posetrack(*arguments)
    assert done.returncode == 2, done.stdout
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("unit", "x", "words"),
    [
        ("furlong", "1", "the unit 'furlong' is unknown; give positions in px, m, cm or mm"),
        ("", "1", "the unit '' is unknown"),
        ("mm", "1", "give the metres per pixel (--scale 0.005)"),
        ("px", "inf", "line 6: a line is frame, time and three numbers"),
    ],
)
def test_markers_in_unknown_units_or_nowhere(tmp_path: Path, unit: str, x: str, words: str) -> None:
    path = tmp_path / "knee.trc"
    path.write_text(TRC.format(unit=unit, x=x))
    sentence = told("convert", path, tmp_path / "b.csv")
    assert "knee.trc" in sentence and words in sentence


@pytest.mark.parametrize("lost", [1, 40])
@pytest.mark.parametrize("ending", ["trc", "c3d"])
def test_files_of_markers_whose_end_is_missing(tmp_path: Path, table: Path, ending: str, lost: int) -> None:
    """Lines of TRC that are cut in the middle could pass for missing joints; ezc3d makes zeros up."""
    whole, cut = tmp_path / f"whole.{ending}", tmp_path / f"cut.{ending}"
    assert posetrack("convert", table, whole).returncode == 0
    content = whole.read_bytes().rstrip() if ending == "trc" else whole.read_bytes()[: _end_of_c3d(whole)]
    cut.write_bytes(content[: -lost * (8 if ending == "trc" else 1)])
    sentence = told("convert", cut, tmp_path / "b.csv")
    assert f"cut.{ending}: " in sentence and "cut short" in sentence and not (tmp_path / "b.csv").exists()
    cut.write_bytes(content)
    assert posetrack("convert", cut, tmp_path / "b.csv").returncode == 0


def _end_of_c3d(path: Path) -> int:
    """Where the places end: four numbers of four bytes for each of 9 frames and as many markers as there are."""
    file = ezc3d.c3d(str(path))
    start = 512 * (int(file["parameters"]["POINT"]["DATA_START"]["value"][0]) - 1)
    return int(start + 16 * file["data"]["points"].shape[1] * 9)


@pytest.mark.parametrize(("mark", "word"), [(";", "semicolons"), ("\t", "tabs")])
@pytest.mark.parametrize("command", ["convert", "measure", "refine"])
def test_tables_that_a_spreadsheet_has_saved_without_commas(
    tmp_path: Path, table: Path, command: str, mark: str, word: str
) -> None:
    table.write_text(TABLE.replace(",", mark))
    further = {"convert": [tmp_path / "b.parquet"], "measure": [], "refine": ["-o", tmp_path / "b.json"]}
    assert f"a.csv: the columns are separated by {word}; save the file as CSV with commas" in told(
        command, table, *further[command]
    )


def test_footage_that_cannot_be_read_leaves_no_measures(tmp_path: Path, table: Path) -> None:
    assert "no.mp4" in told("measure", table, "--plots", "--video", tmp_path / "no.mp4")
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]


def test_the_distance_of_a_person_from_themselves(tmp_path: Path, table: Path) -> None:
    assert "there is no measure 'distance_to_1'; choose from" in told(
        "measure", table, "--measure", "distance_to_1"
    )


@pytest.mark.parametrize("fps", ["0", "-5", "nan", "inf", "1e12", "1e-9"])
def test_frame_rates_of_no_camera(tmp_path: Path, table: Path, fps: str) -> None:
    assert "fps must" in told("convert", table, tmp_path / "b.trc", "--fps", fps)
    assert "fps must" in told("measure", table, "--fps", fps) or "(--fps)" in told("measure", table, "--fps", fps)


@pytest.mark.parametrize("scale", ["1.8m", "1.8m=", "=350px", "1.8m=0px", "3ft=100px", "1=1.75", "0", "nan"])
def test_a_scale_without_a_length(tmp_path: Path, table: Path, scale: str) -> None:
    assert "or a known length" in told("convert", table, tmp_path / "b.trc", "--scale", scale)
    assert "a known length (1.8m=350px)" in told("measure", table, "--scale", scale)


def test_a_scale_for_poses_in_pixels(tmp_path: Path, table: Path) -> None:
    assert "leave it out" in told("convert", table, tmp_path / "b.parquet", "--scale", "0.005")


def test_measures_of_joints_that_were_never_seen(tmp_path: Path, table: Path) -> None:
    sentence = told("measure", table, "--person", "1", "--measure", "left_knee_flexion")
    assert "a.csv, frames 0 to 8" in sentence and "left_knee is never seen; choose another" in sentence
    assert "left_heel and left_big_toe are never seen" in told(
        "measure", table, "--measure", "left_ankle_dorsiflexion"
    )
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]
    assert posetrack("measure", table).returncode == 0
    measures = (tmp_path / "a_measures.csv").read_text()
    assert "knee" not in measures and "left_ankle_speed" in measures, "no row, and never 0"


def test_places_of_which_half_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("frame,time_s,person1_nose_x\n0,0,1\n")
    sentence = told("convert", tmp_path / "a.csv", tmp_path / "b.csv")
    assert "'person1_nose_x', but no 'person1_nose_y'; add it" in sentence


def test_people_without_alphaposes_own_ids(tmp_path: Path) -> None:
    people = [{"image_id": "7.jpg", "keypoints": [1] * 51, "score": 1, "box": [0, 0, 1, 1]}]
    (tmp_path / "a.json").write_text(json.dumps(people))
    assert "a.json, frame 7: a person has no 'idx'" in told("convert", tmp_path / "a.json", tmp_path / "b.csv")


@pytest.mark.parametrize("command", ["measure", "refine", "review"])
def test_files_of_other_tools_where_tables_are_wanted(tmp_path: Path, command: str) -> None:
    path = tmp_path / "knee.trc"
    path.write_text(TRC.format(unit="px", x="1"))
    assert f"posetrack convert {path} {tmp_path / 'knee.csv'}" in told(command, path)


def test_repairs_over_another_video(tmp_path: Path, table: Path) -> None:
    results = tmp_path / "a.json"
    posetrack("convert", table, results, "--to", "posetrack18")
    data = json.loads(results.read_text())
    for image in data["images"]:
        image |= {"width": 640, "height": 480}
    results.write_text(json.dumps(data))
    repairs = {
        "format": "posetrack edits", "format_version": 1, "tracks": "a.json", "version": 1, "edits": [],
        "people": fingerprint(read_clip(results)), "size": [320, 240],
    }  # fmt: skip
    (tmp_path / "a.edits.json").write_text(json.dumps(repairs))
    sentence = told("refine", results, "--edits", tmp_path / "a.edits.json")
    assert "made over a video of 320x240 pixels, and this one has 640x480" in sentence
    (tmp_path / "a.edits.json").write_text(json.dumps(repairs | {"size": [640, 480]}))
    assert posetrack("refine", results, "--edits", tmp_path / "a.edits.json").returncode == 0
