"""The command line's output to broken or limited streams, with hostile names, and when interrupted."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import pytest

import posetrack
from posetrack.cli import start
from posetrack.cli.main import main
from posetrack.cli.output import answer_json, console, readable
from posetrack.cli.start import interrupting_signals
from posetrack.errors import is_out_of_memory
from posetrack.runner import Outputs, RunSummary
from posetrack.stages import FrameSource, SourceInfo
from posetrack.types import Frame, Poses
from tests.batch_cases import StubTracker, good_clip

CLI = Path(posetrack.__file__).parent / "cli"
ESCAPES = "\x1b]0;title\x07\x1b[31m\u202e\u2066\x9b\r\n\x7f.mp4"


def posetrack_command(
    *arguments: str | Path, shell: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run in a shell, with ``shell`` appended to the command."""
    line = '"$0" -m posetrack "$@" ' + shell
    return subprocess.run(
        ["bash", "-c", line, sys.executable, *map(str, arguments)],
        capture_output=True, text=True, env={**os.environ, **settings},
    )  # fmt: skip


def called(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["posetrack", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_all_output_goes_through_one_module() -> None:
    for path in CLI.glob("*.py"):
        if path.name != "output.py":
            assert not re.search(r"\bprint\(|\bConsole\(|sys\.std", re.sub(r"\.print\(", "", path.read_text())), (
                path
            )


# --- streams


def full() -> TextIO:
    return open("/dev/full", "w")


def closed_pipe() -> TextIO:
    reading, writing = os.pipe()
    os.close(reading)
    return open(writing, "w")


def ascii_only() -> TextIO:
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")


@pytest.mark.parametrize("stream", [full, closed_pipe, ascii_only])
def test_broken_output_streams_affect_neither_files_nor_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    stream: Callable[[], TextIO],
) -> None:
    monkeypatch.setattr("posetrack.pose_tracker.PoseTracker", lambda *_, **__: StubTracker())
    clip = good_clip(tmp_path / "ü.mp4", 3)
    with stream() as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert called(monkeypatch, "run", clip, "-o", tmp_path / "out") == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["ü.json", "ü.meta.json", "ü.tracks", "ü_tracked.mp4"]
    told = capfd.readouterr().err
    assert told == (
        "posetrack: standard output could not be written (No space left on device).\n" if stream is full else ""
    )


def test_progress_that_cannot_be_shown_does_not_stop_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.batch_cases import stub_tracker

    monkeypatch.setattr(
        "posetrack.batch.tasks.PresetTracker.__call__", lambda self, compute: stub_tracker(compute)
    )
    good_clip(tmp_path / "in" / "a.mp4", 3)
    from tests.batch_cases import InlineWorkers

    monkeypatch.setattr("posetrack.batch.coordinator._local_workers", lambda config: InlineWorkers())
    with full() as out:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", out)
        assert called(monkeypatch, "batch", tmp_path / "in", "-o", tmp_path / "out", "--no-video") == 0
    assert (tmp_path / "out" / "a.json").exists() and (tmp_path / "out" / "index.html").exists()


def test_a_lost_answer_is_an_error_and_a_closed_pipe_is_not(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for stream, status, told in (
        (
            full,
            2,
            "posetrack: standard output cannot be written (No space left on device); send it elsewhere.\n",
        ),
        (closed_pipe, 0, ""),
        (lambda: None, 0, ""),
    ):
        for line in (["models", "list"], ["models", "path"], ["--version"], ["models", "list", "--json"]):
            monkeypatch.setattr(sys, "stdout", stream())
            assert called(monkeypatch, *line) == status
            assert capfd.readouterr().err == told


def test_json_output_is_valid_in_every_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    out = ascii_only()
    monkeypatch.setattr(sys, "stdout", out)
    answer_json('{"name": "ü\u202e😀\x7f"}'.encode())
    assert out.buffer.getvalue() == b'{"name": "\\u00fc\\u202e\\ud83d\\ude00\\u007f"}\n'  # type: ignore[attr-defined]


def test_real_processes_with_closed_full_and_ended_streams() -> None:
    assert posetrack_command("models", "path", shell=">&- 2>&-").returncode == 0
    done = posetrack_command("--version", shell=">/dev/full")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    done = posetrack_command("models", "list", shell='| true; exit "${PIPESTATUS[0]}"')
    assert (done.returncode, done.stderr) == (0, "")
    done = posetrack_command("run", "nowhere ü\x1b[2J", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 2 and "nowhere \\xfc\\x1b[2J" in done.stderr and done.stderr.count("\n") == 1


def test_files_opened_later_do_not_replace_closed_streams(tmp_path: Path) -> None:
    code = (
        "from posetrack.cli import start; start._open_standard_streams(); "
        f"file = open({str(tmp_path / 'precious')!r}, 'w'); assert file.fileno() > 2, file.fileno()"
    )
    done = subprocess.run(["bash", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, code])
    assert done.returncode == 0


# --- names


def test_readable_text_contains_no_control_characters() -> None:
    assert readable(ESCAPES).isprintable() and readable(ESCAPES).count("\\") == 9
    assert readable("\udc80 ü\u200b\xad") == "\\udc80 ü\\u200b\\xad"
    assert readable("plain, ü 人.mp4") == "plain, ü 人.mp4"


@pytest.mark.parametrize(
    "line",
    [
        ["run", ESCAPES], ["run", "ok", "--flow", ESCAPES], ["run", "ok", f"--{ESCAPES}"],
        ["batch", ESCAPES, "-o", "x"],
        ["eval", ESCAPES, ESCAPES], ["convert", ESCAPES, "x", "--to", "mot"], ["report", ESCAPES], [ESCAPES],
        ["models", "path", ESCAPES], ["models", "download", ESCAPES], ["models", "import", "raft_small", ESCAPES],
        ["benchmark", "posetrack18", ESCAPES], ["models", "path", "--models-dir", ESCAPES],
        ["models", "list", "--models-dir", ESCAPES], ["train", "pose", ESCAPES, "-o", "x"],
        ["models", "export", ESCAPES], ["batch", ".", "-o", ESCAPES, "--dry-run"],
    ],
    ids=lambda line: " ".join(line).replace(ESCAPES, "NAME"),
)  # fmt: skip
def test_every_command_escapes_the_names_it_prints(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ESCAPES).touch()
    called(monkeypatch, *line)
    told = capfd.readouterr()
    assert all(part.isprintable() for part in (told.out + told.err).split("\n"))
    assert "\\x1b" in told.out + told.err and "Traceback" not in told.err


def test_tables_show_names_that_look_like_markup_and_escapes(capfd: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    table = Table()
    table.add_row("[red]a[/b]", "\x1b[31m", ":smile:")
    console().print(table)
    told = capfd.readouterr().out
    assert "[red]a[/b]" in told and "\\x1b[31m" in told and ":smile:" in told and "\x1b" not in told


# --- ends


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_the_start_ends_with_status_130(number: signal.Signals) -> None:
    """During the first large import, as nearly as can be timed."""
    code = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            print("importing", flush=True)
            import time
            time.sleep(30)
sys.meta_path.insert(0, Finder())
from posetrack.cli.start import main
main()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"importing\n"
        started.send_signal(number)
        _, told = started.communicate(timeout=20)
    assert (started.returncode, told) == (start.INTERRUPTED, b"posetrack: interrupted.\n")


def test_signals_raise_during_work_but_not_in_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "importing_slowly.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nwhole = sum(range(10))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interrupting_signals():
        import importing_slowly  # type: ignore[import-not-found]

        assert importing_slowly.whole == 45
        time.sleep(30)
    assert "importing_slowly" in sys.modules and signal.getsignal(signal.SIGTERM) is before


class Stalling(StubTracker):
    """A tracker whose source sends nothing after three frames."""

    def track(self, source: FrameSource) -> Iterator[tuple[Frame, Poses]]:
        for number, result in enumerate(super().track(source)):
            if number == 3:
                threading.Event().wait(60)
            yield result


def test_one_ctrl_c_ends_a_run_with_a_stalled_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(info: SourceInfo, summary: RunSummary) -> None:
        if summary.frames == 3:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    monkeypatch.setattr("posetrack.runner.tracking._PATIENCE_S", 0.2)
    clip, began_s = good_clip(tmp_path / "a.mp4", 9), time.monotonic()
    summary = posetrack.run(
        clip, tmp_path / "out", tracker=lambda: Stalling(), outputs=Outputs(video=False), observer=press  # type: ignore[arg-type, return-value]
    )  # fmt: skip
    assert summary.interrupted and summary.frames == 3 and time.monotonic() - began_s < 20
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.json", "a.meta.json", "a.tracks"]


def test_one_ctrl_c_ends_the_wait_for_a_silent_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posetrack.runner.tracking._PATIENCE_S", 0.2)
    # A worker of a parallel test run ignores the signal.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    with ExitStack() as after, socket.create_server(("127.0.0.1", 0)) as server:
        after.callback(signal.signal, signal.SIGINT, usual)
        url, began_s = f"http://127.0.0.1:{server.getsockname()[1]}/a.mp4", time.monotonic()
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            posetrack.run(url, tmp_path / "out")
    assert time.monotonic() - began_s < 10 and not (tmp_path / "out").exists()


# --- memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried ..."
        ),
        RuntimeError("std::bad_alloc"),
        RuntimeError("can't start new thread"),
        OSError(12, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object: Cannot allocate memory"),
        RuntimeError(
            "OpenCV(4.13.0) error: (-4:Insufficient memory) Failed to allocate 99 bytes in OutOfMemoryError"
        ),
    ],
)
def test_lack_of_memory_is_reported_in_a_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("another one") from error

    assert is_out_of_memory(error)
    monkeypatch.setattr("posetrack.zoo.ModelStore", failing)
    assert called(monkeypatch, "models", "list") == 2
    told = capsys.readouterr().err
    assert told.startswith("posetrack: there is not enough memory") and told.count("\n") == 1


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("shapes differ")) and not is_out_of_memory(
        FileNotFoundError(2, "gone")
    )


def test_a_memory_limit_too_small_to_start_is_reported_in_a_sentence() -> None:
    line = f"ulimit -v 120000; '{sys.executable}' -m posetrack models path"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == ("posetrack: there is not enough memory: raise the limit (ulimit -v) of 120000 KiB.\n")
