"""The One-Euro filter: like the published one, and only looking back."""

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Self

import numpy as np
import pandas
import pytest

from posetrack.errors import ConfigError
from posetrack.realtime import RealtimeReport
from posetrack.refine.files import read_clip
from posetrack.refine.one_euro import OneEuro, filtered, smoothed
from posetrack.refine.smoothing import Smoothing, smooth
from posetrack.skeletons import POSETRACK
from posetrack.stages import FrameSource, SourceInfo
from posetrack.stopwatch import Stopwatch
from posetrack.types import UNLINKED, Frame, Poses
from tests.in_process import posetrack
from tests.refine_clips import clip_of, line, walker
from tests.video_clips import grey_clip

JOINTS = len(POSETRACK)


def published(values: list[float], times: list[float], min_cutoff: float, beta: float) -> list[float]:
    """One coordinate, as the paper's pseudocode has it."""

    def alpha(cutoff: float, rate: float) -> float:
        return 1 / (1 + rate / (2 * math.pi * cutoff))

    result, speed = [values[0]], 0.0
    for value, before, now in zip(values[1:], times[:-1], times[1:], strict=True):
        rate = 1 / (now - before)
        share = alpha(1.0, rate)
        speed = share * (value - result[-1]) * rate + (1 - share) * speed
        share = alpha(min_cutoff + beta * abs(speed), rate)
        result.append(share * value + (1 - share) * result[-1])
    return result


def stream(track_id: int = 3, missing: tuple[int, ...] = (), count: int = 40) -> list[tuple[Frame, Poses]]:
    """Somebody who stands, whose joints jitter."""
    random = np.random.default_rng(0)
    results = []
    for index in range(count):
        joints = 100 + random.normal(0, 3, (1, JOINTS, 2))
        scores = np.zeros((1, JOINTS)) if index in missing else np.full((1, JOINTS), 0.9)
        poses = Poses(np.zeros((1, 4)), np.ones(1), joints, scores, np.array([track_id]), POSETRACK)
        results.append((Frame(index, index / 25, np.zeros((2, 2, 3), np.uint8)), poses))
    return results


def test_one_coordinate_is_filtered_as_published() -> None:
    random = np.random.default_rng(0)
    times = np.cumsum(random.uniform(0.02, 0.06, 60))
    values = 40 * np.sin(3 * times) + random.normal(0, 2, 60)
    points = np.stack([values, np.zeros(60)], axis=1)[:, None]
    ours = filtered(points, times, np.zeros(59, dtype=bool), OneEuro(min_cutoff_hz=0.5, beta=0.02))
    assert ours[:, 0, 0].tolist() == pytest.approx(published(values.tolist(), times.tolist(), 0.5, 0.02))


def test_what_comes_later_changes_nothing() -> None:
    track = walker(1, line((100, 400), (100, 0), 60))
    noisy = track.replace(joints=track.joints + np.random.default_rng(0).normal(0, 2, track.joints.shape))
    how, clip = Smoothing.parse("one-euro"), clip_of(track)
    whole, start = smooth(noisy, clip, how), smooth(noisy[:30], clip, how)
    assert np.array_equal(whole.joints[:30], start.joints, equal_nan=True)
    assert np.array_equal(whole.raw, noisy.raw, equal_nan=True)


def test_jitter_goes_and_a_lower_cutoff_takes_more_of_it() -> None:
    jitter = []
    for how in (OneEuro(), OneEuro(min_cutoff_hz=0.3)):
        joints = np.array([poses.keypoints[0, 0, 0] for _, poses in smoothed(stream(), how)])
        jitter.append(np.abs(np.diff(joints, 2)).mean())
    raw = np.abs(np.diff([poses.keypoints[0, 0, 0] for _, poses in stream()], 2)).mean()
    assert jitter[1] < jitter[0] / 2 < raw / 4


def test_a_stream_gives_what_the_whole_track_gives() -> None:
    online = np.array([poses.keypoints[0] for _, poses in smoothed(stream())])
    joints = np.array([poses.keypoints[0] for _, poses in stream()], dtype=np.float64)
    whole = filtered(joints, np.arange(40) / 25, np.zeros(39, dtype=bool), OneEuro())
    assert np.allclose(online, whole, atol=1e-3)


