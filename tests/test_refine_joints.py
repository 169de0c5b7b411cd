"""The steps that settle joints: sides, outliers, filling, smoothing."""

import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.refine.clip import FILLED, MISSING, SEEN, Track
from posetrack.refine.filling import fill
from posetrack.refine.outliers import remove_outliers
from posetrack.refine.sides import mirrored, settle_sides
from posetrack.refine.smoothing import Smoothing, smooth
from posetrack.skeletons import POSETRACK
from tests.refine_clips import clip_of, line, same_tracks, walker

FRAME_S = 0.04
WRIST, ELBOW = POSETRACK.index("left_wrist"), POSETRACK.index("left_elbow")


def swinging(count: int = 100, hertz: float = 1.0) -> Track:
    """A walker whose left wrist swings by 20 px on top of the walk."""
    track = walker(1, line((100, 400), (100, 0), count))
    joints = track.joints.copy()
    joints[:, WRIST, 1] += 20 * np.sin(2 * np.pi * hertz * track.times)
    return track.replace(joints=joints, raw=joints.copy())


def in_frames(track: Track, *ranges: tuple[int, int]) -> np.ndarray:
    return np.any([(track.frames >= start) & (track.frames < end) for start, end in ranges], axis=0)


@pytest.mark.parametrize("ranges", [((30, 31),), ((0, 10),), ((10, 20), (60, 99))])
def test_exchanged_sides_are_found_and_put_right(ranges: tuple[tuple[int, int], ...]) -> None:
    track = swinging()
    wrong = mirrored(track, POSETRACK, in_frames(track, *ranges))
    assert not same_tracks(wrong, track)
    assert same_tracks(settle_sides(wrong, POSETRACK, FRAME_S), track)


def test_right_sides_stay() -> None:
    track = swinging()
    assert same_tracks(settle_sides(track, POSETRACK, FRAME_S), track)


def test_a_joint_that_jumps_away_for_a_frame_is_removed_and_its_neighbours_stay() -> None:
    track = swinging()
    joints = track.joints.copy()
    joints[40, WRIST] += (0, 70)
    cleaned = remove_outliers(track.replace(joints=joints), POSETRACK, FRAME_S)
    gone = np.argwhere(track.present & ~cleaned.present).tolist()
    assert gone == [[40, WRIST]]
    assert np.isnan(cleaned.raw[40, WRIST]).all() and cleaned.joint_scores[40, WRIST] == 0


def test_a_fast_joint_is_no_outlier() -> None:
    track = swinging(hertz=2.5)
    assert same_tracks(remove_outliers(track, POSETRACK, FRAME_S), track)


def test_of_a_stretched_limb_the_weaker_end_is_removed() -> None:
    track = swinging()
    joints, scores = track.joints.copy(), track.joint_scores.copy()
    joints[50:52, WRIST] += (60, 0)
    scores[50:52, WRIST] = 0.3
    cleaned = remove_outliers(track.replace(joints=joints, joint_scores=scores), POSETRACK, FRAME_S)
    assert np.argwhere(track.present & ~cleaned.present).tolist() == [[50, WRIST], [51, WRIST]]


def hidden(track: Track, frames: range, joint: int) -> Track:
    removed = np.zeros(track.present.shape, dtype=bool)
    removed[frames, joint] = True
    return track.without(removed)


def test_gaps_in_a_joint_are_filled_near_the_truth_and_marked() -> None:
    track = swinging(hertz=0.5)
    filled = fill(hidden(track, range(40, 60), WRIST), clip_of(track), max_fill_s=1.0)
    assert (filled.origins[40:60, WRIST] == FILLED).all()
    assert (filled.origins[:40] != FILLED).all() and (filled.origins[60:] != FILLED).all()
    assert np.isnan(filled.raw[40:60, WRIST]).all()
    assert np.abs(filled.joints[:, WRIST] - track.joints[:, WRIST]).max() < 6
    assert (filled.joint_scores[40:60, WRIST] == 0.8).all()


def test_the_spline_leaves_and_arrives_at_the_speeds_of_both_sides() -> None:
    """There and back at 100 px/s: half way through a gap of 0.48 s a cubic is 0.48 * 100 / 4 = 12 px further."""
    track = walker(
        1,
        np.concatenate(
            [line((100, 400), (100, 0), 20), line((176, 400), (0, 0), 11), line((176, 400), (-100, 0), 20)]
        ),
    )
    filled = fill(hidden(track, range(20, 31), WRIST), clip_of(track), max_fill_s=1.0)
    assert filled.joints[25, WRIST, 0] - track.joints[19, WRIST, 0] == pytest.approx(12, abs=0.01)
    assert filled.joints[20, WRIST, 0] > track.joints[19, WRIST, 0] + 3


