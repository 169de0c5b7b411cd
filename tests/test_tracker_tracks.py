"""Where people are expected, against a plain model that goes through tracks and joints one by one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from posetrack.skeletons import POSETRACK
from posetrack.tracker.bodies import Bodies
from posetrack.tracker.tracks import Tracks
from posetrack.types import FloatArray

JOINTS = 17


@dataclass
class Track:
    """One track, as the documentation has it."""

    points: FloatArray
    box: FloatArray
    hits: FloatArray
    velocity: FloatArray = field(default_factory=lambda: np.zeros(2))
    sightings: int = 1
    gap: int = 0

    def surroundings(self) -> FloatArray:
        """[8, 2], corners and middles of the sides of a box of twice the size."""
        joints = self.points[self.hits > 0]
        low, high = (joints.min(0), joints.max(0)) if len(joints) else (self.box[:2], self.box[2:])
        middle, side = (low + high) / 2, high - low
        places = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)]
        return np.array([middle + side * place for place in places])

    def move(self, background: FloatArray) -> None:
        step = self.velocity + background
        self.points = self.points + step
        self.box = self.box + np.tile(step, 2)
        self.gap += 1

    def see(self, points: FloatArray, present: FloatArray, box: FloatArray, most_hits: int) -> None:
        both = present & (self.hits > 0)
        error = np.zeros(2)
        if both.any():
            error = np.median((points - self.points)[both], axis=0) * both.sum() / (self.hits > 0).sum()
        self.velocity = self.velocity + error / (min(self.sightings, 6) * self.gap)
        self.points = np.where(present[:, None], points, self.points + error)
        self.hits = np.clip(self.hits + np.where(present, 1, -1), 0, most_hits)
        self.box = box
        self.sightings += 1
        self.gap = 0


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
    np.testing.assert_allclose(tracks.velocities.T, [each.velocity for each in model], atol=2e-3)
    np.testing.assert_allclose(tracks.bodies.boxes.T, [each.box for each in model], atol=1e-2)
    assert tracks.gaps.tolist() == [each.gap for each in model]
    assert tracks.sightings.tolist() == [each.sightings for each in model]
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
    tracks = Tracks.empty(POSETRACK).joined_by(first)
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
        tracks = tracks.moved(displacement.transpose(2, 0, 1).reshape(2, -1).astype(np.float32), valid.ravel())
        for each in model:
            each.move(background)
        centres = centres + background + rng.normal(0, 3, centres.shape)
        found = people(rng, centres, float(likely))
        rows = np.flatnonzero(rng.random(3) < 0.6)
        tracks = tracks.seen(rows, found[rows], most_hits)
        for row in rows:
            model[row].see(found.points[:, row].T, found.present[row], found.boxes[:, row], most_hits)
        assert_same(tracks, model)


def test_what_was_seen_before_stays_as_it_was() -> None:
    def contents(tracks: Tracks) -> list[FloatArray]:
        bodies = tracks.bodies
        return [
            bodies.points,
            bodies.boxes,
            bodies.present,
            tracks.velocities,
            tracks.sightings,
            tracks.gaps,
            tracks.hits,
        ]

    rng = np.random.default_rng(0)
    found = people(rng, np.array([[100.0, 100]]), 0.6)
    before = Tracks.empty(POSETRACK).joined_by(found).moved(np.ones((2, 8), np.float32), np.ones(8, np.bool_))
    kept = [values.copy() for values in contents(before)]
    after = before.seen(np.array([0]), people(rng, np.array([[120.0, 100]]), 0.6), 10)
    for old, now, changed in zip(kept, contents(before), contents(after), strict=True):
        np.testing.assert_array_equal(old, now)
        assert not np.array_equal(old, changed)


def test_only_those_live_on_who_were_seen_lately_enough() -> None:
    rng = np.random.default_rng(0)
    tracks = Tracks.empty(POSETRACK).joined_by(people(rng, np.array([[100.0, 100], [300, 100], [500, 100]]), 0.7))
    tracks = replace(tracks, gaps=np.array([3, 4, 0]), sightings=np.array([5, 6, 7]))
    left = tracks.living(3)
    assert left.ids.tolist() == [0, 2] and left.gaps.tolist() == [3, 0] and left.sightings.tolist() == [5, 7]
    np.testing.assert_array_equal(left.hits, tracks.hits[[0, 2]])
    assert tracks.living(4) is tracks and len(Tracks.empty(POSETRACK).living(0)) == 0
    late = people(rng, np.array([[700.0, 100]]), 0.7).with_ids(np.array([9]))
    joined = left.joined_by(late)
    assert joined.ids.tolist() == [0, 2, 9] and joined.gaps.tolist() == [3, 0, 0]
    assert joined.sightings.tolist() == [5, 7, 1] and joined.velocities.shape == (2, 3)
    np.testing.assert_array_equal(joined.bodies.present, joined.hits > 0)
    assert left.joined_by(late[np.zeros(0, np.int64)]) is left
