"""``posetrack review`` as a program: it prints its address, serves, and ends with Ctrl-C; bad input is refused."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from posetrack.refine.files import write_clip
from tests import forked
from tests.in_process import posetrack
from tests.review_pages import scene, write_scene


def test_it_serves_until_ctrl_c_and_leaves_nothing_behind(tmp_path: Path) -> None:
    results = write_scene(tmp_path, video=False)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    told = tmp_path.with_name("told")
    process = forked.posetrack("review", results, "--no-browser", told=told)
    while process.is_alive() and not (told.exists() and "\n" in told.read_text()):
        time.sleep(0.02)
    found = re.match(r"Open (http://127\.0\.0\.1:\d+/[\w-]{32}/) ", told.read_text())
    assert found is not None
    with urllib.request.urlopen(f"{found[1]}clip", timeout=60) as answer:
        assert [track["id"] for track in json.load(answer)["tracks"]] == [1, 2, 3, 4]
    os.kill(process.pid or 0, signal.SIGINT)
    process.join()
    assert (process.exitcode, told.read_text().splitlines()[-1]) == (130, "posetrack: interrupted.")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.csv"], r"missing\.csv"),
        (["empty"], r"empty: there are no tracks in this folder; run `posetrack run` first\."),
        (["damaged.parquet"], r"damaged\.parquet"),
        (
            ["street.parquet", "--video", "missing.mp4"],
            r"There is no file missing\.mp4: check its name and folder\.",
        ),
        (["street.parquet", "--port", "99999"], r"--port 99999 cannot be used \(.*\); give another, or none"),
        (["untimed.json"], r"untimed\.json.*--fps"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path, video=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1 and no more")
    write_clip(tmp_path / "untimed.json", scene())
    data = json.loads((tmp_path / "untimed.json").read_text())
    for image in data["images"]:
        del image["time_s"]
    (tmp_path / "untimed.json").write_text(json.dumps(data))
    done = posetrack("review", "--no-browser", *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert re.fullmatch(rf"posetrack: .*{sentence}.*\n", done.stderr)


def test_a_folder_of_results_is_reviewed_whatever_else_was_made_of_them(tmp_path: Path) -> None:
    results = write_scene(tmp_path, video=False)
    assert posetrack("measure", results, "--wide").returncode == 0
    for ending in ("_wide.csv", "_alphapose.json", "_coco_tracks.json", "_deeplabcut.csv"):
        form = ending.strip("_").partition(".")[0].replace("_", "-")
        target = tmp_path / f"{results.stem}{ending}"
        assert posetrack("convert", results, target, "--to", "csv" if form == "wide" else form).returncode == 0
    assert posetrack("review", tmp_path, "--export", tmp_path / "page.html").returncode == 0
    write_clip(tmp_path / "other.csv", scene())
    done = posetrack("review", tmp_path, "--export", tmp_path / "again.html")
    assert done.returncode == 2 and "there are tracks of 2 clips (other, street); give one of them." in done.stderr