def test_a_lone_observation_before_a_gap_has_no_speed_of_its_own() -> None:
    track = walker(1, line((100, 400), (100, 0), 30))
    filled = fill(hidden(track, range(1, 10), WRIST), clip_of(track), max_fill_s=1.0)
    assert np.allclose(filled.joints[:, WRIST], track.joints[:, WRIST])


def test_filled_joints_have_the_lower_score_of_both_ends() -> None:
    track = walker(1, line((100, 400), (100, 0), 40))
    scores = np.where(track.frames[:, None] < 15, 0.3, track.joint_scores)
    filled = fill(track.replace(joint_scores=scores)[np.r_[0:15, 25:40]], clip_of(track), max_fill_s=1.0)
    assert (filled.joint_scores[15:25, WRIST] == 0.3).all() and (filled.joint_scores[15:25, 3] == 0).all()
    assert (filled.joint_scores[25:, WRIST] == 0.8).all()


def test_frames_in_a_gap_are_filled_with_boxes_and_joints_on_the_way() -> None:
    track = walker(1, line((100, 400), (100, 0), 50))
    filled = fill(track[np.r_[0:20, 40:50]], clip_of(track), max_fill_s=1.0)
    assert filled.frames.tolist() == list(range(50)) and filled.times.tolist() == pytest.approx(
        track.times.tolist()
    )
    assert np.allclose(filled.joints, track.joints, equal_nan=True)
    assert np.allclose(filled.boxes, track.boxes)
    assert (filled.origins[20:40][track.present[20:40]] == FILLED).all()
    assert (filled.origins[20:40][~track.present[20:40]] == MISSING).all()


def test_frames_in_which_the_person_is_missing_too_are_part_of_a_joints_gap() -> None:
    track = walker(1, line((100, 400), (100, 0), 80))
    some = hidden(track, range(20, 21), WRIST)[np.r_[0:21, 56:80]]
    filled = fill(some, clip_of(track), max_fill_s=1.0)
    assert same_tracks(filled, some)


def test_a_limit_of_one_frame_fills_single_frames_and_a_limit_of_zero_nothing() -> None:
    track = walker(1, line((100, 400), (100, 0), 40))
    some = track[np.r_[0:10, 11:20, 22:40]]
    filled = fill(some, clip_of(track), max_fill_s=0.04)
    assert sorted(set(range(40)) - set(filled.frames.tolist())) == [20, 21]
    assert fill(some, clip_of(track), max_fill_s=0).frames.tolist() == some.frames.tolist()


def test_nothing_is_filled_across_a_cut_nor_beyond_the_ends() -> None:
    track = walker(1, line((100, 400), (100, 0), 50))
    some = hidden(track[np.r_[5:20, 30:45]], range(0, 3), WRIST)
    filled = fill(some, clip_of(track, cuts=(25,)), max_fill_s=1.0)
    assert same_tracks(filled, some)


def noisy(track: Track, pixels: float = 2.0) -> Track:
    noise = np.random.default_rng(0).normal(0, pixels, track.joints.shape)
    return track.replace(joints=track.joints + noise, raw=track.joints + noise)


def jitter(track: Track, truth: Track) -> float:
    return float(np.nanstd(np.diff(track.joints - truth.joints, 2, axis=0)))


@pytest.mark.parametrize("how", ["kalman", "kalman:4Hz", "butterworth:6Hz", "savgol:0.4s"])
def test_smoothing_takes_jitter_away_and_comes_nearer_to_the_truth(how: str) -> None:
    truth = swinging(fps_count := 200)
    seen = noisy(truth)
    smoothed = smooth(seen, clip_of(truth), Smoothing.parse(how))
    assert len(smoothed) == fps_count
    assert jitter(smoothed, truth) < jitter(seen, truth) / 2
    assert np.nanmean(np.abs(smoothed.joints - truth.joints)) < 0.85 * np.nanmean(
        np.abs(seen.joints - truth.joints)
    )
    assert np.array_equal(smoothed.raw, seen.raw, equal_nan=True)


