"""Frame rates of files that hold no times: those of the camera, however the source's times were rounded."""

from __future__ import annotations

from pathlib import Path

import ezc3d
import numpy as np
import pandas
import pytest

from posetrack.formats.rates import frame_rate
from tests.in_process import posetrack

NTSC = 30_000 / 1001
MICROSECONDS, MILLISECONDS = 6, 3
LEG = ("right_hip", "left_hip", "left_knee", "left_ankle")


def table(path: Path, times: np.ndarray, missing: slice = slice(0), joints: tuple[str, ...] = LEG) -> Path:
    """A person, who is not there in some frames."""
    frames = np.delete(np.arange(len(times)), missing)
    number = np.repeat(frames, len(joints))
    rows = {
        "clip": "street", "frame": number, "time_s": times[number], "person": 0, "person_score": 0.9,
        "joint": list(joints) * len(frames), "x": 100.0, "y": 10.0 * (number % 7), "score": 0.9,
    }  # fmt: skip
    pandas.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("digits", [MICROSECONDS, MILLISECONDS])
@pytest.mark.parametrize("fps", [60, 2 * NTSC, NTSC, 24_000 / 1001, 25, 120])
def test_rounded_times_leave_the_rate_as_it_is(tmp_path: Path, fps: float, digits: int) -> None:
    source = table(tmp_path / "street.csv", (np.arange(100) / fps + 0.5).round(digits), missing=slice(40, 47))
    for form in ("c3d", "bvh", "trc"):
        done = posetrack("convert", source, tmp_path / f"street.{form}")
        assert done.returncode == 0 and "Uneven" not in done.stdout + done.stderr, done.stderr
    assert ezc3d.c3d(str(tmp_path / "street.c3d"))["parameters"]["POINT"]["RATE"]["value"][0] == np.float32(fps)
    [skeleton] = tmp_path.glob("*.bvh")
    assert f"Frame Time: {1 / fps:.8f}" in skeleton.read_text().splitlines()
    stated = (tmp_path / "street.trc").read_text().splitlines()[2].split("\t")[0]
    assert stated == f"{fps:.6g}"


def test_times_of_a_long_clip_are_no_uneven_ones(tmp_path: Path) -> None:
    """The median of rounded times is off by half a frame after 25,000 frames."""
    times = (np.arange(27_000) / 60).round(MICROSECONDS)
    done = posetrack("convert", table(tmp_path / "a.csv", times, joints=("nose",)), tmp_path / "a.c3d")
    assert done.returncode == 0 and "Uneven" not in done.stdout + done.stderr


@pytest.mark.parametrize("count", [10_000, 30_000])
@pytest.mark.parametrize(
    ("fps", "ticks"), [(60, 1e6), (59.94, 1e6), (NTSC, 1e3), (2 * NTSC, 90_000), (23.5, 1e6), (59.98, 1e6)]
)
def test_a_rate_is_taken_for_a_common_one_only_within_the_rounding(fps: float, ticks: float, count: int) -> None:
    assert frame_rate(np.rint(np.arange(count) / fps * ticks) / ticks) == pytest.approx(fps, rel=1e-7)
