"""Files that ``refine`` and ``convert`` make say where they come from, in ``FILE.meta.json`` beside them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from posetrack import __version__
from posetrack.observations.reader import ObservationFile
from posetrack.refine.edits import Name
from posetrack.refine.edits_file import History, write_history
from posetrack.refine.files import read_clip, write_clip
from posetrack.refine.same_tracks import fingerprint
from tests.in_process import posetrack
from tests.refine_clips import clip_of, line, walker
from tests.test_verify import results

__all__ = ["results"]  # the fixture: the folder of a run's results


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table that nothing describes."""
    (tmp_path / "plain").mkdir()
    path = tmp_path / "plain" / "hall.csv"
    write_clip(path, clip_of(walker(1, line((100, 300), (100, 0), 20))))
    return path


def made(*arguments: str | Path) -> None:
    done = posetrack(*arguments)
    assert done.returncode == 0, done.stderr


def described(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((path.parent / f"{path.name}.meta.json").read_text())
    return content


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_refined_file_has_the_provenance_of_its_observations(results: Path) -> None:
    (results / "street.meta.json").unlink()
    target = results / "smooth.csv"
    made("refine", results / "street.tracks", "-o", target, "--smooth", "none")
    content = described(target)
    assert content["command"] == "refine" and content["posetrack"] == __version__
    assert content["options"] == {"smooth": "none"}
    assert content["inputs"] == {
        (results / "street.tracks").as_posix(): {
            "bytes": (results / "street.tracks").stat().st_size, "sha256": sha256(results / "street.tracks"),
        }
    }  # fmt: skip
    assert content["files"]["smooth.csv"]["sha256"] == sha256(target)
    source = content["source"]
    assert (source["name"], source["width"], source["height"]) == ("street", 64, 48) and source["fps"] > 0
    assert source["bytes"] == (results.parent / "street.mp4").stat().st_size
    with ObservationFile(results / "street.tracks") as file:
        assert content["made_with"] == {"posetrack": __version__, **file.header.made_with}
    assert content["of_input"] is None


def test_the_description_of_the_input_is_carried_over(results: Path) -> None:
    run = json.loads((results / "street.meta.json").read_text())
    knee = results / "knee.trc"
    made("convert", results / "street.csv", knee, "--fps", "25")
    content = described(knee)
    assert content["command"] == "convert" and content["options"] == {"to": "trc", "fps": 25.0}
    assert content["of_input"] == run
    assert content["source"] == run["source"] and content["made_with"] == run["made_with"]
    again = results / "again.csv"
    made("convert", knee, again)
    assert described(again)["of_input"]["of_input"] == run and described(again)["source"] == run["source"]


def test_the_description_of_another_content_is_not_carried_over(results: Path) -> None:
    with (results / "street.csv").open("a") as file:
        file.write("\n")
    (results / "odd.meta.json").write_text("{")
    made("convert", results / "street.csv", results / "knee.trc")
    content = described(results / "knee.trc")
    assert (content["of_input"], content["source"], content["made_with"]) == (None, None, None)


def test_without_a_description_the_observations_beside_tell_the_provenance_as_in_a_batch(results: Path) -> None:
    (results / "street.meta.json").unlink()
    made("convert", results / "street.csv", results / "knee.trc")
    content = described(results / "knee.trc")
    assert content["told_by"] == (results / "street.tracks").as_posix()
    assert (content["source"]["width"], content["source"]["height"]) == (64, 48)
    assert content["made_with"]["posetrack"] == __version__ and content["of_input"] is None
    (results / "other.csv").write_bytes((results / "street.csv").read_bytes())
    made("convert", results / "other.csv", results / "other.trc")
    assert described(results / "other.trc")["source"] is None


def test_files_refined_in_place_are_described_and_the_runs_description_stays(results: Path) -> None:
    before = (results / "street.meta.json").read_bytes()
    made("refine", results / "street.tracks", "-f", "mot", "-f", "wide", "--max-fill", "0.5")
    for name in ("street.txt", "street_wide.csv"):
        content = described(results / name)
        assert content["options"] == {"max_fill": "0.5"} and content["files"].keys() == {name}
        assert content["of_input"] == json.loads(before)
    assert (results / "street.meta.json").read_bytes() == before
    (results / "street.txt").unlink()
    refused = posetrack("refine", results / "street.tracks", "-f", "mot")
    assert refused.returncode == 2 and "street.txt.meta.json exists already" in refused.stderr


def test_what_is_lost_is_kept_with_the_files(table: Path) -> None:
    made("convert", table, table.with_name("hall.txt"))
    content = described(table.with_name("hall.txt"))
    assert "Joints and their scores." in content["files"]["hall.txt"]["lost"]
    assert list(content["inputs"].values()) == [{"bytes": table.stat().st_size, "sha256": sha256(table)}]


def test_an_edits_file_is_among_the_inputs(table: Path, tmp_path: Path) -> None:
    edits = table.with_name("hall.edits.json")
    target = tmp_path / "named.csv"
    history = History(people=fingerprint(read_clip(table))).done(Name(person=1, name="Ada"))
    write_history(edits, history, table)
    made("refine", table, "-o", target, "--edits", edits)
    assert list(described(target)["inputs"]) == [table.as_posix(), edits.as_posix()]


def test_folders_are_described_beside_them_and_descriptions_are_not_converted(table: Path, tmp_path: Path) -> None:
    made("convert", table, table.with_name("hall.json"), "--to", "posetrack18")
    table.unlink()
    for name in ("first", "second"):
        made("convert", table.parent, tmp_path / name, "--to", "posetrack17")
        assert [path.name for path in (tmp_path / name).iterdir()] == ["hall.json"]
        assert described(tmp_path / name)["files"].keys() == {f"{name}/hall.json"}
        (tmp_path / name / "hall.json").unlink()
        (tmp_path / f"{name}.meta.json").unlink()


def test_a_folder_of_frames_is_one_input_and_one_output(table: Path, tmp_path: Path) -> None:
    frames, back = tmp_path / "frames", tmp_path / "back.csv"
    made("convert", table, frames, "--to", "openpose")
    made("convert", frames, back, "--fps", "25")
    digest = described(frames)["files"]["frames"]["sha256"]
    assert described(back)["inputs"][frames.as_posix()]["sha256"] == digest
    assert described(back)["of_input"] == described(frames)
    next(frames.iterdir()).unlink()
    made("convert", frames, back, "--fps", "25", "--overwrite")
    assert described(back)["inputs"][frames.as_posix()]["sha256"] != digest
    assert described(back)["of_input"] is None


@pytest.mark.parametrize("command", ["convert", "refine"])
def test_an_existing_description_is_not_replaced_unasked(table: Path, tmp_path: Path, command: str) -> None:
    target, output = tmp_path / "new.parquet", [] if command == "convert" else ["-o"]
    mine = tmp_path / "new.parquet.meta.json"
    mine.write_text("mine")
    refused = posetrack(command, table, *output, target)
    assert refused.returncode == 2 and "new.parquet.meta.json exists already" in refused.stderr
    assert not target.exists() and mine.read_text() == "mine"
    made(command, table, *output, target, "--overwrite")
    assert described(target)["files"]["new.parquet"]["sha256"] == sha256(target)


def test_verify_says_that_only_runs_are_repeated(table: Path) -> None:
    target = table.with_name("hall.json")
    made("convert", table, target, "--to", "posetrack18")
    done = posetrack("verify", target.with_name("hall.json.meta.json"))
    assert done.returncode == 2
    assert "`posetrack convert` made of another file" in done.stderr and "only runs are repeated" in done.stderr
