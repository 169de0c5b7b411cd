"""The benchmark for GPUs works; here on the processor, where its figures mean nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from posetrack.models.pose_weights import PoseArchitecture
from tests.in_process import script

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return script(SCRIPT, *arguments, https_proxy="http://127.0.0.1:9")


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """Of frames in memory."""
    done = run(
        "--device", "cpu", "--quick", "--json", "--people", "2", "--people", "3", "--batch", "1", "--batch", "2"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_compares_both_ways_and_they_find_the_same_joints(figures: dict[str, Any]) -> None:
    rows = figures["rows"]
    assert [(row["people"], row["way"], row["precision"], row["batch"]) for row in rows] == [
        (people, way, "fp32", batch)
        for people in (2, 3)
        for way, batch in (("official", 1), ("ours", 1), ("ours", 2))
    ]
    assert all(row["frames_per_s"] > 0 and row["memory_mib"] is None for row in rows)
    assert rows[0]["times_official"] == 1 and all(row["agreement"] == 1 for row in rows)
    assert all(set(row["stages_ms"]) == {"decode", "flow", "detect", "propagate", "pose", "link"} for row in rows)
    assert len(figures["verdicts"]) == 2 and "without decoding, drawing and encoding" in figures["verdicts"][0]


def test_the_floors_are_the_networks_arithmetic_and_the_copies_at_the_speeds_measured(
    figures: dict[str, Any],
) -> None:
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        PoseArchitecture(width=64, height=96).build().eval()(torch.zeros(1, 3, 96, 64))
    for row in figures["rows"]:
        operations = 2 * row["people"] * counter.get_total_flops()  # mirror images as well
        expected_ms = 1000 * operations / (1e12 * figures["speeds"]["tflops"]["fp32"])
        assert row["pose"]["arithmetic_floor_ms"] == pytest.approx(expected_ms)
        assert row["pose"]["copy_floor_ms"] is None, "a processor copies nothing"
        assert set(row["pose"]["alone_ms"]) == (
            set() if row["way"] == "official" else {"crops", "network", "joints"}
        )


def test_end_to_end_it_goes_from_a_video_file_to_an_annotated_one() -> None:
    done = run("--device", "cpu", "--quick", "--end-to-end", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    for row in figures["rows"]:
        assert {"decode", "flow", "pose", "link", "video", "files", "finish"} <= set(row["stages_ms"])
        assert row["tracked"] == row["people"] == 3, "everybody is followed and drawn"
    assert "320x180, 3 people, end to end, fp32, batch 2: at least 10 times the official" in figures["verdicts"][0]
    assert figures["verdicts"][0].endswith("Meant for GPUs: this was a processor.")


def test_flow_by_a_network_goes_too_and_a_table_is_printed() -> None:
    done = run("--device", "cpu", "--quick", "--size", "160x128", "--flow", "raft_small")
    assert done.returncode == 0, done.stderr
    for words in ("flow raft_small", "Where time goes, ms a frame.", "no copy floor", "above 60 frames/s:"):
        assert words in " ".join(done.stdout.split())


def test_an_unknown_flow_is_one_sentence() -> None:
    done = run("--device", "cpu", "--quick", "--flow", "magic")
    assert done.returncode == 1
    assert done.stderr.startswith("gpu.py: there is no flow 'magic'; choose one of dis, ")


def test_a_device_that_is_not_here_is_one_sentence() -> None:
    done = run("--device", "cuda:99", "--quick")
    assert done.returncode == 1
    assert done.stderr == "gpu.py: device 'cuda:99' is not on this computer; --device auto uses what there is.\n"
