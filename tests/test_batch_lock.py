"""One batch at a time in an output folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from posetrack.batch.lock import locked
from posetrack.errors import OutputError

HOLD = """
import pathlib, sys
from posetrack.batch.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "manifest.lock"
    line = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        with pytest.raises(OutputError, match=f"Another posetrack batch is writing to {tmp_path}"), locked(lock):
            pass
        holder.kill()
        holder.wait()
        with locked(lock):
            pass


def test_a_lock_excludes_this_process_too_until_its_block_ends(tmp_path: Path) -> None:
    lock = tmp_path / "manifest.lock"
    with pytest.raises(KeyError), locked(lock):
        with pytest.raises(OutputError, match="Another posetrack batch"), locked(lock):
            pass
        raise KeyError
    with locked(lock):
        pass


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_lock_that_is_not_a_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    lock = tmp_path / "manifest.lock"
    if kind == "folder":
        lock.mkdir()
    else:
        lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="manifest.lock is not a regular file"), locked(lock):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that even root cannot write to")
def test_a_folder_that_cannot_be_written_is_named() -> None:
    sentence = r"Cannot write to /sys/kernel \(Permission denied\): check permissions and disk"
    with pytest.raises(OutputError, match=sentence), locked(Path("/sys/kernel/manifest.lock")):
        pass
