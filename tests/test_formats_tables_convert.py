"""Tables converted: images named by another file, several videos, and folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from posetrack.errors import DataFormatError
from posetrack.formats.conversion import ConversionConfig, convert_files
from posetrack.formats.reading import read_annotations
from tests.test_formats_tables_read import GOOD, read, table


def posetrack17(path: Path, names: list[str]) -> Path:
    path.write_text(json.dumps({"annolist": [{"image": [{"name": name}], "annorect": []} for name in names]}))
    return path


def test_like_finds_images_by_the_frames_in_their_names(tmp_path: Path) -> None:
    like = posetrack17(tmp_path / "like.json", [f"images/000007_mpii/{n:06d}.jpg" for n in (5, 3, 0)])
    source = table(tmp_path / "a.csv", GOOD)
    config = ConversionConfig(to="posetrack18", like=like)
    convert_files(source, tmp_path / "b.json", config)
    (video,) = read_annotations(tmp_path / "b.json")
    assert video.video == "000007" and len(video.images) == 3
    assert [video.images[frame]["file_name"][-10:-4] for frame in video.frames] == ["000005", "000000", "000000"]
    assert video.track_ids.tolist() == [3, 3, 1]
    posetrack17(like, ["images/000007_mpii/000000.jpg"])
    with pytest.raises(DataFormatError, match=r"a\.csv, line 5: there is no image of frame 5; .*--like"):
        convert_files(source, tmp_path / "c.json", config)


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_each_video_gets_its_own_table(tmp_path: Path, to: str) -> None:
    names = [f"images/00000{n}_mpii/000000.jpg" for n in (1, 2)]
    for n, name in enumerate(names):
        person = {"track_id": [n], "annopoints": [{"point": [{"id": [13], "x": [1], "y": [2]}]}]}
        path = posetrack17(tmp_path / f"{n}.json", [name])
        data = json.loads(path.read_text())
        data["annolist"][0]["annorect"] = [person]
        path.write_text(json.dumps(data))
        convert_files(path, tmp_path / f"18_{n}.json", ConversionConfig(to="posetrack18"))
    first, second = (json.loads((tmp_path / f"18_{n}.json").read_text()) for n in range(2))
    for key in ("images", "annotations"):
        first[key] += second[key]
    (tmp_path / "both.json").write_text(json.dumps(first))
    written = convert_files(tmp_path / "both.json", tmp_path / f"t.{to}", ConversionConfig(to=to))
    assert list(written) == [tmp_path / f"t.{to}", tmp_path / f"t_000002.{to}"]
    assert [read(path).track_ids.tolist() for path in written] == [[0], [1]]


def test_a_folder_gives_its_tables_if_it_has_no_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    table(folder / "a.csv", GOOD)
    table(folder / "b.parquet", GOOD)
    config = ConversionConfig(to="mot")
    assert [path.name for path in convert_files(folder, tmp_path / "out", config)] == ["a.txt", "b.txt"]
    convert_files(folder / "a.csv", folder / "c.json", ConversionConfig(to="posetrack18"))
    assert [path.name for path in convert_files(folder, tmp_path / "again", config)] == ["c.txt"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataFormatError, match=r"no \.json, \.txt, \.csv or \.parquet files"):
        convert_files(tmp_path / "empty", tmp_path / "x", config)


@pytest.mark.parametrize("to", ["csv", "parquet", "posetrack18"])
def test_a_conversion_that_fails_while_writing_leaves_nothing(tmp_path: Path, to: str) -> None:
    rows = ["0,,1,,nose,1.5e308,1.5e308,1", "0,,1,,left_hip,-1.5e308,-1.5e308,1"]
    source = table(tmp_path / "a.csv", [GOOD[0], *rows])
    with pytest.raises(DataFormatError, match=r"a\.csv: a coordinate is too large"):
        convert_files(source, tmp_path / "b", ConversionConfig(to=to))
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]
