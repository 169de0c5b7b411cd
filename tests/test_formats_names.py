"""Names of clips and people, from format to format."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas
import pytest

from posetrack.errors import DataFormatError
from posetrack.formats.names import names_by_id
from posetrack.formats.table_content import load_table
from posetrack.formats.tables import parse_table
from posetrack.refine.files import read_clip
from tests.in_process import posetrack
from tests.test_formats_tables_read import GOOD, table

NAMED = [
    "clip,frame,time_s,person,name,person_score,joint,x,y,score",
    '"hall, left",0,0.0,3,"Zoë ""Z""",0.5,nose,10.5,20,0.75',
    '"hall, left",0,0.0,1,,0.5,nose,11,21,0.5',
    '"hall, left",1,0.2,3,"Zoë ""Z""",0.5,nose,12,22,0.5',
]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("ending", [".parquet", ".json", "_coco_tracks.json"])
def test_clips_and_people_keep_their_names_from_format_to_format(tmp_path: Path, ending: str) -> None:
    source, there, back = table(tmp_path / "a.csv", NAMED), tmp_path / f"there{ending}", tmp_path / "back.csv"
    to = "coco-tracks" if "coco" in ending else "posetrack18" if ending == ".json" else "parquet"
    assert posetrack("convert", source, there, "--to", to).returncode == 0
    assert posetrack("convert", there, back).returncode == 0
    assert {row["clip"] for row in rows(back)} == {"hall, left"}
    found = {(row["frame"], row["person"], row["name"]) for row in rows(back)}
    assert found == {("0", "3", 'Zoë "Z"'), ("0", "1", ""), ("1", "3", 'Zoë "Z"')}
    assert set(pandas.read_csv(back).name.dropna()) == {'Zoë "Z"'}


@pytest.mark.parametrize("ending", [".csv", ".json", ".parquet"])
def test_the_second_pass_keeps_the_names_of_clip_and_people(tmp_path: Path, ending: str) -> None:
    source = tmp_path / f"a{ending}"
    posetrack(
        "convert", table(tmp_path / "first.csv", NAMED), source, *(["--to", "posetrack18"] * (ending == ".json"))
    )
    clip = read_clip(source)
    assert clip.name == "hall, left"
    assert {track.track_id: track.name for track in clip.tracks} == {1: None, 3: 'Zoë "Z"'}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_that_call_a_person_track_id_are_read(tmp_path: Path, suffix: str) -> None:
    old = [GOOD[0].replace("person,", "track_id,"), *GOOD[1:]]
    before = table(tmp_path / f"before{suffix}", old)
    assert parse_table(load_table(before), None).track_ids.tolist() == [3, 1, 3]
    if suffix == ".csv":  # the second pass wants Parquet's numbers to be numbers
        assert [track.track_id for track in read_clip(before).tracks] == [1, 3]
    done = posetrack("convert", before, tmp_path / "again.csv")
    assert "nothing lost" in done.stdout and "person" in rows(tmp_path / "again.csv")[0]


def test_a_table_without_a_column_of_clips_has_the_files_name(tmp_path: Path) -> None:
    posetrack("convert", table(tmp_path / "street.csv", GOOD), tmp_path / "again.csv")
    assert {row["clip"] for row in rows(tmp_path / "again.csv")} == {"street"}


@pytest.mark.parametrize("command", ["convert", "measure"])
def test_a_table_of_two_clips_is_refused_with_its_line(tmp_path: Path, command: str) -> None:
    path = table(tmp_path / "a.csv", [*NAMED[:3], NAMED[3].replace("left", "right")])
    done = posetrack(
        command, path, *([tmp_path / "b.json", "--to", "posetrack18"] if command == "convert" else [])
    )
    assert done.returncode == 2
    assert "a.csv, line 4: the clip is 'hall, right'" in done.stderr and "one file per clip" in done.stderr


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([(3, "Al"), (3, "Bo")], "person 3 is named Al and Bo; keep one"),
        ([(3, "Al"), (4, "Al")], "3 and 4 are all named Al; give them different names"),
        ([(3, "=1+1")], "'=1\\+1' of person 3 is not a valid name"),
        ([(3, ["Al"])], "of person 3 is not a valid name"),
    ],
)
def test_names_that_contradict_each_other_or_are_none_are_refused(
    given: list[tuple[int, object]], words: str
) -> None:
    with pytest.raises(DataFormatError, match=rf"a\.json: .*{words}"):
        names_by_id(Path("a.json"), given)


def test_a_clips_name_is_never_a_path(tmp_path: Path) -> None:
    source = table(tmp_path / "a.csv", [line.replace("hall, left", "../../evil") for line in NAMED])
    assert posetrack("convert", source, tmp_path / "frames", "--to", "openpose").returncode == 0
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == [f".._.._evil_{frame:012d}_keypoints.json" for frame in range(2)]


def test_names_are_told_lost_where_a_format_has_no_place_for_them(tmp_path: Path) -> None:
    source = table(tmp_path / "a.csv", NAMED)
    for to in ("mot", "trc", "posetrack17"):
        done = posetrack("convert", source, tmp_path / to, "--to", to)
        assert "Names of people." in done.stdout, done.stderr
    posetrack("convert", source, tmp_path / "b.json", "--to", "posetrack18")
    named = [person.get("name") for person in json.loads((tmp_path / "b.json").read_text())["annotations"]]
    assert named == ['Zoë "Z"', None, 'Zoë "Z"']