def test_joints_that_were_missing_and_people_who_were_lost_start_anew() -> None:
    raw = stream(missing=(10,))
    results = list(smoothed(raw))
    assert np.array_equal(results[10][1].keypoints, raw[10][1].keypoints)
    assert np.array_equal(results[11][1].keypoints, raw[11][1].keypoints)
    lost = raw[:5] + raw[25:]
    assert np.array_equal(list(smoothed(lost))[5][1].keypoints, raw[25][1].keypoints)
    nobody = stream(track_id=UNLINKED)
    assert all(
        np.array_equal(a[1].keypoints, b[1].keypoints) for a, b in zip(smoothed(nobody), nobody, strict=True)
    )


class JitteringTracker:
    """Somebody who stands and jitters. Real time is what the source says."""

    def __init__(self) -> None:
        self.stopwatch, self.made_with = Stopwatch(), {"preset": {"name": "jittering"}}

    def track(self, source: FrameSource, realtime: RealtimeReport | None = None) -> Iterator[tuple[Frame, Poses]]:
        for frame, (_, poses) in zip(source, stream(), strict=False):
            yield frame, poses


class Camera:
    """A camera of 25 frames a second that is closed after two seconds."""

    info = SourceInfo(name="camera0", width=160, height=120, fps=Fraction(25), frame_count=None, path=None)
    incomplete = None

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        for frame, _ in stream():
            yield replace(frame, image=np.zeros((120, 160, 3), np.uint8))


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posetrack.pose_tracker.PoseTracker", lambda *_, **__: JitteringTracker())


def keypoints(table: Path) -> np.ndarray:
    """[frames, joints, 2] of the joints that tables list."""
    data = pandas.read_csv(table)
    return data[["x", "y"]].to_numpy().reshape(data["frame"].nunique(), -1, 2)


def expected(how: OneEuro) -> np.ndarray:
    return np.array([poses.keypoints[0, POSETRACK.in_use] for _, poses in smoothed(stream(), how)])


@pytest.mark.usefixtures("stubbed")
@pytest.mark.parametrize(("option", "how"), [("one-euro", OneEuro()), ("one-euro:2Hz", OneEuro(min_cutoff_hz=2))])
def test_a_run_in_real_time_is_smoothed_as_it_goes_but_what_was_seen_is_kept_as_seen(
    tmp_path: Path, option: str, how: OneEuro
) -> None:
    clip = grey_clip(tmp_path / "clip.mp4", 40, rate="25")
    done = posetrack("run", clip, "-o", tmp_path, "--realtime", "--smooth", option, "-f", "csv", "--no-video")
    assert done.returncode == 0, done.stderr
    assert np.allclose(keypoints(tmp_path / "clip.csv"), expected(how), atol=0.01)
    (track,) = read_clip(tmp_path / "clip.tracks").tracks
    raw = np.array([poses.keypoints[0] for _, poses in stream()])
    assert np.allclose(track.joints, raw, atol=1 / 32, equal_nan=True)


@pytest.mark.usefixtures("stubbed")
def test_a_camera_is_smoothed_as_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posetrack.runner.tracking.open_source", lambda *_: Camera())
    done = posetrack("run", "0", "-o", tmp_path, "--smooth", "one-euro", "-f", "csv", "--no-video")
    assert done.returncode == 0, done.stderr
    assert np.allclose(keypoints(tmp_path / "camera0.csv"), expected(OneEuro()), atol=0.01)
    done = posetrack("run", "0", "-o", tmp_path / "no", "--smooth", "savgol:0.3s")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "0 is tracked frame by frame" in done.stderr and "smooth with one-euro" in done.stderr
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--realtime", "--smooth", "butterworth:6Hz"), "leave out --smooth, smooth with one-euro, or refine"),
        (
            ("--realtime", "--smooth", "one-euro", "--people", "2", "--max-fill", "2s"),
            "--realtime skips the second pass: leave out --max-fill and --people, or refine",
        ),
        (("--realtime", "--smooth", "one-euro:13Hz"), "more than 26 frames per second, and the clip has 25"),
        (
            ("--online", "--smooth", "one-euro"),
            "--online skips the second pass: leave out --smooth, or refine",
        ),
    ],
)
@pytest.mark.usefixtures("stubbed")
def test_what_needs_a_second_pass_is_refused_without_one(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    clip = grey_clip(tmp_path / "clip.mp4", 5, rate="25")
    done = posetrack("run", clip, "-o", tmp_path / "out", *options)
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_settings_out_of_range_are_refused() -> None:
    assert Smoothing.parse("one-euro:2Hz").cutoff_hz == 2
    with pytest.raises(ConfigError, match="min_cutoff_hz"):
        OneEuro(min_cutoff_hz=0)
    with pytest.raises(ConfigError, match="beta"):
        OneEuro(beta=-1)
