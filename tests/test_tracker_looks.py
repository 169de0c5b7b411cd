"""What people look like decides between rivals, whatever the descriptors are; clear motion it never overrules."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from posetrack.tracker import LinkerConfig
from posetrack.tracker.looks import UNKNOWN, Looks
from posetrack.types import UNLINKED, FloatArray, Poses
from tests.test_tracker_linker import Still
from tests.walkers import FrameLinker, Pillar, Scene, Walker, straight

LENGTH = 6


def learnt(spread: FloatArray, links: int = 100, seed: int = 0) -> Looks:
    """Two tracks that look like 0 and 10, after some links with noise of that spread."""
    rng = np.random.default_rng(seed)
    looks = Looks.empty(len(spread)).joined_by(np.array([0 * spread, 0 * spread + 10], np.float32))
    for _ in range(links // 2):
        seen = np.array([[0], [10]]) + rng.normal(0, spread, (2, len(spread)))
        looks = looks.seen(np.arange(2), seen.astype(np.float32), 0.1)
    return looks


def like(looks: Looks, *rows: FloatArray) -> list[float]:
    """How much the first track looks like each."""
    return looks.likeness(np.zeros(len(rows), np.int64), np.array(rows, np.float32)).tolist()


def test_how_much_a_difference_means_is_learnt_from_the_people_themselves() -> None:
    loud = learnt(np.full(LENGTH, 4.0))
    quiet = learnt(np.full(LENGTH, 0.5))
    ten = np.full(LENGTH, 10.0)
    (itself, other), (_, clearly_other) = like(loud, ten * 0, ten), like(quiet, ten * 0, ten)
    assert itself > 0.9 and clearly_other < 0.2 < other < 0.7


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_scale_of_descriptors_does_not_matter(scale: float) -> None:
    looks, spread = learnt(np.full(LENGTH, 2.0)), np.full(LENGTH, 2.0)
    scaled = Looks(looks.means * np.float32(scale), looks.variances * np.float32(scale**2), looks.links)
    for value in (0, 1, 5, 10):
        assert like(scaled, spread * value * scale) == pytest.approx(like(looks, spread * value), abs=1e-4)


def test_nobody_is_judged_before_it_is_known_how_much_people_differ_from_themselves() -> None:
    assert like(learnt(np.ones(LENGTH), links=18), np.full(LENGTH, 10.0)) == pytest.approx([UNKNOWN])
    assert like(learnt(np.ones(LENGTH), links=20), np.full(LENGTH, 10.0))[0] < UNKNOWN


def test_only_numbers_that_both_have_are_compared() -> None:
    looks = learnt(np.ones(LENGTH))
    half = np.array([0, 0, 0, np.nan, np.nan, np.nan])
    assert like(looks, half, np.where(np.isnan(half), 10, half))[0] > 0.9
    assert like(looks, np.full(LENGTH, np.nan)) == pytest.approx([UNKNOWN])


def test_one_number_that_is_far_off_does_not_decide() -> None:
    looks = learnt(np.ones(LENGTH))
    one_off, all_off = np.zeros(LENGTH), np.full(LENGTH, 10.0)
    one_off[2] = 1000
    assert like(looks, one_off)[0] > 2 * like(looks, all_off)[0]


def test_parts_first_seen_later_are_known_from_then_on() -> None:
    looks = Looks.empty(2).joined_by(np.array([[1, np.nan]], np.float32))
    looks = looks.seen(np.zeros(1, np.int64), np.array([[np.nan, 5]], np.float32), 0.5)
    assert looks.means.tolist() == [[1, 5]]
    assert looks.seen(np.zeros(1, np.int64), np.array([[2, 6]], np.float32), 0.5).means.tolist() == [[1.5, 5.5]]


def back(x: float, speed: float) -> Callable[[float], tuple[float, float]]:
    """Somebody who walks for 50 frames and then goes back the same way."""
    return lambda frame: (x + speed * (50 - abs(frame - 50)), 600.0)


def who_is_who(scene: Scene, frames: int, config: LinkerConfig, looks: FloatArray | None) -> dict[int, list[int]]:
    """The ids that each walker had; ``looks`` [W, D] is what they look like, with some noise."""
    linker, rng, ids = FrameLinker(config), np.random.default_rng(0), {}
    for frame in range(frames):
        truth = scene.truth(frame)
        if looks is not None:
            seen = looks[truth.track_ids] + rng.normal(0, 0.1, (len(truth), looks.shape[1]))
            truth = truth.replace(appearance=seen.astype(np.float32))
        linked = linker.link(truth.replace(track_ids=np.full(len(truth), UNLINKED)), scene.flow(frame))
        for person, track in zip(truth.track_ids.tolist(), linked.track_ids.tolist(), strict=True):
            ids.setdefault(person, []).append(track)
    return {person: list(dict.fromkeys(given)) for person, given in ids.items()}


def test_two_who_turn_back_while_a_pillar_hides_them_are_not_taken_for_each_other() -> None:
    """By their motion they should have passed each other."""
    walkers = Walker(back(440, 4.0), depth=2.0, height=170), Walker(back(840, -4.0), height=165, phase=1.0)
    scene = Scene(walkers, (Pillar((570, 0, 710, 720)),))
    looks = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    blind = who_is_who(scene, 110, LinkerConfig(), None)
    assert blind[0][-1] == blind[1][0] and blind[1][-1] == blind[0][0]
    told_apart = who_is_who(scene, 110, LinkerConfig(), looks)
    assert not set(told_apart[0]) & set(told_apart[1]) and told_apart[0] == [0]


def test_of_two_rivals_who_are_as_near_the_one_that_looks_like_it_goes_on() -> None:
    """One of two who stand side by side is missed just when the other steps between both places."""
    linker, rng = FrameLinker(LinkerConfig()), np.random.default_rng(0)

    def seen(x: float, look: float) -> Poses:
        one = Scene((Walker(straight(x, 600, 0.0), swing=0.0),)).truth(0)
        return one.replace(track_ids=[UNLINKED], appearance=(look + rng.normal(0, 0.1, (1, 3))).astype(np.float32))

    for _frame in range(40):
        ids = linker.link(Poses.concatenate([seen(600, 0.0), seen(616, 1.0)]), Still()).track_ids.tolist()
        assert ids == [0, 1]
    assert linker.link(seen(607, 1.0), Still()).track_ids.tolist() == [1]
    assert linker.link(seen(609, 0.0), Still()).track_ids.tolist() == [0]


def test_looks_do_not_overrule_clear_motion() -> None:
    """Two people far apart suddenly look like each other did."""
    linker = FrameLinker(LinkerConfig())
    scene = Scene((Walker(straight(200, 600, 2.0)), Walker(straight(900, 600, -2.0))))
    for frame in range(60):
        truth = scene.truth(frame)
        first = 0.0 if frame < 40 else 1.0
        rng = np.random.default_rng(frame)
        looks = np.array([[first] * 3, [1 - first] * 3]) + rng.normal(0, 0.05, (2, 3))
        unlinked = truth.replace(track_ids=np.full(2, UNLINKED), appearance=looks)
        assert linker.link(unlinked, scene.flow(frame)).track_ids.tolist() == [0, 1]


@pytest.mark.parametrize("links", [30, 800])
def test_likeness_falls_with_the_mean_square_difference_over_the_usual(links: int) -> None:
    """Four times the usual is half alike; a number counts for 25 times the usual at most."""
    looks, spread = learnt(np.array([1.0, 3.0, 0.5]), links), np.array([1.0, 3.0, 0.5])
    assert looks.links.tolist() == [min(links, 500)] * 3
    np.testing.assert_allclose(looks.variances, spread**2, rtol=0.6 if links < 100 else 0.25)
    for row in np.random.default_rng(1).normal(0, 4, (5, 3)) * spread:
        squares = [
            min((value - mean) ** 2 / usual, 25)
            for value, mean, usual in zip(row, looks.means[0], looks.variances, strict=True)
        ]
        assert like(looks, row) == pytest.approx([4 / (4 + sum(squares) / 3)], rel=1e-4)


def test_what_is_usual_is_the_mean_square_of_the_differences() -> None:
    looks, squares, rng = Looks.empty(1).joined_by(np.zeros((1, 1), np.float32)), [], np.random.default_rng(0)
    for _ in range(300):
        seen = rng.normal(0, 2, (1, 1)).astype(np.float32)
        squares.append(float(seen[0, 0] - looks.means[0, 0]) ** 2)
        looks = looks.seen(np.zeros(1, np.int64), seen, 0.2)
    assert looks.variances[0] == pytest.approx(np.mean(squares), rel=1e-4)
