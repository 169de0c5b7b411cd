"""Where people are expected, against a plain model that goes through tracks and joints one by one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.skeletons import POSETRACK
from posetrack.tracker import MotionConfig
from posetrack.tracker.bodies import Bodies
from posetrack.tracker.motion import Motion
from posetrack.tracker.tracks import Tracks
from posetrack.types import FloatArray

JOINTS = 17
MOTION = MotionConfig()


@dataclass
class Track:
    """One track, as the documentation has it."""

    points: FloatArray
    box: FloatArray
    hits: FloatArray
    velocity: FloatArray = field(default_factory=lambda: np.zeros(2))
    covariance: FloatArray = field(init=False)
    scale: float = field(init=False)
    gap: int = 0
    unseen_s: float = 0.0

    def __post_init__(self) -> None:
        self.scale = self.size()
        self.covariance = np.diag([(0.03 * self.scale) ** 2, (1.5 * self.scale) ** 2])

    def size(self) -> float:
        """The root of the larger area: the box's, or that of the joints' extent."""
        joints = self.points[self.hits > 0]
        extent = np.ptp(joints, axis=0).prod() if len(joints) else 0
        return float(np.sqrt(max((self.box[2] - self.box[0]) * (self.box[3] - self.box[1]), extent)))

    def surroundings(self) -> FloatArray:
        """[8, 2], corners and middles of the sides of a box of twice the size."""
        joints = self.points[self.hits > 0]
        low, high = (joints.min(0), joints.max(0)) if len(joints) else (self.box[:2], self.box[2:])
        middle, side = (low + high) / 2, high - low
        places = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)]
        return np.array([middle + side * place for place in places])

    def move(self, background: FloatArray, seconds: float) -> None:
        """Textbook prediction with white noise of acceleration, but none beyond the highest speed."""
        step = self.velocity * seconds + background
        transition = np.array([[1, seconds], [0, 1]])
        noise = np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
        room = max((1.5 * self.scale) ** 2 - self.covariance[1, 1], 0)
        strength = min((0.8 * self.scale) ** 2, room / seconds)
        self.covariance = transition @ self.covariance @ transition.T + strength * noise
        self.points = self.points + step
        self.box = self.box + np.tile(step, 2)
        self.gap += 1
        self.unseen_s += seconds

    def see(self, points: FloatArray, present: FloatArray, box: FloatArray, most_hits: int) -> None:
        """The place is the one seen; the velocity is corrected by Kalman's gain."""
        both = present & (self.hits > 0)
        error, share = np.zeros(2), both.sum() / max((self.hits > 0).sum(), 1)
        if both.any():
            error = np.median((points - self.points)[both], axis=0)
        self.box = box
        self.points = np.where(present[:, None], points, self.points + share * error)
        self.hits = np.clip(self.hits + np.where(present, 1, -1), 0, most_hits)
        self.scale = self.size()
        seen = (0.03 * self.scale) ** 2
        gain = self.covariance[0, 1] / (self.covariance[0, 0] + seen / max(share, 0.01) ** 2)
        self.velocity = self.velocity + gain * error
        variance = self.covariance[1, 1] - gain * self.covariance[0, 1]
        self.covariance = np.array([[seen, gain * seen], [gain * seen, variance]])
        self.gap, self.unseen_s = 0, 0.0


def people(rng: np.random.Generator, centres: FloatArray, likely: float) -> Bodies:
    """People of random joints around their centres, each joint seen with a probability."""
    points = centres[:, None] + rng.uniform(-30, 30, (len(centres), JOINTS, 2))
    boxes = np.concatenate([centres - rng.uniform(20, 40, (len(centres), 2)), centres + 35], axis=1)
    return Bodies(
        np.ascontiguousarray(points.transpose(2, 0, 1), np.float32),
        rng.random((len(centres), JOINTS)) < likely,
        np.ascontiguousarray(boxes.T, np.float32),
        np.arange(len(centres)),
        POSETRACK,
    )


