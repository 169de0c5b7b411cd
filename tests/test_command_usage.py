"""Wrong arguments on the command line: one sentence, exit status 2."""

import subprocess
import sys
from pathlib import Path

import pytest

from posetrack.cli.main import main


def posetrack(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "posetrack", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run"], "source"),
        (["run", "a.mp4", "b.mp4"], "b.mp4"),
        (["run", "a.mp4", "--stride", "fast"], "--stride"),
        (["run", "a.mp4", "--no-such-option"], "--no-such-option"),
        (["walk", "a.mp4"], "walk"),
        (["train"], "command"),
        (["train", "pose"], "config"),
        (["eval", "truth"], "predictions"),
    ],
)
def test_wrong_arguments_are_reported_in_one_sentence(arguments: list[str], named: str) -> None:
    done = posetrack(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("posetrack: ")
    assert named in done.stderr
    assert "--help`" in done.stderr


def test_without_arguments_the_help_is_shown() -> None:
    done = posetrack()
    assert done.returncode == 2
    assert "run" in done.stdout
    assert "Track the people in a video" in done.stdout
    assert done.stderr == ""


def test_help_and_version_succeed() -> None:
    assert posetrack("--help").returncode == 0
    assert posetrack("run", "--help").returncode == 0
    assert posetrack("--version").stdout.startswith("posetrack ")


def test_ctrl_c_before_a_command_starts_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("posetrack.runner.run", interrupted)
    monkeypatch.setattr("posetrack.zoo.ModelStore", interrupted)
    for line in (["run", "clip.mp4"], ["models", "list"]):
        monkeypatch.setattr(sys, "argv", ["posetrack", *line])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 130
        assert capsys.readouterr().err.strip() == "posetrack: interrupted."
