"""Every run says where its files come from, and why it cannot be repeated if it cannot."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from posetrack import run
from posetrack.batch.tasks import PresetTracker
from posetrack.presets import get_preset
from posetrack.provenance.meta import Repetition
from posetrack.runner import Outputs, RunSummary
from posetrack.stages import SourceInfo
from tests.batch_cases import good_clip, image_folder, track, truncated_clip
from tests.in_process import posetrack
from tests.test_verify import Walking

pytestmark = pytest.mark.usefixtures("walking")


@pytest.fixture
def walking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posetrack.pose_tracker.PoseTracker", Walking)


def described(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    assert content["files"] and all((path.parent / name).exists() for name in content["files"])
    return content


def test_a_clip_of_a_batch_is_repeated_by_the_name_that_its_files_have(tmp_path: Path) -> None:
    for name in ("street.mp4", "street.avi"):
        good_clip(tmp_path / "in" / "day 1" / name)
    out = tmp_path / "out"
    options = Repetition(options={"formats": ["csv"], "video": False})
    outputs = Outputs(video=False, formats=("posetrack18", "csv"))
    tracker = PresetTracker(get_preset("lite"))
    track(tmp_path / "in", out, tracker=tracker, outputs=outputs, repetition=options)
    found = described(out / "day 1" / "street.mp4.meta.json")
    assert found["source"]["path"] == str(tmp_path / "in" / "day 1" / "street.mp4")
    assert found["source"]["fps"] == 25 and len(found["made_with"]["networks"]) == 2
    assert found["files"].keys() == {"street.mp4.csv", "street.mp4.json", "street.mp4.tracks"}
    done = posetrack("verify", out / "day 1" / "street.mp4.meta.json")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "street.mp4.csv is the same, byte for byte" in done.stdout


@pytest.mark.parametrize("source", ["frames", "frames/*.png"])
def test_images_are_known_by_their_names_and_contents(tmp_path: Path, source: str) -> None:
    frames = image_folder(tmp_path / "frames")
    done = posetrack("run", f"{tmp_path}/{source}", "-o", tmp_path / "out", "--no-video")
    assert done.returncode == 0, done.stderr
    meta = tmp_path / "out" / "frames.meta.json"
    assert len(described(meta)["source"]["sha256"]) == 64
    done = posetrack("verify", meta)
    assert done.returncode == 0 and "frames.json is the same, byte for byte" in done.stdout, done.stderr
    moved = frames.rename(tmp_path / "elsewhere")
    done = posetrack("verify", meta, "--video", f"{moved}{source.removeprefix('frames')}")
    assert "frames.json is the same, byte for byte" in done.stdout, done.stderr
    frames = moved.rename(frames)
    (frames / "frame1.png").write_bytes((frames / "frame2.png").read_bytes())
    done = posetrack("verify", meta)
    assert done.returncode == 2 and "this is not the footage" in done.stderr


def test_what_was_put_beside_earlier_results_is_repeated_under_its_own_name(tmp_path: Path) -> None:
    clip = truncated_clip(tmp_path / "clip.mp4")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "clip.json").write_text("precious")
    done = posetrack("run", clip, "-o", tmp_path / "out", "--no-video", "--overwrite")
    assert done.returncode == 2 and "clip_incomplete.json" in done.stderr
    done = posetrack("verify", tmp_path / "out" / "clip_incomplete.meta.json")
    assert done.returncode == 0 and "clip_incomplete.json is the same, byte for byte" in done.stdout, done.stderr


def interrupted(info: SourceInfo, summary: RunSummary) -> None:
    if summary.frames == 3:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({}, "it was started from Python, with stages and settings of its own"),
        ({"observer": interrupted}, "it was interrupted"),
        ({"realtime": True}, "what --realtime sees depends on the speed of the computer"),
    ],
    ids=["python", "interrupted", "realtime"],
)
def test_a_run_that_cannot_be_repeated_says_why(tmp_path: Path, how: dict[str, Any], why: str) -> None:
    clip = good_clip(tmp_path / "street.mp4", 8)
    summary = run(clip, tmp_path / "out", tracker=lambda: Walking(), **how)  # type: ignore[arg-type, return-value]
    meta = tmp_path / "out" / "street.meta.json"
    found = described(meta)
    assert found["files"].keys() == {path.name for path in summary.files} - {meta.name}
    assert found["made_with"]["preset"]["name"] == "lite" and len(found["source"]["sha256"]) == 64
    done = posetrack("verify", meta)
    assert done.returncode == 2 and f"cannot be repeated, because {why}" in done.stderr
    done = posetrack("verify", meta, "--no-repeat", "--bundle", tmp_path / "supplement.zip")
    assert done.returncode == 0 and (tmp_path / "supplement.zip").exists(), done.stderr


def test_streams_and_footage_that_has_gone_have_no_hash(tmp_path: Path) -> None:
    clip = good_clip(tmp_path / "street.mp4", 8)
    run(clip, tmp_path, tracker=lambda: Walking(), observer=lambda *_: clip.unlink(missing_ok=True), online=True)  # type: ignore[arg-type, return-value]
    meta = tmp_path / "street.meta.json"
    assert described(meta)["source"]["sha256"] is None
    for options in ((), ("--no-repeat", "--bundle", tmp_path / "supplement.zip")):
        done = posetrack("verify", meta, *options)
        assert done.returncode == 2 and "neither tracked again nor masked" in done.stderr


def test_a_run_without_a_description_writes_none(tmp_path: Path) -> None:
    clip = good_clip(tmp_path / "street.mp4")
    outputs = Outputs(video=False, meta=False)
    summary = run(clip, tmp_path, tracker=lambda: Walking(), outputs=outputs, name="mine")  # type: ignore[arg-type, return-value]
    assert [path.name for path in summary.files] == ["mine.json", "mine.tracks"]
    assert not (tmp_path / "mine.meta.json").exists()
