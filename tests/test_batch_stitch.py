"""Joining chunks, checked against plain loops: which tracks match, and which chunk gives each frame."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from posetrack.batch.chunk_poses import ChunkPoses
from posetrack.batch.chunks import Chunk
from posetrack.batch.stitch import SAME_TIME_S, SeamError, StitchConfig, matched_tracks, stitched
from posetrack.errors import ConfigError
from posetrack.skeletons import POSETRACK
from posetrack.tracker.oks import oks_matrix
from posetrack.types import Frame, Poses
from posetrack.video import ReadOptions
from tests.walkers import poses_of

PIXEL = np.zeros((1, 1, 3), np.uint8)
UPRIGHT = np.stack([20 * np.sin(np.arange(17)), np.linspace(0, 200, 17)], axis=1)

Place = tuple[float, slice]
"""Where a person stands, and which joints are visible."""


def chunk_of(frames: list[dict[int, Place]], first: int = 0, late_s: float = 0.0) -> ChunkPoses:
    """A chunk from a mapping of track id to place for each frame."""
    results = []
    for number, people in enumerate(frames):
        joints = np.array([UPRIGHT + (x, 100) for x, _ in people.values()]).reshape(-1, 17, 2)
        present = np.zeros((len(people), 17), bool)
        for row, (_, seen) in enumerate(people.values()):
            present[row, seen] = True
        poses = poses_of(joints, present, np.array(list(people), np.int64))
        results.append((Frame(first + number, (first + number) / 25 + late_s, PIXEL), poses))
    return ChunkPoses.collect(results, {})


def random_chunk(rng: np.random.Generator, frames: int, people: int) -> ChunkPoses:
    """People 15 pixels apart who come and go, with some of their joints."""
    places: list[dict[int, Place]] = []
    for _ in range(frames):
        here = [track for track in range(people) if rng.random() < 0.7]
        tracks = rng.permutation(here).tolist()
        places.append(
            {10 + 3 * t: (100 + 15 * t + rng.normal(0, 6), slice(rng.integers(0, 9), 17)) for t in tracks}
        )
    return chunk_of(places)


def best_matching(left: ChunkPoses, right: ChunkPoses, config: StitchConfig) -> float:
    """The largest sum of weight x OKS over all one-to-one matchings above the threshold, by brute force."""
    gains = pair_gains(left, right, config)
    lefts, rights = sorted({pair[0] for pair in gains}), sorted({pair[1] for pair in gains})
    padded = [*lefts, *[-1] * len(rights)]
    return max(
        (
            sum(gains.get((one, other), 0.0) for one, other in zip(order, rights, strict=True))
            for order in permutations(padded, len(rights))
        ),
        default=0.0,
    )


def pair_gains(left: ChunkPoses, right: ChunkPoses, config: StitchConfig) -> dict[tuple[int, int], float]:
    """The weighted OKS sums of pairs whose weighted mean over comparable frames reaches the threshold."""
    sums: dict[tuple[int, int], list[float]] = {}
    for place in range(len(left)):
        halvings = (len(left) - 1 - place) / (config.half_life_share * len(left))
        one, other = left.poses(place), right.poses(place)
        oks = oks_matrix(one, other)
        for row, column in np.ndindex(len(one), len(other)):
            if ((one.keypoint_scores[row] > 0) & (other.keypoint_scores[column] > 0)).any():
                pair = int(one.track_ids[row]), int(other.track_ids[column])
                total = sums.setdefault(pair, [0.0, 0.0])
                total[0] += 0.5**halvings * float(oks[row, column])
                total[1] += 0.5**halvings
    return {pair: gain for pair, (gain, weight) in sums.items() if gain >= config.min_oks * weight}


@pytest.mark.parametrize("seed", range(12))
def test_the_matching_is_optimal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    config = StitchConfig(min_oks=float(rng.uniform(0.2, 0.9)), half_life_share=float(rng.uniform(0.05, 1)))
    left, right = random_chunk(rng, 7, 4), random_chunk(rng, 7, 4)
    matched, gains = matched_tracks(left, right, config), pair_gains(left, right, config)
    assert len(set(matched.values())) == len(matched)
    found = sum(gains[one, other] for other, one in matched.items())
    assert found == pytest.approx(best_matching(left, right, config), rel=1e-4) and found > 0


def test_a_pair_just_above_the_threshold_is_one_person() -> None:
    left, right = chunk_of([{1: (100, slice(17))}]), chunk_of([{2: (115, slice(17))}])
    oks = float(oks_matrix(left.people, right.people)[0, 0])
    assert 0.1 < oks < 0.9
    assert matched_tracks(left, right, StitchConfig(min_oks=oks * 0.999)) == {2: 1}
    assert matched_tracks(left, right, StitchConfig(min_oks=oks * 1.001)) == {}


def test_frames_without_a_joint_in_common_do_not_count_against_a_pair() -> None:
    """Upper body here, legs there: nothing to compare."""
    left = chunk_of([{1: (100, slice(0, 9))}] * 9 + [{1: (100, slice(17))}])
    right = chunk_of([{2: (100, slice(9, 17))}] * 9 + [{2: (100, slice(17))}])
    assert matched_tracks(left, right, StitchConfig(min_oks=0.99, half_life_share=1)) == {2: 1}
    apart = matched_tracks(left.part(slice(0, 9)), right.part(slice(0, 9)), StitchConfig(min_oks=0.01))
    assert apart == {}


def test_one_common_joint_is_enough_to_compare() -> None:
    left, right = chunk_of([{1: (100, slice(0, 9))}]), chunk_of([{2: (100, slice(8, 17))}])
    assert matched_tracks(left, right, StitchConfig(min_oks=0.99)) == {2: 1}


def test_people_seen_only_early_in_the_overlap_are_matched_too() -> None:
    """Nine frames before the end; each halves the weight."""
    left = chunk_of([{1: (100, slice(17))}] + [{}] * 9)
    right = chunk_of([{2: (100, slice(17))}] + [{}] * 9)
    assert matched_tracks(left, right, StitchConfig(half_life_share=0.1)) == {2: 1}


@pytest.mark.parametrize("half_life_share, expected", [(0.1, {2: 1}), (1.0, {2: 0})])
def test_weights_halve_with_every_half_life(half_life_share: float, expected: dict[int, int]) -> None:
    """Seven frames with one person, then three with the other: 2^-3 is less than the rest, 2^-0.3 is not."""
    left = chunk_of([{0: (100, slice(17)), 1: (900, slice(17))}] * 10)
    right = chunk_of([{2: (100, slice(17))}] * 7 + [{2: (900, slice(17))}] * 3)
    config = StitchConfig(min_oks=0.05, half_life_share=half_life_share)
    assert matched_tracks(left, right, config) == expected


@pytest.mark.filterwarnings("error")
def test_the_last_shared_frame_has_full_weight_for_any_half_life() -> None:
    """All other weights are 0, and none is infinite."""
    left = chunk_of([{0: (100, slice(17)), 1: (900, slice(17))}] * 10)
    right = chunk_of([{2: (100, slice(17))}] * 9 + [{2: (900, slice(17))}])
    assert matched_tracks(left, right, StitchConfig(half_life_share=1e-6)) == {2: 1}


def test_identical_poses_match_even_at_the_highest_threshold() -> None:
    chunk = chunk_of([{1: (100, slice(17))}] * 3)
    assert matched_tracks(chunk, chunk, StitchConfig(min_oks=1.0)) == {1: 1}


@pytest.mark.parametrize("shift, oks, same", [(18, 0.501, True), (19, 0.468, False)])
def test_the_default_threshold_is_an_oks_of_one_half(shift: float, oks: float, same: bool) -> None:
    left, right = chunk_of([{1: (100, slice(17))}]), chunk_of([{2: (100 + shift, slice(17))}])
    assert float(oks_matrix(left.people, right.people)[0, 0]) == pytest.approx(oks, abs=1e-3)
    assert matched_tracks(left, right, StitchConfig()) == ({2: 1} if same else {})


@pytest.mark.parametrize("off, expected", [(0, {2: 1}), (2, {2: 0})])
def test_the_default_half_life_is_a_tenth_of_the_overlap(off: float, expected: dict[int, int]) -> None:
    """Nine of ten frames weigh 1/2 + ... + 1/512 = 0.998: less than the last, unless that fits a little worse."""
    left = chunk_of([{0: (100, slice(17)), 1: (900, slice(17))}] * 10)
    right = chunk_of([{2: (100, slice(17))}] * 9 + [{2: (900 + off, slice(17))}])
    assert matched_tracks(left, right, StitchConfig(min_oks=0.05)) == expected


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("frames", [0, 3])
@pytest.mark.parametrize("empty", ["left", "right", "both"])
def test_empty_chunks_match_nobody(frames: int, empty: str) -> None:
    nobody, somebody = chunk_of([{}] * frames), chunk_of([{1: (100, slice(17))}] * frames)
    left = somebody if empty == "right" else nobody
    right = somebody if empty == "left" else nobody
    assert matched_tracks(left, right, StitchConfig()) == {}


def test_chunks_of_different_lengths_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="2 frames of one chunk cannot be matched with 3"):
        matched_tracks(chunk_of([{}] * 2), chunk_of([{}] * 3), StitchConfig())


@pytest.mark.parametrize("name", ["min_oks", "half_life_share"])
def test_settings_must_be_above_zero_and_at_most_one(name: str) -> None:
    assert getattr(StitchConfig(**{name: 1.0}), name) == 1 and StitchConfig(**{name: 1e-9})
    for value in (0.0, -0.5, 1.0001, float("nan")):
        with pytest.raises(ConfigError, match=f"{name} must"):
            StitchConfig(**{name: value})


def seam(number: int, first: int, frames: int, own_from: int) -> Chunk:
    return Chunk(number=number, reading=ReadOptions(), first=first, frames=frames, own_from=own_from)


def joined(parts: list[ChunkPoses], chunks: list[Chunk]) -> list[tuple[Frame, Poses]]:
    return list(stitched(parts, chunks, StitchConfig()))


@pytest.mark.parametrize("late_s, same", [(SAME_TIME_S * 0.9, True), (SAME_TIME_S * 1.1, False), (-0.002, False)])
def test_shared_frames_may_differ_by_a_millisecond(late_s: float, same: bool) -> None:
    chunks = [seam(0, 0, 4, 0), seam(1, 2, 4, 4)]
    parts = [chunk_of([{}] * 4), chunk_of([{}] * 4, first=2, late_s=late_s)]
    if same:
        assert [frame.index for frame, _ in joined(parts, chunks)] == list(range(6))
    else:
        with pytest.raises(SeamError, match="damaged, or lacks time stamps"):
            joined(parts, chunks)


def test_a_millisecond_itself_is_allowed() -> None:
    parts = [chunk_of([{}]), chunk_of([{}] * 2, late_s=SAME_TIME_S)]
    assert parts[1].times_s[0] - parts[0].times_s[0] == SAME_TIME_S
    assert len(joined(parts, [seam(0, 0, 1, 0), seam(1, 0, 2, 1)])) == 2


def test_one_shared_frame_at_a_different_time_is_detected() -> None:
    left, right = chunk_of([{}] * 4), chunk_of([{}] * 4, first=2)
    times_s = right.times_s + np.array([0, 2 * SAME_TIME_S, 0, 0])
    moved = replace(right, times_s=times_s)
    with pytest.raises(SeamError):
        joined([left, moved], [seam(0, 0, 4, 0), seam(1, 2, 4, 4)])


@pytest.mark.parametrize("first", [1, 3])
def test_an_overlap_of_different_frames_is_detected(first: int) -> None:
    chunks = [seam(0, 0, 4, 0), seam(1, 2, 4, 4)]
    with pytest.raises(SeamError):
        joined([chunk_of([{}] * 4), chunk_of([{}] * 4, first=first)], chunks)


def test_every_frame_comes_once_from_the_chunk_that_owns_it() -> None:
    """Shared frames come from the left chunk, where the person stands a pixel farther left."""
    everybody = slice(17)
    chunks = [seam(0, 0, 6, 0), seam(1, 4, 6, 6), seam(2, 8, 4, 10)]
    parts = [
        chunk_of([{7: (100.0 + number, everybody)}] * chunk.frames, first=chunk.first)
        for number, chunk in enumerate(chunks)
    ]
    frames = joined(parts, chunks)
    assert [frame.index for frame, _ in frames] == list(range(12))
    assert [round(frame.time_s * 25) for frame, _ in frames] == list(range(12))
    shown = [round(float((poses.keypoints[0] - UPRIGHT)[0, 0])) for _, poses in frames]
    assert shown == [100] * 6 + [101] * 4 + [102] * 2
    assert {int(one) for _, poses in frames for one in poses.track_ids} == {0}


def test_new_ids_are_the_next_free_ones_in_order_of_appearance() -> None:
    whole = slice(17)
    chunks = [seam(0, 0, 3, 0), seam(1, 2, 3, 3), seam(2, 4, 3, 5)]
    parts = [
        chunk_of([{4: (100, whole), 9: (900, whole)}] * 3),
        # 2 continues the first chunk's 9; 5 and 3 are new; 0 is seen only in the overlap
        chunk_of(
            [{0: (2000, whole), 2: (900, whole)}] + [{2: (900, whole), 5: (1500, whole), 3: (300, whole)}] * 2, 2
        ),
        chunk_of(
            [{6: (300, whole), 8: (1500, whole)}] + [{6: (300, whole), 8: (1500, whole), 1: (50, whole)}] * 2, 4
        ),
    ]
    ids = [poses.track_ids.tolist() for _, poses in joined(parts, chunks)]
    assert ids == [[0, 1]] * 3 + [[1, 3, 2]] * 2 + [[2, 3, 4]] * 2


def test_an_extra_part_is_a_mistake() -> None:
    with pytest.raises(ValueError):
        joined([chunk_of([{}] * 4)] * 2, [seam(0, 0, 4, 0)])


def test_the_skeleton_is_kept() -> None:
    assert joined([chunk_of([{1: (5, slice(17))}])], [seam(0, 0, 1, 0)])[0][1].skeleton is POSETRACK
