"""What the second pass says of its own results: how sure identities are, and how far joints may be off."""

import numpy as np
import pytest

from posetrack.refine.clip import FILLED, SEEN, Clip, Track
from posetrack.refine.errors import with_error_bars
from posetrack.refine.second_pass import RefineConfig, refine_clip
from posetrack.refine.smoothing import Smoothing
from posetrack.skeletons import POSETRACK
from tests.refine_clips import clip_of, line, walker

WRIST = POSETRACK.index("left_wrist")


def refined(*tracks: Track, smooth: str = "kalman", **about: object) -> Clip:
    return refine_clip(clip_of(*tracks, **about), RefineConfig(smoothing=Smoothing.parse(smooth)))  # type: ignore[arg-type]


def barred(track: Track, clip: Clip) -> np.ndarray:
    sds = with_error_bars(track, clip).sds
    assert sds is not None
    return sds


def test_every_joint_that_is_there_has_an_error_bar_and_no_other() -> None:
    (track,) = refined(walker(1, line((100, 400), (100, 0), 60))[np.r_[0:20, 30:60]]).tracks
    assert track.sds is not None
    assert np.array_equal(np.isnan(track.sds), ~track.present) and (track.origins == FILLED).any()
    assert (track.sds[track.present] > 0).all()


def test_error_bars_shrink_with_the_score_and_grow_with_the_person() -> None:
    feet = line((100, 400), (100, 0), 60)
    bars = [barred(walker(1, feet, score=score), clip_of(walker(1, feet))) for score in (0.3, 0.6, 0.9)]
    assert bars[0][30, WRIST] > 1.5 * bars[1][30, WRIST] > 2 * bars[2][30, WRIST]
    large = walker(1, feet, score=0.6, height=400)
    assert barred(large, clip_of(large))[30, WRIST] == pytest.approx(2 * bars[1][30, WRIST], rel=0.1)


def test_error_bars_grow_with_the_scatter_about_the_path() -> None:
    track = walker(1, line((100, 400), (100, 0), 60))
    raw = track.raw.copy()
    raw[:, WRIST, 0] += 12 * (-1) ** np.arange(60)
    noisy = barred(track.replace(raw=raw), clip_of(track))
    assert noisy[30, WRIST] > 1.5 * barred(track, clip_of(track))[30, WRIST]
    assert noisy[30, WRIST + 1] == barred(track, clip_of(track))[30, WRIST + 1]


def test_error_bars_grow_towards_the_middle_of_a_gap_and_with_its_length() -> None:
    track = walker(1, line((100, 400), (100, 0), 100))
    long, short = (refined(track[np.r_[0:40, end:100]]).tracks[0] for end in (64, 46))
    assert long.sds is not None and short.sds is not None
    bars = long.sds[38:66, WRIST]
    assert (np.diff(bars[1:14]) > 0).all() and (np.diff(bars[15:-1]) < 0).all()
    assert bars.max() > 2 * short.sds[42, WRIST] > 2 * short.sds[30, WRIST] / 2


def test_nine_in_ten_intervals_hold_the_truth() -> None:
    """Joints as a network with calibrated scores gives them: most are near, some are far off."""
    random = np.random.default_rng(0)
    truth = walker(1, line((100, 400), (80, 0), 500))
    score = np.where(truth.present, random.uniform(0.4, 0.98, truth.present.shape), 0)
    size = 212
    off = np.where(random.random(score.shape) < score, 0.01, 0.08)[..., None] * size
    seen = truth.joints + random.normal(0, 1, truth.joints.shape) * off
    (track,) = refined(truth.replace(joints=seen, raw=seen.copy(), joint_scores=score), smooth="none").tracks
    assert track.sds is not None
    rows = np.searchsorted(truth.frames, track.frames)
    inside = np.abs(track.joints - truth.joints[rows]) < 1.645 * track.sds[..., None]
    assert 0.85 <= inside[track.origins == SEEN].mean() <= 0.97


def test_somebody_alone_is_surely_the_same_person() -> None:
    (track,) = refined(walker(1, line((100, 400), (100, 0), 60))[np.r_[0:20, 30:60]]).tracks
    assert track.identity is not None and len(track.identity) == 60
    assert (track.identity > 0.9).all() and (track.identity <= 1).all()


def test_after_a_meeting_of_two_who_stop_identities_are_in_doubt() -> None:
    """Two come together, stand in one place and go back: each may as well have passed the other."""

    def there_and_back(start: float, speed: float) -> np.ndarray:
        out = line((start, 400), (speed, 0), 50)
        return np.concatenate([out, np.repeat(out[-1:], 10, axis=0), out[::-1]])

    whole = refined(walker(1, there_and_back(100, 100)), walker(2, there_and_back(500, -100)), size=(640, 480))
    apart = refined(walker(1, there_and_back(100, 100)), walker(2, there_and_back(900, -100)), size=(1000, 480))
    for met, alone in zip(whole.tracks, apart.tracks, strict=True):
        assert met.identity is not None and alone.identity is not None
        assert met.identity.max() == 1 and alone.identity.min() > 0.95
        assert met.identity.min() < alone.identity.min()


def test_frames_in_a_gap_are_no_surer_than_its_ends() -> None:
    right, left = line((104, 400), (200, 0), 51), line((500, 400), (-200, 0), 51)
    gone = np.r_[0:20, 31:51]
    clip = refined(walker(1, right[gone], frames=gone), walker(2, left[gone], frames=gone))
    for track in clip.tracks:
        assert track.identity is not None
        assert (track.identity[20:31] == min(track.identity[19], track.identity[31])).all()
