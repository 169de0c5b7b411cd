"""``posetrack batch`` on the command line."""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from posetrack.cli.batch_progress import Pace, batch_progress, duration
from posetrack.cli.main import main
from tests import forked, in_process
from tests.batch_cases import contents, good_clip, image_folder, records

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run ``posetrack batch`` in this process: exit status, standard output and standard error."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["posetrack", "batch", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capfd.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


@pytest.mark.usefixtures("forked_workers")
def test_clips_are_tracked_with_the_bundled_networks_and_logged(tmp_path: Path, command: Command) -> None:
    good_clip(tmp_path / "in" / "day 1" / "a.mp4", 5)
    image_folder(tmp_path / "in" / "walk", 4)
    (tmp_path / "in" / "empty.mp4").touch()
    arguments = [tmp_path / "in", "-o", tmp_path / "out", "-f", "csv", "--workers", "1", "--no-flip-test"]
    status, out, err = command(*arguments, "--dry-run")
    assert status == 0 and not (tmp_path / "out").exists()
    assert "track  day 1/a.mp4  (new)" in out and "3 clips, 3 to track: 3 new" in out
    status, out, err = command(*arguments)
    assert status == 1, err
    lines = err.splitlines()
    assert "3 clips, 3 to track: 3 new" in lines[0] and re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", lines[0])
    assert any("/3] done: day 1/a.mp4: 5 frames, at most 0 people, 0 tracks" in line for line in lines)
    assert any("/3] failed: empty.mp4" in line and "is empty" in line for line in lines)
    assert "summary.csv" in out and "Traceback" not in err
    endings = (".csv", ".json", ".meta.json", ".tracks", "_tracked.mp4")
    folder = {f"{name}{ending}" for name in ("day 1/a", "walk") for ending in endings}
    assert set(contents(tmp_path / "out")) == folder
    meta = json.loads((tmp_path / "out" / "day 1" / "a.meta.json").read_text())
    assert meta["options"] == {"formats": ["csv"], "flip_test": False} and meta["hindrance"] is None
    (tmp_path / "in" / "empty.mp4").unlink()
    status, out, err = command(*arguments)
    assert status == 0 and "2 done with these settings" in err and "1 more from earlier runs" in err


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["nowhere", "-o", "out"], "nowhere is not a folder"),
        (["in/a.mp4", "-o", "out"], "is not a folder: give a folder of footage"),
        (["in", "-o", "in/a.mp4"], "cannot be made"),
        (["in", "-o", "out", "--workers", "-1"], "workers is -1"),
        (["in", "-o", "out", "--retries", "-1"], "retries is -1"),
        (["in", "-o", "out", "--timeout", "0"], "timeout is 0"),
        (["in", "-o", "out", "--preset", "best"], "there is no preset 'best'"),
        (["in", "-o", "out", "--device", "abacus"], "there is no device 'abacus'"),
        (["in", "-o", "out", "--device", "cuda:99"], "is not on this computer"),
        (["in", "-o", "out", "--format", "xml"], "there is no format 'xml'"),
        (["in", "-o", "out", "--threads", "-2"], "threads is -2"),
        (["in", "-o", "out", "--stride", "0"], "stride is 0"),
        (["in", "-o", "out", "--seed", "-1"], "seed is -1"),
        (["in", "-o", "out", "--threads", "1000000"], "threads is 1000000; give 1 to 1024"),
        (["in", "-o", "out", "--precision", "fp8"], "there is no precision 'fp8'"),
        (["in", "-o", "out", "--precision", "fp16", "--device", "cpu"], "precision fp16 is for GPUs"),
        (["in", "-o", "out", "--similarity", "guess"], "similarity must be one of"),
        (["in", "-o", "out", "--matching", "guess"], "matching must be one of"),
        (["", "-o", "out"], "the name of the footage folder is empty"),
        (["in", "-o", ""], "the name of the output folder is empty"),
        (["in"], "-o"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_unusable_arguments_get_one_sentence_and_status_two(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    good_clip(tmp_path / "in" / "a.mp4", 2)
    monkeypatch.chdir(tmp_path)
    status, _, err = command(*arguments)
    assert status == 2 and sentence in err and "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("kept", [False, True])
def test_networks_refused_in_workers_leave_no_new_batch_behind(
    tmp_path: Path, command: Command, kept: bool
) -> None:
    good_clip(tmp_path / "in" / "a.mp4", 2)
    if kept:
        (tmp_path / "out" / "in").mkdir(parents=True)
    status, _, err = command(
        str(tmp_path / "in"), "-o", str(tmp_path / "out" / "new"), "--pose", "detector_lite", "--workers", "1"
    )
    assert status == 2 and "are for detector, not for a pose network" in err
    assert [path.name for path in tmp_path.glob("out/**/*")] == (["in"] if kept else [])
    assert (tmp_path / "out").exists() == kept


def test_run_and_batch_share_their_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    flags = {
        name: set(re.findall(r"--[a-z-]+", in_process.posetrack(name, "--help").stdout))
        for name in ("run", "batch")
    }
    assert flags["run"] - flags["batch"] == {"--show", "--realtime"}
    own = {"--glob", "--exclude", "--dry-run", "--workers", "--retries", "--timeout"}
    assert own <= flags["batch"] - flags["run"]


def test_ctrl_c_ends_with_status_130_and_the_next_run_continues(tmp_path: Path) -> None:
    good_clip(tmp_path / "in" / "long.mp4", 600)
    running = forked.posetrack("batch", tmp_path / "in", "-o", tmp_path / "out", told=tmp_path / "told")
    while running.is_alive() and not list((tmp_path / "out").glob(".posetrack-unfinished/*/.long*")):
        time.sleep(0.05)
    os.kill(running.pid or 0, signal.SIGINT)
    running.join()
    told = (tmp_path / "told").read_text()
    assert running.exitcode == 130 and "interrupted; run it again to continue" in told and "Traceback" not in told
    assert records(tmp_path / "out")["long.mp4"].status == "pending"
    assert contents(tmp_path / "out") == {}


def test_bars_are_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from posetrack.batch.discovery import FoundClip
    from posetrack.batch.manifest import ClipRecord
    from posetrack.batch.plan import Plan, PlannedClip
    from posetrack.batch.workers import Progress

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    clips = ["[a]/1.mp4", "2\n.mp4"]
    planned = [
        PlannedClip(
            found=FoundClip(clip=clip, kind="video", path=Path(clip)),
            record=ClipRecord(clip=clip, kind="video", name="x", size=100),
            action="new",
        )
        for clip in clips
    ]
    with batch_progress() as progress:
        progress.planned(Plan(clips=tuple(planned)))
        progress.started(planned[0].record)
        progress.progressed(Progress(clips[0], 5, 10))
        progress.finished(ClipRecord(clip=clips[0], kind="video", name="x", status="done", frames=10))
        progress.started(planned[1].record)
        progress.progressed(Progress(clips[1], 50, 40))
        progress.finished(ClipRecord(clip=clips[1], kind="video", name="x", status="failed", error="[bad]"))
    told = capsys.readouterr().err
    assert "failed: 2\\n.mp4: [bad]" in re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", told)


def test_progress_counts_bytes_and_frames() -> None:
    pace = Pace(total_bytes=300, sizes={"a": 100, "b": 200}, start_s=time.monotonic() - 10)
    assert pace.share == 0 and pace.left() == "?"
    pace.running["b"] = (5, 10)
    assert pace.share == pytest.approx(1 / 3)
    assert pace.left() in ("0:20", "0:21")
    assert duration(0) == "0:00" and duration(7322) == "2:02:02"
