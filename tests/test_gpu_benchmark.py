"""The benchmark for GPUs works; here on the processor, where its figures mean nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "https_proxy": "http://127.0.0.1:9", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_it_compares_both_ways_and_they_find_the_same_joints() -> None:
    done = run("--device", "cpu", "--quick", "--json", "--precision", "fp32", "--batch", "1", "--batch", "2")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [(row["way"], row["precision"], row["batch"]) for row in rows] == [
        ("official", "fp32", 1), ("ours", "fp32", 1), ("ours", "fp32", 2),
    ]  # fmt: skip
    assert all(row["frames_per_s"] > 0 and row["memory_mib"] is None for row in rows)
    assert rows[0]["times_official"] == 1 and all(row["agreement"] == 1 for row in rows)


def test_a_device_that_is_not_here_is_one_sentence() -> None:
    done = run("--device", "cuda:99", "--quick")
    assert done.returncode == 1
    assert done.stderr == "gpu.py: device 'cuda:99' is not on this computer; --device auto takes what there is.\n"