@pytest.mark.parametrize("how", ["kalman", "butterworth:6Hz", "savgol"])
def test_a_smooth_path_stays_where_it_is(how: str) -> None:
    track = swinging()
    assert same_tracks(smooth(track, clip_of(track), Smoothing.parse(how)), track, tolerance=0.5)


def test_butterworth_halves_the_power_at_its_cutoff() -> None:
    track = swinging(400, hertz=5.0)
    smoothed = smooth(track, clip_of(track), Smoothing.parse("butterworth:5Hz"))
    middle = slice(150, 250)
    swing = np.ptp(smoothed.joints[middle, WRIST, 1]) / np.ptp(track.joints[middle, WRIST, 1])
    assert swing == pytest.approx(np.sqrt(0.5), abs=0.02)


def test_kalman_gives_uncertain_joints_less_weight() -> None:
    track = swinging()
    joints, scores = track.joints.copy(), track.joint_scores.copy()
    joints[50, WRIST] += (0, 8)
    sure = smooth(track.replace(joints=joints), clip_of(track), Smoothing())
    scores[50, WRIST] = 0.1
    unsure = smooth(track.replace(joints=joints, joint_scores=scores), clip_of(track), Smoothing())
    off = [abs(one.joints[50, WRIST, 1] - track.joints[50, WRIST, 1]) for one in (unsure, sure)]
    assert off[0] < off[1] / 2


@pytest.mark.parametrize("cuts", [(), (25,)])
def test_nothing_is_smoothed_across_gaps_and_cuts(cuts: tuple[int, ...]) -> None:
    feet = line((100, 400), (0, 0), 50)
    feet[25:] += 80
    frames = np.arange(50) if cuts else np.r_[0:25, 60:85]
    track = walker(1, feet, frames=frames)
    clip = clip_of(track, cuts=cuts)
    for how in ("kalman", "butterworth:6Hz", "savgol"):
        assert same_tracks(smooth(track, clip, Smoothing.parse(how)), track, tolerance=1e-6)


def test_origins_and_missing_joints_stay_as_they_are() -> None:
    track = hidden(noisy(swinging()), range(40, 60), ELBOW)
    smoothed = smooth(track, clip_of(track), Smoothing())
    assert np.array_equal(smoothed.origins, track.origins) and (smoothed.origins != FILLED).all()
    assert np.isnan(smoothed.joints[40:60, ELBOW]).all() and (smoothed.origins[:, ELBOW] == SEEN).sum() == 80


def test_none_changes_nothing() -> None:
    track = noisy(swinging())
    assert smooth(track, clip_of(track), Smoothing.parse("none")) is track


@pytest.mark.parametrize(
    "text", ["one", "butterworth:fast", "savgol:6Hz", "none:3", "kalman:-1Hz", "kalman:nan", ""]
)
def test_unknown_filters_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--smooth"):
        Smoothing.parse(text)


def test_a_cutoff_above_half_the_frame_rate_is_refused() -> None:
    Smoothing.parse("butterworth:12Hz").check_rate(FRAME_S)
    Smoothing().check_rate(1 / 7)
    with pytest.raises(ConfigError, match=r"12\.5 Hz needs more than 25 frames per second, and the clip has 25;"):
        Smoothing.parse("butterworth:12.5Hz").check_rate(FRAME_S)


@pytest.mark.parametrize(("name", "lowest"), [("kalman", 0.025), ("butterworth", 0.00025), ("one-euro", 1e-12)])
def test_a_cutoff_too_low_to_calculate_is_refused_and_the_lowest_gives_numbers(name: str, lowest: float) -> None:
    if name != "one-euro":
        with pytest.raises(
            ConfigError, match=f"is too low for 25 frames per second; give at least {lowest:.3g} Hz"
        ):
            Smoothing.parse(f"{name}:{0.99 * lowest}Hz").check_rate(FRAME_S)
    smoothing = Smoothing.parse(f"{name}:{1.001 * lowest}Hz")
    smoothing.check_rate(FRAME_S)
    track = walker(1, line((100, 300), (100, 0), 500), score=0.2)
    track = track.replace(joints=track.joints + np.random.default_rng(0).normal(0, 200, track.joints.shape))
    found = smooth(track, clip_of(track), smoothing).joints[track.origins == SEEN]
    assert len(found) > 1000 and np.isfinite(found).all()
