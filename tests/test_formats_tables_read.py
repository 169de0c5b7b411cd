"""Reading CSV and Parquet tables: what is accepted, and one sentence with the line and the remedy for the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from posetrack.errors import DataFormatError
from posetrack.formats import arrow_tables, checks
from posetrack.formats.annotations import EVALUATION_JOINTS, Annotations
from posetrack.formats.conversion import ConversionConfig, convert_files
from posetrack.formats.table_content import load_table
from posetrack.formats.tables import parse_table
from tests.in_process import posetrack

HEADER = "frame,time_s,person,person_score,joint,x,y,score"
GOOD = [
    HEADER,
    "0,0.0,3,0.5,nose,10.5,20,0.75",
    "0,0.0,3,0.5,left_hip,11,21,",
    "0,0.0,1,,nose,,,0",
    "5,0.2,3,0.25,nose,12,22,0.5",
]
"""Two people in frame 0, one of them without joints, and one in frame 5."""

Change = Callable[[list[str]], object]


def table(path: Path, lines: list[str]) -> Path:
    """A CSV, or a Parquet file of the same text."""
    text = "\n".join(lines) + "\n"
    if path.suffix == ".csv":
        path.write_text(text)
    else:
        kinds = dict.fromkeys(lines[0].split(","), pyarrow.string())
        options = pyarrow.csv.ConvertOptions(column_types=kinds)
        columns = pyarrow.csv.read_csv(pyarrow.BufferReader(text.encode()), convert_options=options)
        pyarrow.parquet.write_table(columns, path)
    return path


def read(path: Path) -> Annotations:
    return parse_table(load_table(path), None)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_people_joints_and_scores_are_those_of_the_rows(tmp_path: Path, suffix: str) -> None:
    video = read(table(tmp_path / f"street{suffix}", GOOD))
    nose, hip = EVALUATION_JOINTS.index("nose"), EVALUATION_JOINTS.index("left_hip")
    assert video.frames.tolist() == [0, 0, 5]
    assert video.track_ids.tolist() == [3, 1, 3]
    assert video.person_scores.tolist() == pytest.approx([0.5, np.nan, 0.25], nan_ok=True)
    assert [np.flatnonzero(row).tolist() for row in video.present] == [[hip, nose], [], [nose]]
    assert video.keypoints[0, [nose, hip]].tolist() == [[10.5, 20], [11, 21]]
    assert video.keypoints[2, nose].tolist() == [12, 22]
    assert video.scores[0, nose] == 0.75 and video.scores[2, nose] == 0.5
    assert not video.keypoints[~video.present].any()
    assert np.isnan(video.scores[0, hip]) and np.isnan(video.boxes).all() and video.joints is None
    assert len(video.images) == 6, "all frames up to the last"
    assert [image.get("time_s") for image in video.images] == [0, None, None, None, None, 0.2]
    assert video.images[5]["file_name"] == "images/000000_mpii_street/000005.jpg"
    assert video.images[5]["id"] == 10**10 + 5


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines.insert(1, ""),
        lambda lines: lines.__setitem__(0, "\ufeff" + HEADER),
        lambda lines: lines.__setitem__(slice(None), [line + "\r" for line in lines]),
        lambda lines: lines.__setitem__(1, '"0","0.0","3.0","0.5","nose","10.50","2e1","0.75"'),
        lambda lines: lines.__setitem__(3, "0,0.0,1,nan,nose,nan,nan,0"),
    ],
    ids=["blank line", "byte order mark", "Windows line ends", "quoted numbers", "nan"],
)
def test_tables_that_a_spreadsheet_has_saved_are_read(tmp_path: Path, change: Change) -> None:
    lines = list(GOOD)
    change(lines)
    expected, video = read(table(tmp_path / "a.csv", GOOD)), read(table(tmp_path / "b.csv", lines))
    for column in ("frames", "track_ids", "keypoints", "present", "scores", "person_scores"):
        np.testing.assert_array_equal(getattr(video, column), getattr(expected, column))


def test_columns_and_rows_may_be_in_any_order(tmp_path: Path) -> None:
    rows = [line.split(",") for line in GOOD]
    lines = [",".join(row[::-1]) for row in (rows[0], *rows[:0:-1])]
    video = read(table(tmp_path / "a.csv", lines))
    assert video.frames.tolist() == [0, 0, 5] and video.track_ids.tolist() == [1, 3, 3]
    assert video.person_scores[1:].tolist() == [0.5, 0.25]


@pytest.mark.parametrize("suffix", [".CSV", ".Parquet"])
def test_endings_may_be_capital(tmp_path: Path, suffix: str) -> None:
    path = table(tmp_path / f"a{suffix.lower()}", GOOD).rename(tmp_path / f"a{suffix}")
    assert list(convert_files(path, tmp_path / "b", ConversionConfig(to="mot"))) == [tmp_path / "b"]


def test_a_table_without_rows_is_a_video_without_frames(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", [HEADER])
    assert len(read(path)) == 0 and read(path).images == [] and read(path).keypoints.shape == (0, 15, 2)
    for to in ("posetrack18", "posetrack17", "coco", "mot", "csv", "parquet"):
        target = tmp_path / f"target_{to}"
        assert convert_files(path, target, ConversionConfig(to=to)) == {target: []}


def replaced(line: int, column: str, text: str) -> Change:
    def change(lines: list[str]) -> None:
        cells = lines[line - 1].split(",")
        cells[HEADER.split(",").index(column)] = text
        lines[line - 1] = ",".join(cells)

    return change


BAD: dict[str, tuple[Change, str]] = {
    "no y": (lambda lines: lines.__setitem__(0, HEADER.replace(",y,", ",z,")), "there is no column 'y'"),
    "semicolons": (
        lambda lines: lines.__setitem__(slice(None), [line.replace(",", ";") for line in lines]),
        "the columns are separated by semicolons; save the file as CSV with commas",
    ),
    "text": (replaced(3, "x", "left"), "line 3: 'x' is 'left', which is not a number; correct it"),
    "infinite": (replaced(2, "y", "inf"), "line 2: 'y' is 'inf', which is not a number"),
    "huge": (replaced(2, "y", "1e999"), "line 2: 'y' is '1e999', which is not a number"),
    "text for a score": (replaced(5, "score", "high"), "line 5: 'score' is 'high'"),
    "text for a time": (replaced(5, "time_s", "0:01"), "line 5: 'time_s' is '0:01'"),
    "text for a person's score": (replaced(2, "person_score", "?"), "line 2: 'person_score' is '?'"),
    "no frame": (replaced(4, "frame", ""), "line 4: 'frame' is '', but must be a whole number from 0 to 999999"),
    "half a frame": (replaced(4, "frame", "0.5"), "line 4: 'frame' is '0.5', but must be a whole number"),
    "frame -1": (replaced(4, "frame", "-1"), "line 4: 'frame' is '-1', but must be"),
    "frame 1000000": (replaced(4, "frame", "1000000"), "line 4: 'frame' is '1000000', but must be"),
    "large id": (replaced(4, "person", str(2**31)), "must be a whole number from -2147483647 to 2147483647"),
    "unknown joint": (replaced(5, "joint", "tail"), "line 5: there is no joint 'tail'; use the names head_bottom"),
    "no joint": (replaced(5, "joint", ""), "line 5: there is no joint ''; use the names"),
    "two skeletons": (
        lambda lines: (replaced(2, "joint", "left_eye")(lines), replaced(3, "joint", "head_bottom")(lines)),
        "no skeleton has all of the joints head_bottom, left_eye, nose; leave out those of one",
    ),
    "x alone": (replaced(2, "y", ""), "line 2: a joint needs both x and y, or neither and a score of 0"),
    "y alone": (replaced(2, "x", ""), "line 2: a joint needs both x and y"),
    "score alone": (replaced(4, "score", "0.5"), "line 4: a joint needs both x and y"),
    "two clips": (
        lambda lines: lines.extend(GOOD[1:3]),
        "line 6: nose of person 3 is given twice in frame 0; give people different numbers, and write one file",
    ),
    "two clips with a header each": (lambda lines: lines.extend(GOOD), "line 6: 'frame' is 'frame'"),
    "two clips of other people": (
        lambda lines: lines.append("5,0.25,9,0.5,nose,1,1,1"),
        "line 6: 'time_s' differs from that in line 5, of the same frame; a table holds one clip",
    ),
    "two scores": (replaced(3, "person_score", "0.75"), "line 3: 'person_score' differs from that in line 2"),
    "a score in one row alone": (replaced(3, "person_score", ""), "line 3: 'person_score' differs from that in"),
}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_one_sentence(tmp_path: Path, suffix: str, name: str) -> None:
    change, words = BAD[name]
    lines = list(GOOD)
    change(lines)
    path = table(tmp_path / f"clip{suffix}", lines)
    done = posetrack("convert", path, tmp_path / "out.json", "--to", "posetrack18")
    if suffix == ".parquet":  # which has rows, from 1
        for line in range(2, 8):
            words = words.replace(f"line {line}", f"row {line - 1}")
    assert words in done.stderr and str(path) in done.stderr
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "there is no column 'frame'"),
        (b"\xff\xfe\x00", "line 2 or later: this is not CSV in UTF-8"),
        ("\n".join([*GOOD, "5,0.2,3,0.25,le"]).encode(), "line 6: there are 5 values for 8 columns"),
        ("\n".join([*GOOD, '5,0.2,3,0.25,"le']).encode(), "line 6 or later: this is not CSV"),
        ("\n".join([f"{HEADER},z", *GOOD[1:]]).encode(), "line 2: there are 8 values for 9 columns"),
        (
            HEADER.replace(",", ";").encode() + b"\n0;0,0;3;0,5;nose;1,5;2;1",
            "the columns are separated by semicolons",
        ),
        (f"{HEADER},x\n".encode(), "two columns are named 'x'; remove one"),
    ],
)
def test_broken_csv_is_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "clip.csv").write_bytes(content)
    with pytest.raises(DataFormatError, match=rf"clip\.csv.*{words}"):
        read(tmp_path / "clip.csv")


@pytest.mark.parametrize("kept", [0, 3, 100, -1, -200])
def test_truncated_parquet_is_one_sentence(tmp_path: Path, kept: int) -> None:
    path = table(tmp_path / "clip.parquet", GOOD)
    path.write_bytes(path.read_bytes()[:kept])
    reason = "file size is 0 bytes" if kept == 0 else "arquet"
    done = posetrack("convert", path, tmp_path / "out.json", "--to", "mot")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"{path}: cannot be read as Parquet (" in done.stderr and reason in done.stderr.split("(")[1]
    assert "write or download it again" in done.stderr


def test_parquet_of_other_columns_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "clip.parquet"
    columns = dict.fromkeys(HEADER.split(","), pyarrow.array([[1]]))
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    with pytest.raises(DataFormatError, match="cannot be read as Parquet"):
        read(path)
    repeated = [*HEADER.split(","), "y"]
    pyarrow.parquet.write_table(pyarrow.table([pyarrow.array(["1"])] * 9, repeated), path)
    with pytest.raises(DataFormatError, match=r"clip\.parquet: two columns are named 'y'; remove one"):
        read(path)
    pyarrow.parquet.write_table(pyarrow.table({"frame": [1]}), path)
    with pytest.raises(DataFormatError, match=r"clip\.parquet: there is no column 'time_s', 'person'"):
        read(path)


def test_parquet_of_other_types_is_read(tmp_path: Path) -> None:
    rows = [line.split(",") for line in GOOD[1:3]]
    columns = dict(zip(HEADER.split(","), zip(*rows, strict=True), strict=True))
    kinds = {"joint": pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), "frame": pyarrow.float64()}
    table = {
        name: pyarrow.array([text or None for text in texts])
        .cast(pyarrow.string() if name == "joint" else pyarrow.float64())
        .cast(kinds.get(name, pyarrow.int32() if name == "person" else pyarrow.float64()))
        if name != "joint"
        else pyarrow.array(texts).dictionary_encode()
        for name, texts in columns.items()
    }
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "a.parquet")
    video = read(tmp_path / "a.parquet")
    assert video.track_ids.tolist() == [3] and video.present.sum() == 2


def test_files_that_are_too_large_or_missing_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nowhere.csv", "nowhere.parquet"):
        with pytest.raises(DataFormatError, match=rf"{name}: cannot be read .*; check the path"):
            load_table(tmp_path / name)
    assert checks.LARGEST_FILE_BYTES == 512 * 1024**2
    path = table(tmp_path / "a.csv", GOOD)
    size = path.stat().st_size
    monkeypatch.setattr("posetrack.formats.checks.LARGEST_FILE_BYTES", size)
    load_table(path)
    monkeypatch.setattr("posetrack.formats.checks.LARGEST_FILE_BYTES", size - 1)
    with pytest.raises(DataFormatError, match="write one file per video"):
        load_table(path)


def test_parquet_of_too_many_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert arrow_tables.LARGEST_ROWS == 10**7
    path = table(tmp_path / "a.parquet", GOOD)
    monkeypatch.setattr(arrow_tables, "LARGEST_ROWS", 4)
    load_table(path)
    monkeypatch.setattr(arrow_tables, "LARGEST_ROWS", 3)
    with pytest.raises(DataFormatError, match=r"a\.parquet: the file has 4 rows, .* 3; write one file per clip"):
        load_table(path)


def test_the_largest_numbers_are_read(tmp_path: Path) -> None:
    largest = 2**31 - 1
    rows = [f"{frame},,{track_id},,nose,1,2,1" for frame in (0, 999_999) for track_id in (-largest, largest)]
    video = read(table(tmp_path / "a.csv", [HEADER, *rows]))
    assert video.frames.tolist() == [0, 0, 999_999, 999_999]
    assert video.track_ids.tolist() == [-largest, largest] * 2


def test_people_of_crowds_are_kept_apart(tmp_path: Path) -> None:
    joints = ("nose", "right_ankle")
    people = [(frame, track_id) for frame in range(3) for track_id in range(1, 41)]
    rows = [f"{frame},,{track_id},,{joint},{track_id},{frame},1" for frame, track_id in people for joint in joints]
    video = read(table(tmp_path / "a.csv", [HEADER, *rows]))
    assert list(zip(video.frames.tolist(), video.track_ids.tolist(), strict=True)) == people
    found = video.keypoints[:, [EVALUATION_JOINTS.index(joint) for joint in joints]].tolist()
    assert found == [[[track_id, frame]] * 2 for frame, track_id in people]
