"""What is computed for many tracklets, frames and joints at once is what each of them gives alone."""

from dataclasses import replace

import numpy as np
import pytest

from posetrack.refine import links
from posetrack.refine.appearance import Looks
from posetrack.refine.arrays import moving_medians
from posetrack.refine.bodies import sizes, sizes_of
from posetrack.refine.clip import MISSING, Clip, Track
from posetrack.refine.ends import Ends, ends_of
from posetrack.refine.identities import probabilities
from posetrack.refine.links import possible_links
from posetrack.refine.smoothing import Smoothing, smooth
from posetrack.skeletons import POSETRACK
from tests.refine_clips import clip_of, line, walker

TRUNK = [POSETRACK.index(name) for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")]


@pytest.fixture
def chance() -> np.random.Generator:
    return np.random.default_rng(5)


def pieces(chance: np.random.Generator, count: int = 12) -> list[Track]:
    """Tracklets of people who wander, in random frames, some with gaps."""
    made = []
    for number in range(count):
        frames = np.sort(
            chance.choice(np.arange(20 * number, 20 * number + 60), chance.integers(1, 50), replace=False)
        )
        feet = line((100 + 20 * number, 300), tuple(chance.normal(0, 60, 2)), len(frames))
        made.append(
            walker(number, feet + chance.normal(0, 3, feet.shape), frames=frames, height=chance.uniform(80, 200))
        )
    return made


def moving_camera(chance: np.random.Generator, clip: Clip) -> Clip:
    steps = np.tile(np.eye(2, 3), (len(clip.frames), 1, 1)) + chance.normal(0, 0.002, (len(clip.frames), 2, 3))
    steps[:, :, 2] += chance.normal(0, 3, (len(clip.frames), 2))
    return replace(clip, camera=steps)


def test_the_background_is_followed_from_frame_to_frame_within_each_shot(chance: np.random.Generator) -> None:
    clip = moving_camera(chance, clip_of(frame_count=100, cuts=(37, 38)))
    assert clip.camera is not None and clip.to_first is not None and clip.from_first is not None
    place = {frame: np.array([50.0, 80.0, 1.0]) for frame in (0, 37, 38)}  # of one thing in each shot
    for frame in range(100):
        if frame not in (0, 37, 38):
            place[frame] = np.append(clip.camera[frame] @ place[frame - 1], 1.0)
        assert np.allclose(clip.to_first[frame] @ place[frame], [50, 80, 1])
        assert np.allclose(clip.from_first[frame] @ [50, 80, 1], place[frame])


@pytest.mark.parametrize("last", [True, False])
def test_the_ends_of_many_tracklets_are_those_of_each(chance: np.random.Generator, last: bool) -> None:
    many = pieces(chance)
    clip = moving_camera(chance, clip_of(*many, cuts=(90,)))
    together, alone = ends_of(many, clip, last=last), [ends_of([one], clip, last=last) for one in many]
    for name in Ends.__slots__:
        assert np.allclose(getattr(together, name), np.concatenate([getattr(one, name) for one in alone]))
    assert len(ends_of([], clip, last=last).times) == 0


def test_an_end_is_where_the_person_was_and_how_fast() -> None:
    track = walker(0, line((100, 300), (50, -20), 100), height=100)
    box = np.median((track.boxes[:, 2:] - track.boxes[:, :2]).max(axis=1))
    first, last = (ends_of([track], clip_of(track), last=which) for which in (False, True))
    for end, row in ((first, 0), (last, -1)):
        assert end.frames[0] == track.frames[row] and end.times[0] == track.times[row]
        assert end.sizes[0] == pytest.approx(box)
        assert np.allclose(end.places[0], track.joints[row, TRUNK].mean(axis=0), atol=1)
        assert np.allclose(end.speeds[0] * box, (50, -20), rtol=0.05)


def test_links_do_not_depend_on_how_many_are_compared_at_once(
    chance: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = pieces(chance, 30)
    clip = clip_of(*many)
    for unlikely in (False, True):
        whole = possible_links(many, clip, unlikely=unlikely)
        monkeypatch.setattr(links, "_PAIRS_AT_ONCE", 3)
        parts = possible_links(many, clip, unlikely=unlikely)
        monkeypatch.undo()
        assert len(whole.gains) > 3
        for name in ("before", "after", "gains"):
            assert np.array_equal(getattr(whole, name), getattr(parts, name))


def test_pairs_that_are_not_compared_would_gain_nothing(chance: np.random.Generator) -> None:
    many = []
    for number in range(8):  # people who stand about, and are seen again and again
        for start in np.cumsum(chance.integers(60, 500, 9)).tolist():
            feet = line((60 + 70 * number, 300), tuple(chance.normal(0, 2, 2)), 30)
            track = walker(number, feet, frames=np.arange(start, start + 30), height=60)
            many.append(track.replace(appearance=np.full((30, 1), number, dtype=np.float32)))
    clip = clip_of(*many, frame_count=5000, size=(640, 480))
    looks = Looks(same=np.eye(1), different=1e4 * np.eye(1), separation=0.9)
    found, every = (possible_links(many, clip, looks, unlikely=unlikely) for unlikely in (False, True))
    gaining = {(b, a): gain for b, a, gain in zip(every.before, every.after, every.gains, strict=True) if gain > 0}
    assert gaining.keys() == set(zip(found.before.tolist(), found.after.tolist(), strict=True))
    assert np.allclose(found.gains, [gaining[pair] for pair in zip(found.before, found.after, strict=True)])
    gaps = np.array([many[after].times[0] - many[before].times[-1] for before, after in gaining])
    assert (gaps > 12).sum() > 3 and len(every.gains) > 5 * len(gaining)


def by_definition(chains: list[list[int]], found: links.Links, pair: tuple[int, int]) -> float:
    """That a link is right: against none, and against each exchange with another link, taken or not."""
    gains = dict(zip(zip(found.before.tolist(), found.after.tolist(), strict=True), found.gains, strict=True))
    taken = {before: after for chain in chains for before, after in zip(chain[:-1], chain[1:], strict=True)}
    rivals = {(one, taken.get(one)) for one, _ in gains} | {(None, two) for _, two in gains}
    rivals -= {(None, two) for two in taken.values()}
    odds = np.exp(-0.35 * gains[pair])
    for rival, other in rivals - {pair}:
        new = [one for one in ((pair[0], other), (rival, pair[1])) if one in gains]
        if new:
            gained = sum(gains[one] for one in new) - gains.get((rival, other), 0)
            odds += np.exp(0.35 * (gained - gains[pair]))
    return float(1 / (1 + odds))


def test_identities_are_as_sure_as_links_against_their_alternatives(chance: np.random.Generator) -> None:
    many = pieces(chance, 9)
    chains = [[0, 3, 5, 8], [1, 4], [2, 7], [6]]
    every = [(before, after) for before in range(9) for after in range(before + 1, 9)]
    steps = {pair for chain in chains for pair in zip(chain[:-1], chain[1:], strict=True)}
    kept = [pair for pair in every if pair in steps or chance.random() < 0.6]
    before, after = np.array(kept)[chance.permutation(len(kept))].T
    found = links.Links(
        before=before,
        after=after,
        gains=chance.uniform(0, 4, len(kept))
        + [4 * (pair in steps) for pair in zip(before.tolist(), after.tolist(), strict=True)],
    )
    sure = probabilities(chains, many, found)
    for chain in chains:
        right = [by_definition(chains, found, pair) for pair in zip(chain[:-1], chain[1:], strict=True)]
        anchor = max(range(len(chain)), key=lambda place: len(many[chain[place]]))
        for place, piece in enumerate(chain):
            between = right[min(place, anchor) : max(place, anchor)]
            expected = (1 + np.prod([max(2 * one - 1, 0) for one in between])) / 2
            assert sure[piece] == pytest.approx(expected, abs=1e-12)
    assert ((sure > 0.55) & (sure < 0.95)).sum() > 2


@pytest.mark.parametrize("frame_s", [0.04, 0.3, 0.0])
def test_the_sizes_of_many_tracks_are_those_of_each(chance: np.random.Generator, frame_s: float) -> None:
    many = pieces(chance)
    jumpy = [one.replace(boxes=one.boxes + chance.normal(0, 9, one.boxes.shape)) for one in many]
    assert np.array_equal(sizes_of(jumpy, frame_s), np.concatenate([sizes(one, frame_s) for one in jumpy]))


@pytest.mark.parametrize("width", [1, 5, 13])
def test_moving_medians_repeat_the_first_and_the_last_row(chance: np.random.Generator, width: int) -> None:
    values = chance.normal(size=(9, 2))
    rows = np.arange(9)[:, None] + np.arange(width) - width // 2
    assert np.array_equal(moving_medians(values, width), np.median(values[np.clip(rows, 0, 8)], axis=1))


def test_odds_by_appearance_are_those_of_each_pair_whatever_is_unknown_of_it(chance: np.random.Generator) -> None:
    size = 40
    roots = [chance.normal(size=(size, size)) for _ in range(2)]
    looks = Looks(
        same=roots[0] @ roots[0].T + np.eye(size), different=roots[1] @ roots[1].T + np.eye(size), separation=0.9
    )
    one, other = chance.normal(size=(2, 60, size))
    unknown = chance.random(size=(5, size)) < 0.5  # five patterns, which differ in early and late columns
    one[unknown[chance.integers(0, 5, 60)]] = np.nan
    together = looks.odds(one, other, np.inf)
    assert np.allclose(
        together, [looks.odds(one[[row]], other[[row]], np.inf)[0] for row in range(60)], rtol=1e-9, atol=1e-9
    )
    assert together.std() > 0.3


@pytest.mark.parametrize("how", ["kalman", "butterworth:6Hz", "savgol:0.3s"])
def test_paths_are_smoothed_each_on_its_own(chance: np.random.Generator, how: str) -> None:
    track = walker(0, line((100, 300), (50, 0), 60))
    noisy = track.joints + chance.normal(0, 3, track.joints.shape)
    origins = track.origins.copy()
    origins[20:22, 5] = origins[40, 7] = origins[43, 7] = MISSING  # a run of two frames stays as it is
    noisy[origins == MISSING] = np.nan
    whole = track.replace(joints=noisy, origins=origins)
    smoothing = Smoothing.parse(how)
    clip = clip_of(track, cuts=(30,))
    both = smooth(whole, clip, smoothing).joints
    parts = [smooth(whole[part], clip, smoothing).joints for part in (slice(0, 30), slice(30, 60))]
    assert np.allclose(both, np.concatenate(parts), rtol=0, atol=1e-9, equal_nan=True)
    for rows in (slice(0, 20), slice(22, 30)):
        alone = smooth(whole[rows], clip, smoothing).joints
        assert np.allclose(both[rows, 5], alone[:, 5], rtol=0, atol=0.2, equal_nan=True)
    assert np.array_equal(both[41:43, 7], noisy[41:43, 7])
    assert not np.allclose(both[10], noisy[10], equal_nan=True)
