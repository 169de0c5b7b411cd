"""The One-Euro filter: like the published one, and only looking back."""

import math

import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.refine.one_euro import OneEuro, filtered, smoothed
from posetrack.refine.smoothing import Smoothing, smooth
from posetrack.skeletons import POSETRACK
from posetrack.types import UNLINKED, Frame, Poses
from tests.refine_clips import clip_of, line, walker

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


def test_settings_out_of_range_are_refused() -> None:
    assert Smoothing.parse("one-euro:2Hz").cutoff_hz == 2
    with pytest.raises(ConfigError, match="min_cutoff_hz"):
        OneEuro(min_cutoff_hz=0)
    with pytest.raises(ConfigError, match="beta"):
        OneEuro(beta=-1)
