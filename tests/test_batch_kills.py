"""However a batch ends, the next run completes it with the same files."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from posetrack.batch.manifest import Manifest
from posetrack.batch.names import UNFINISHED
from tests.batch_cases import contents, good_clip, image_folder

ROOT = Path(__file__).parents[1]
KILLS = int(os.environ.get("POSETRACK_KILLS", "5"))
"""Number of kills; raise it for a thorough search."""


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    for number in range(4):
        good_clip(folder / f"day{number % 2}" / f"clip{number}.mp4", 8 + number)
    good_clip(folder / "day0" / "clip0.avi")
    image_folder(folder / "images")
    return folder


def begin(footage: Path, output: Path) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "tests.batch_script", str(footage), str(output)]
    return subprocess.Popen(line, cwd=ROOT, start_new_session=True)


def statuses(output: Path) -> list[tuple[str, str]]:
    with Manifest.open(output) as manifest:
        return [(record.clip, record.status) for record in manifest.clips()]


def begun(running: subprocess.Popen[bytes], output: Path) -> bool:
    """Wait until a batch works on a clip. False if it ends first."""
    before = set(output.glob(f"{UNFINISHED}/*/*"))
    while running.poll() is None:
        if set(output.glob(f"{UNFINISHED}/*/*")) - before:
            return True
        time.sleep(0.02)
    return False


def test_killed_batches_run_again_write_the_bytes_of_an_undisturbed_run(footage: Path, tmp_path: Path) -> None:
    """The first kill comes while the batch starts, the others, more telling, while it works."""
    start = time.monotonic()
    running = begin(footage, tmp_path / "undisturbed")
    assert begun(running, tmp_path / "undisturbed")
    starting_s, start = time.monotonic() - start, time.monotonic()
    assert running.wait() == 0
    working_s = time.monotonic() - start
    expected = contents(tmp_path / "undisturbed")
    assert len(expected) == 24
    chance = random.Random(os.environ.get("POSETRACK_SEED", "3"))
    output, kills, rounds = tmp_path / "disturbed0", 0, 0
    while kills < KILLS:
        running = begin(footage, output)
        span_s = starting_s
        if kills and begun(running, output):
            span_s = working_s
        try:
            running.wait(chance.uniform(0.1, 0.9) * span_s)
            rounds += 1  # it finished first: start afresh elsewhere
            assert contents(output) == expected
            output = tmp_path / f"disturbed{rounds}"
        except subprocess.TimeoutExpired:
            if kills % 4:
                os.killpg(running.pid, signal.SIGKILL)
            else:  # its workers notice by themselves
                running.kill()
            running.wait()
            kills += 1
            whole = {name: data for name, data in contents(output).items() if not name.startswith(UNFINISHED)}
            assert whole.items() <= expected.items(), "a name is given to what is not complete"
    assert begin(footage, output).wait() == 0
    assert contents(output) == expected
    assert {status for _, status in statuses(output)} == {"done"}
    assert not (output / UNFINISHED).exists()


def test_workers_end_with_their_parent(footage: Path, tmp_path: Path) -> None:
    good_clip(tmp_path / "in" / "slow.mp4", 200)
    running = begin(tmp_path / "in", tmp_path / "out")
    while not list((tmp_path / "out").glob(f"{UNFINISHED}/*/*")):
        time.sleep(0.05)
    lists = Path(f"/proc/{running.pid}/task").glob("*/children")
    workers = [int(word) for path in lists for word in path.read_text().split()]
    assert workers
    running.kill()  # only the parent
    running.wait()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_ctrl_c_leaves_unfinished_clips_for_the_next_run(tmp_path: Path) -> None:
    good_clip(tmp_path / "in" / "slow.mp4", 200)
    good_clip(tmp_path / "in" / "quick.mp4", 300)
    running = begin(tmp_path / "in", tmp_path / "out")
    done = ("quick.mp4", "done")
    while not (tmp_path / "out" / "quick.json").exists() or done not in statuses(tmp_path / "out"):
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    assert running.wait(30) == 0
    assert dict(statuses(tmp_path / "out")) == {"quick.mp4": "done", "slow.mp4": "pending"}
    assert sorted(contents(tmp_path / "out")) == ["quick.csv", "quick.json", "quick.tracks", "quick_tracked.mp4"]
