"""Ends, links, changes and filling against the formulas they stand for, computed with other libraries."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline
from scipy.stats import multivariate_normal

from posetrack.refine.appearance import Looks
from posetrack.refine.changes import cut_at_changes
from posetrack.refine.clip import FILLED, MISSING, Track
from posetrack.refine.ends import ends_of, proportions
from posetrack.refine.filling import fill
from posetrack.refine.links import possible_links
from tests.refine_clips import clip_of, line, walker

FPS = 25.0
PICTURE = (4000, 3000)
SIZE_ODDS, LIMB_ODDS = np.log(0.5 / 0.2), np.log(0.25 / 0.2)
"""Of two ends with the same size, and the same limbs."""


def normal(offset: Sequence[float], variance: float) -> float:
    """Logarithm of the density of a normal distribution of the plane."""
    return float(multivariate_normal.logpdf(offset, cov=variance * np.eye(2)))


# --- ends


@pytest.mark.parametrize("frames", [4, 20, 26, 60])
def test_motion_at_an_end_is_that_of_the_last_second_by_bayesian_regression(frames: int) -> None:
    feet = line((1000, 1500), (80, -30), frames) + np.random.default_rng(frames).normal(0, 4, (frames, 2))
    track = walker(0, feet)
    (end,) = [ends_of([track], clip_of(track), last=True)]
    rows = np.arange(max(frames - 26, 0), frames)
    size = float((track.boxes[0, 2:] - track.boxes[0, :2]).max())
    ages = (rows - rows[-1]) / FPS
    spread = np.square(ages - ages.mean()).sum()
    variance = 1 / (spread / 0.08**2 + 1 / 0.7**2)  # 0.08: error of a place; 0.7: usual speed, in body sizes
    speed = variance * ((ages - ages.mean()) @ (feet[rows] - feet[rows].mean(axis=0))) / size / 0.08**2
    assert np.allclose(end.speeds[0], speed) and np.allclose(end.speed_variances, variance)
    of_mean = 0.08**2 / len(rows) + variance * ages.mean() ** 2
    assert np.allclose(end.place_variances, of_mean + 0.08**2 / 4)
    hips_and_shoulders = np.nanmean(track.joints[:, [5, 6, 11, 12]], axis=1)
    middle = hips_and_shoulders[rows].mean(axis=0) - speed * size * ages.mean()
    assert np.allclose(end.places[0], middle)


def test_proportions_are_long_views_of_limbs_and_need_ten_frames() -> None:
    track = walker(0, line((1000, 1500), (0, 0), 20))
    size = float((track.boxes[0, 2:] - track.boxes[0, :2]).max())
    clip = clip_of(track)
    limbs = track.joints[:, clip.skeleton.limb_slots]
    length = np.linalg.norm(limbs[0, :, 0] - limbs[0, :, 1], axis=-1)
    known = ~np.isnan(length)
    assert known.sum() > 5
    stretched = track.joints.copy()
    stretched[0] *= 3  # an outlier
    for views in (stretched, track.joints):
        found = proportions([track.replace(joints=views)], clip)[0]
        assert np.allclose(np.exp(found[known]), length[known] / size)
    short = track.joints.copy()
    short[:17] *= 0.5  # seen end on in all but three frames: the longest tenth tells
    assert np.allclose(np.exp(proportions([track.replace(joints=short)], clip)[0, known]), length[known] / size)
    assert np.isnan(proportions([track[:9]], clip)).all()
    assert np.array_equal(~np.isnan(proportions([track[:10]], clip)[0]), known)


# --- links


def gain(before: Track, after: Track, picture: tuple[int, int] = PICTURE) -> float:
    pieces = [before, after]
    clip = clip_of(*pieces, size=picture)
    found = possible_links(pieces, clip, unlikely=True)
    assert found.before.tolist() == [0] and found.after.tolist() == [1]
    return float(found.gains[0])


@pytest.mark.parametrize(
    ("speed", "later", "missed", "gap"),
    [((40, 0), (40, 0), (0, 0), 5), ((90, -20), (60, 10), (20, -9), 20), ((120, 0), (-60, 0), (5, 5), 50)],
)
def test_the_odds_of_a_link_are_those_of_two_motions(
    speed: tuple[float, float], later: tuple[float, float], missed: tuple[float, float], gap: int
) -> None:
    one = walker(1, line((1500, 1500), speed, 40))
    mean = (np.array(speed) + later) / 2
    start = np.array((1500, 1500)) + 39 / FPS * np.array(speed) + gap / FPS * mean + missed
    other = walker(2, line(tuple(start), later, 40), frames=np.arange(39 + gap, 79 + gap))
    clip = clip_of(one, other)
    tail, head = (ends_of([track], clip, last=last) for track, last in ((one, True), (other, False)))
    size, gap_s = tail.sizes[0], gap / FPS
    v1, v2, known = tail.speeds[0], head.speeds[0], float(tail.speed_variances[0] + head.speed_variances[0])
    off = (head.places[0] - tail.places[0]) / size - gap_s * (v1 + v2) / 2
    spread = tail.place_variances[0] + head.place_variances[0] + gap_s**2 / 4 * known + 0.25 * gap_s**3 / 12
    area = (PICTURE[0] - 1) * (PICTURE[1] - 1) / size**2
    walks_on = np.log(0.9) + normal(v2 - v1, known + 0.25 * gap_s + 0.25**2)
    turns = np.log(0.1) + normal(v2 - v1, known + 0.25 * gap_s + 0.5**2)
    two_people = normal((np.sqrt((v1 @ v1 + v2 @ v2) / 2), 0), 0.7**2 + known)
    expected = normal(off, spread) + np.log(area) + np.logaddexp(walks_on, turns) - two_people - gap_s / 2
    inside = 2.0  # both ends
    assert gain(one, other) == pytest.approx(max(expected + inside + SIZE_ODDS + LIMB_ODDS, -30), abs=1e-6)


def standing(number: int, x: float, frames: range, height: float = 200.0) -> Track:
    return walker(
        number, np.array([[x, 1500.0]]).repeat(len(frames), axis=0), frames=np.array(frames), height=height
    )


def test_pieces_of_one_track_are_the_same_person_19_times_of_20() -> None:
    first, second = standing(1, 1000, range(40)), standing(2, 1040, range(60, 100))
    assert gain(first, second.replace(track_id=1)) - gain(first, second) == pytest.approx(3)


def test_a_difference_of_size_counts_by_its_logarithm() -> None:
    first, same = standing(1, 1000, range(9)), standing(2, 1000, range(20, 29))
    larger = standing(2, 1000, range(20, 29), height=260)
    size = [float((track.boxes[0, 2:] - track.boxes[0, :2]).max()) for track in (same, larger)]
    step = np.log(size[1] / size[0])
    odds = []
    for track in (same, larger):  # without joints the middle of the box is the place: here the same
        middle = np.tile((track.boxes[:, :2] + track.boxes[:, 2:]) / 2, 2)
        boxes = track.boxes - middle + (1000, 1400, 1000, 1400)
        odds.append(gain(first, track.replace(boxes=boxes, joints=np.full_like(track.joints, np.nan))))
    by_size = step**2 / 2 * (1 / 0.5**2 - 1 / 0.2**2)
    assert odds[1] - odds[0] == pytest.approx(by_size, abs=0.25) and by_size < -0.4


@pytest.mark.parametrize(("seconds", "walked"), [(2.0, 0.79), (8.0, 0.5), (2.0, 0.81)])
def test_somebody_may_leave_at_the_border_and_come_back_no_faster_than_people_walk(
    seconds: float, walked: float
) -> None:
    frames = round(seconds * FPS)
    first = standing(1, 40, range(40))
    size = float((first.boxes[0, 2:] - first.boxes[0, :2]).max())
    down = walked * seconds * size
    back = first.replace(
        track_id=2,
        frames=first.frames + 39 + frames,
        times=first.times + (39 + frames) / FPS,
        joints=first.joints + (0, down),
        boxes=first.boxes + (0, down, 0, down),
    )
    found, away = gain(first, back), -2 - seconds / 30 + SIZE_ODDS + LIMB_ODDS
    assert found == pytest.approx(away, abs=1e-6) if walked < 0.8 else found < away - 1e-3


@pytest.mark.parametrize(("sizes_away", "inside"), [(0.49, False), (0.51, True)])
def test_the_border_is_half_a_body_wide(sizes_away: float, inside: bool) -> None:
    first = standing(1, 2000, range(40))
    size = float((first.boxes[0, 2:] - first.boxes[0, :2]).max())
    middle = float(np.nanmean(first.joints[0, [5, 6, 11, 12], 0]))
    second = standing(2, 2000, range(45, 85))
    width = round(middle + sizes_away * size)
    wide = gain(first, second) - np.log((PICTURE[0] - 1) * (PICTURE[1] - 1))
    narrow = gain(first, second, (width + 1, 3000)) - np.log(width * 2999)
    assert wide - narrow == pytest.approx(0 if inside else 2, abs=1e-6)


@pytest.mark.parametrize(("seconds", "linked"), [(9.9, True), (10.1, False)])
def test_after_ten_seconds_the_place_tells_nothing(seconds: float, linked: bool) -> None:
    first = standing(1, 1000, range(100))
    frames = round(seconds * FPS)
    second = standing(1, 1000, range(99 + frames, 199 + frames))
    found = possible_links([first, second], clip_of(first, second, size=PICTURE), unlikely=False)
    assert len(found.gains) == linked


# --- changes


LOOKS = Looks(same=np.array([[1.0]]), different=np.array([[100.0]]), separation=0.9)
"""People who differ by more than 2.95 are different in 7 of 8 cases."""


def cuts(values: np.ndarray) -> list[int]:
    track = walker(1, line((100, 300), (0, 0), len(values)))
    pieces = cut_at_changes([track.replace(appearance=values[:, None].astype(np.float32))], LOOKS)
    return np.cumsum([len(piece) for piece in pieces])[:-1].tolist()


def step(at: int, height: float, count: int = 100) -> np.ndarray:
    return np.where(np.arange(count) < at, 0.0, height)


@pytest.mark.parametrize(("height", "cut"), [(2.9, False), (3.0, True)])
def test_a_tracklet_is_cut_where_the_odds_are_seven_to_one(height: float, cut: bool) -> None:
    assert cuts(step(50, height)) == [50] * cut


@pytest.mark.parametrize(("at", "cut"), [(12, False), (13, True), (87, True), (88, False)])
def test_it_is_not_cut_near_its_ends(at: int, cut: bool) -> None:
    assert cuts(step(at, 3.0)) == [at] * cut


def test_looks_on_each_side_are_those_of_a_second() -> None:
    values = step(50, 3.0)
    values[:24] = 3.0
    assert cuts(values) == [24, 50]


@pytest.mark.parametrize(("known", "cut"), [(2, False), (3, True)])
def test_looks_of_fewer_than_three_frames_tell_nothing(known: int, cut: bool) -> None:
    values = step(50, 5.0)
    values[: 50 - known] = np.nan
    assert (50 in cuts(values)) == cut


# --- filling


def test_a_gap_is_filled_by_a_spline_with_the_speeds_of_three_tenths_of_a_second() -> None:
    times = np.arange(60) / FPS
    feet = np.stack([1000 + 200 * times**2, 1500 - 90 * times**3], axis=1)
    track = walker(1, feet)
    gone = np.r_[30:40]
    origins, joints = track.origins.copy(), track.joints.copy()
    origins[gone, 0], joints[gone, 0] = MISSING, np.nan
    scores = track.joint_scores.copy()
    scores[40, 0] = 0.3
    filled = fill(track.replace(origins=origins, joints=joints, joint_scores=scores), clip_of(track), 1.0)
    path = track.joints[:, 0]
    slopes = [(path[29] - path[22]) / (7 / FPS), (path[47] - path[40]) / (7 / FPS)]
    spline = CubicHermiteSpline([times[29], times[40]], path[[29, 40]], slopes)
    assert np.allclose(filled.joints[gone, 0], spline(times[gone]))
    assert (filled.origins[gone, 0] == FILLED).all() and (filled.joint_scores[gone, 0] == 0.3).all()


@pytest.mark.parametrize(("frames", "is_filled"), [(25, True), (26, False)])
def test_the_longest_gap_is_counted_in_missing_frames(frames: int, is_filled: bool) -> None:
    track = walker(1, line((100, 300), (10, 0), 60))
    kept = track[np.r_[0:20, 20 + frames : 60]]
    whole = fill(kept, clip_of(track), 1.0)
    assert len(whole) == (60 if is_filled else 60 - frames)
    if is_filled:
        assert np.allclose(whole.boxes, track.boxes) and np.allclose(whole.box_scores, 0.9)
