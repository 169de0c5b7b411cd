"""However a batch ends, the next run completes it with the same files."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from glob import glob
from pathlib import Path

import pytest

from posetrack.batch.manifest import Manifest
from posetrack.batch.names import UNFINISHED
from posetrack.runner import Outputs
from tests.batch_cases import contents, good_clip, image_folder, track
from tests.batch_script import FORMATS

ROOT = Path(__file__).parents[1]
KILLS = int(os.environ.get("POSETRACK_KILLS", "3"))
"""Number of kills; raise it for a thorough search."""
DELAY_S = 0.2
"""Longest time from a new result to the kill: about as long as a clip takes."""


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    for number in range(3):
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


def at_work(output: Path) -> list[str]:
    """Unfinished files of clips being tracked. Unlike ``Path.glob``, this may meet folders that vanish."""
    return glob(f"{UNFINISHED}/*/*", root_dir=output, include_hidden=True)


def published(output: Path, expected: dict[str, bytes]) -> dict[str, Path]:
    return {name: output / name for name in expected if (output / name).exists()}


def works_after(output: Path, expected: dict[str, bytes], results: int) -> bool:
    """Whether a batch works on a clip after it has published some results."""
    return bool(at_work(output)) and len(published(output, expected)) >= results


def wait_until(condition: Callable[[], bool], running: subprocess.Popen[bytes]) -> None:
    """Wait until the condition holds or the batch ends."""
    while running.poll() is None and not condition():
        time.sleep(0.01)


def test_killed_batches_run_again_write_the_bytes_of_an_undisturbed_run(footage: Path, tmp_path: Path) -> None:
    """The first kill comes when the batch makes its folder, the others after a random number of results."""
    track(footage, tmp_path / "undisturbed", outputs=Outputs(formats=FORMATS))
    expected = contents(tmp_path / "undisturbed")
    assert len(expected) == 25
    chance = random.Random(os.environ.get("POSETRACK_SEED", "3"))
    output, kills, rounds = tmp_path / "disturbed0", 0, 0
    while kills < KILLS:
        present = len(published(output, expected))
        enough = present + chance.randrange(max(1, len(expected) - present))
        running = begin(footage, output)
        wait_until(output.exists, running)
        if kills:
            wait_until(partial(works_after, output, expected, enough), running)
        time.sleep(chance.uniform(0, DELAY_S))
        if running.poll() is None:
            if kills % 3 == 2:
                os.killpg(running.pid, signal.SIGKILL)
            else:  # its workers notice by themselves
                running.kill()
            running.wait()
            kills += 1
            for name, path in published(output, expected).items():
                assert path.read_bytes() == expected[name], "a name is given to what is not complete"
        else:
            rounds += 1  # it finished first: start afresh elsewhere
            assert contents(output) == expected
            output = tmp_path / f"disturbed{rounds}"
    assert begin(footage, output).wait() == 0
    assert contents(output) == expected
    assert {status for _, status in statuses(output)} == {"done"}
    assert not (output / UNFINISHED).exists()


def test_workers_end_with_their_parent(footage: Path, tmp_path: Path) -> None:
    good_clip(tmp_path / "in" / "slow.mp4", 200)
    running = begin(tmp_path / "in", tmp_path / "out")
    wait_until(lambda: bool(at_work(tmp_path / "out")), running)
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
    good_clip(tmp_path / "in" / "slow.mp4", 300)
    good_clip(tmp_path / "in" / "quick.mp4")
    out = tmp_path / "out"
    running = begin(tmp_path / "in", out)
    done = ("quick.mp4", "done")
    wait_until(lambda: (out / "quick.json").exists() and done in statuses(out) and bool(at_work(out)), running)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    assert running.wait(30) == 0
    assert dict(statuses(out)) == {"quick.mp4": "done", "slow.mp4": "pending"}
    assert sorted(contents(out)) == [
        f"quick{end}" for end in (".csv", ".json", ".meta.json", ".tracks", "_tracked.mp4")
    ]