def assert_same(tracks: Tracks, model: list[Track]) -> None:
    np.testing.assert_array_equal(tracks.bodies.present, [each.hits > 0 for each in model])
    motion = tracks.motion
    np.testing.assert_allclose(motion.velocities.T, [each.velocity for each in model], atol=0.05)
    covariances = np.array([each.covariance for each in model])
    for values, row, column in ((motion.place, 0, 0), (motion.mixed, 0, 1), (motion.speed, 1, 1)):
        np.testing.assert_allclose(values, covariances[:, row, column], rtol=1e-3)
    np.testing.assert_allclose(tracks.unseen_s, [each.unseen_s for each in model], rtol=1e-5)
    np.testing.assert_allclose(tracks.bodies.boxes.T, [each.box for each in model], atol=1e-2)
    assert tracks.gaps.tolist() == [each.gap for each in model]
    points = tracks.bodies.points.transpose(1, 2, 0)
    for row, each in enumerate(model):
        np.testing.assert_allclose(points[row][each.hits > 0], each.points[each.hits > 0], atol=2e-2)
    expected = np.array([each.surroundings() for each in model])
    np.testing.assert_allclose(tracks.surroundings().transpose(1, 2, 0), expected, atol=0.1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("most_hits", [1, 3, 10])
def test_bodies_move_and_are_corrected_as_the_model_says(most_hits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centres = np.array([[200.0, 300], [600, 200], [400, 500]])
    first = people(rng, centres, 0.8)
    tracks = Tracks.empty(POSETRACK).joined_by(first, MOTION)
    model = [
        Track(
            first.points[:, row].T.astype(float), first.boxes[:, row].astype(float), first.present[row].astype(int)
        )
        for row in range(3)
    ]
    for likely in np.repeat([0.9, 0.3, 0.0, 0.7], 8):
        background = rng.normal(0, 5, 2)
        in_sight = np.array([each.gap == 0 for each in model])
        shown = in_sight if in_sight.any() else np.ones(3, np.bool_)
        valid = rng.random((3, 8)) < 0.8
        displacement = np.where((shown[:, None] & valid)[..., None], background, 77.0)
        if not (shown[:, None] & valid).any():
            background = np.zeros(2)
        seconds = float(rng.uniform(0.004, 0.2))
        around = tracks.surroundings()
        camera = tracks.camera(
            around, displacement.transpose(2, 0, 1).reshape(2, -1).astype(np.float32), valid.ravel()
        )
        tracks = tracks.moved(camera, seconds, MOTION)
        for each in model:
            each.move(background, seconds)
        centres = centres + background + rng.normal(0, 3, centres.shape)
        found = people(rng, centres, float(likely))
        rows = np.flatnonzero(rng.random(3) < 0.6)
        tracks = tracks.seen(rows, found[rows], most_hits, MOTION)
        for row in rows:
            model[row].see(found.points[:, row].T, found.present[row], found.boxes[:, row], most_hits)
        assert_same(tracks, model)


def contents(tracks: Tracks) -> list[FloatArray]:
    bodies, motion = tracks.bodies, tracks.motion
    return [
        bodies.points, bodies.boxes, bodies.present, motion.velocities, motion.place, motion.mixed, motion.speed,
        tracks.gaps, tracks.unseen_s, tracks.hits,
    ]  # fmt: skip


def test_what_was_seen_before_stays_as_it_was() -> None:
    rng = np.random.default_rng(0)
    before = Tracks.of(people(rng, np.array([[100.0, 100]]), 0.6), MOTION)
    before = before.moved(
        before.camera(before.surroundings(), np.ones((2, 8), np.float32), np.ones(8, np.bool_)), 0.04, MOTION
    )
    kept = [values.copy() for values in contents(before)]
    after = before.seen(np.array([0]), people(rng, np.array([[120.0, 100]]), 0.6), 10, MOTION)
    for old, now, changed in zip(kept, contents(before), contents(after), strict=True):
        np.testing.assert_array_equal(old, now)
        assert not np.array_equal(old, changed)


def test_chosen_and_joined_tracks_are_what_they_were() -> None:
    rng = np.random.default_rng(0)
    tracks = Tracks.of(people(rng, np.array([[100.0, 100], [300, 100], [500, 100]]), 0.7), MOTION)
    tracks = replace(tracks, gaps=np.array([3, 4, 0]), unseen_s=np.array([0.3, 0.4, 0], np.float32))
    left = tracks[np.array([0, 2])]
    assert left.ids.tolist() == [0, 2] and left.gaps.tolist() == [3, 0]
    newcomer = people(rng, np.array([[700.0, 100]]), 0.7).with_ids(np.array([9]))
    joined, late = left.joined_by(newcomer, MOTION), Tracks.of(newcomer, MOTION)
    assert joined.ids.tolist() == [0, 2, 9] and joined.unseen_s.tolist() == [np.float32(0.3), 0, 0]
    for part, rows in ((left, np.array([0, 1])), (late, np.array([2]))):
        for one, other in zip(contents(joined[rows]), contents(part), strict=True):
            np.testing.assert_array_equal(one, other)
    assert left.joined_by(Bodies.empty(POSETRACK), MOTION) is left


@given(st.integers(0, 10_000))
def test_place_and_velocity_stay_possible_over_gaps_and_changes_of_size(seed: int) -> None:
    rng = np.random.default_rng(seed)
    motion = Motion.starting(rng.uniform(10, 300, 4).astype(np.float32), MOTION)
    for _ in range(8):
        motion = motion.predicted(float(rng.choice([0.004, 0.04, 0.5, 2.0])), MOTION)
        assert (motion.place * motion.speed - motion.mixed**2 >= -1e-4 * motion.place * motion.speed).all()
        sizes, shares = rng.uniform(10, 300, 4).astype(np.float32), rng.uniform(0, 1, 4).astype(np.float32)
        motion = motion.corrected(np.arange(4), np.zeros((2, 4), np.float32), shares, sizes, MOTION)
        assert (motion.speed >= 0).all()
        assert (motion.mixed >= 0).all()
