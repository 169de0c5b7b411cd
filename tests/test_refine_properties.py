"""What holds for every clip: refined twice is refined once, order and direction of time do not matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from posetrack.errors import ConfigError
from posetrack.refine.clip import FILLED, MISSING, SEEN, Clip, Track
from posetrack.refine.files import read_clip, write_clip
from posetrack.refine.priors import Priors
from posetrack.refine.second_pass import RefineConfig, refine_clip
from posetrack.refine.sides import mirrored
from posetrack.refine.smoothing import Smoothing
from posetrack.skeletons import POSETRACK
from tests.refine_clips import clip_of, line, same_tracks, walker

COUNT = 60
AS_IS = RefineConfig()
examples = settings(
    max_examples=8,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@st.composite
def clips(draw: st.DrawFn) -> Clip:
    """One to four people who walk: noise, gaps, hidden and stolen joints, ghosts, broken ids, perhaps clothes.

    The camera may be held by hand.
    """
    seed, walkers, dressed = draw(st.integers(0, 10**6)), draw(st.integers(1, 4)), draw(st.booleans())
    random = np.random.default_rng(seed)
    tracks: list[Track] = []
    for _ in range(walkers):
        start, speed = random.uniform((0, 300), (900, 500)), random.uniform((-250, -20), (250, 20))
        track = walker(0, line(tuple(start), tuple(speed), COUNT), score=random.uniform(0.3, 0.9))
        track = _marred(track, random)
        if dressed:
            looks = random.normal(0, 1, 5) + random.normal(0, 0.4, (len(track), 5))
            track = track.replace(appearance=looks.astype(np.float32))
        # the tracker loses people now and then
        ends = np.sort(random.choice(len(track), size=draw(st.integers(0, 2)), replace=False))
        tracks += [part for part in _parts(track, ends) if len(part)]
    if draw(st.booleans()):
        tracks = _robbed(tracks, random)
    if draw(st.booleans()):
        tracks.append(walker(0, line((400, 200), (0, 0), COUNT), score=0.1))
    cuts = (int(random.integers(5, 55)),) if draw(st.booleans()) else ()
    numbered = [track.replace(track_id=number) for number, track in enumerate(tracks)]
    clip = clip_of(*numbered, frame_count=COUNT, cuts=cuts)
    if not draw(st.booleans()):
        return clip
    steps = np.eye(2, 3) + random.normal(0, 1, (COUNT, 2, 3)) * [0.004, 0.004, 4]
    steps[[0, *cuts]] = np.eye(2, 3)
    return replace(clip, camera=steps)


def _robbed(tracks: list[Track], random: np.random.Generator) -> list[Track]:
    """The first person gets some joints of the second one."""
    if len(tracks) < 2:
        return tracks
    one, other = tracks[:2]
    _, mine, theirs = np.intersect1d(one.frames, other.frames, return_indices=True)
    taken = (random.random((len(mine), 1)) < 0.3) & one.present[mine] & other.present[theirs]
    joints = one.joints.copy()
    joints[mine] = np.where(taken[..., None], other.joints[theirs], joints[mine])
    return [one.replace(joints=joints, raw=joints.copy()), other, *tracks[2:]]


def _marred(track: Track, random: np.random.Generator) -> Track:
    joints = track.joints + random.normal(0, 2, track.joints.shape)
    far = random.random(track.present.shape) < 0.01
    joints[far] += 80
    boxes = track.boxes + random.normal(0, 3, track.boxes.shape)
    track = track.replace(joints=joints, raw=joints.copy(), boxes=boxes)
    track = track.without(random.random(track.present.shape) < 0.05)
    track = mirrored(track, POSETRACK, random.random(len(track)) < 0.03)
    return track[random.random(len(track)) > 0.15]


def _parts(track: Track, ends: np.ndarray) -> list[Track]:
    edges = [0, *ends.tolist(), len(track)]
    return [track[one:other] for one, other in zip(edges[:-1], edges[1:], strict=True)]


def same_people(one: Clip, other: Clip, tolerance: float = 1e-6, *, ids: bool = True) -> bool:
    """Whether two clips hold the same people, whatever their ids unless ``ids``."""
    if len(one.tracks) != len(other.tracks):
        return False
    if ids:
        pairs = zip(one.tracks, other.tracks, strict=True)
        return all(a.track_id == b.track_id and _same(a, b, tolerance) for a, b in pairs)
    return all(any(_same(a, b, tolerance) for b in other.tracks) for a in one.tracks)


def _same(one: Track, other: Track, tolerance: float) -> bool:
    return same_tracks(one, other, tolerance) and np.allclose(one.boxes, other.boxes, rtol=0, atol=tolerance)


def backwards(clip: Clip) -> Clip:
    """The clip played backwards."""
    last = len(clip.frames) - 1
    times = clip.times[-1] - clip.times[::-1]

    def turned(track: Track) -> Track:
        flipped = track[::-1]
        frames = last - flipped.frames
        return flipped.replace(frames=frames, times=times[frames])

    cuts = np.sort(len(clip.frames) - clip.cuts)
    turned_clip = replace(clip.with_tracks([turned(track) for track in clip.tracks]), times=times, cuts=cuts)
    if clip.camera is None:
        return turned_clip
    steps = np.tile(np.eye(3), (len(clip.frames), 1, 1))
    steps[1:, :2] = clip.camera[1:]
    steps[1:] = np.linalg.inv(steps[:0:-1])
    return replace(turned_clip, camera=steps[:, :2])


@examples
@given(clips())
def test_refining_twice_changes_nothing(clip: Clip) -> None:
    once = refine_clip(clip, AS_IS)
    assert same_people(refine_clip(once, AS_IS), once)


@examples
@given(clips(), st.randoms(use_true_random=False))
def test_ids_and_the_order_of_tracks_do_not_matter(clip: Clip, random) -> None:
    tracks, names = list(clip.tracks), list(range(len(clip.tracks)))
    random.shuffle(tracks)
    random.shuffle(names)
    renamed = clip.with_tracks([track.replace(track_id=name) for track, name in zip(tracks, names, strict=True)])
    assert same_people(refine_clip(renamed, AS_IS), refine_clip(clip, AS_IS), ids=False)


@examples
@given(clips())
def test_time_reversed_gives_the_mirrored_result(clip: Clip) -> None:
    there, back = refine_clip(clip, AS_IS), backwards(refine_clip(backwards(clip), AS_IS))
    assert same_people(there, back, tolerance=1e-3, ids=False)


@examples
@given(clips())
def test_nothing_is_invented_and_what_is_said_of_it_is_possible(clip: Clip) -> None:
    """What is seen in the result was seen in the clip; what is filled lies within a second and a shot of it."""
    refined = refine_clip(clip, AS_IS)
    ids = [track.track_id for track in refined.tracks]
    assert len(set(ids)) == len(ids), "nobody is in two places"
    for track in refined.tracks:
        assert track.sds is not None and track.identity is not None
        assert np.array_equal(np.isnan(track.sds), track.origins == MISSING)
        assert (track.sds[track.origins != MISSING] > 0).all()
        assert ((track.identity >= 0.5) & (track.identity <= 1)).all() and (track.identity == 1).any()
        assert (np.diff(track.frames) > 0).all()
        filled = track.origins == FILLED
        assert np.isnan(track.raw[filled]).all() and not np.isnan(track.joints[filled]).any()
        assert np.isnan(track.joints[track.origins == MISSING]).all()
        shots = clip.shots(track.frames)
        for joint in range(filled.shape[1]):
            seen = np.flatnonzero(~filled[:, joint] & (track.origins[:, joint] != MISSING))
            for row in np.flatnonzero(filled[:, joint]):
                before, after = seen[seen < row].max(), seen[seen > row].min()
                assert shots[before] == shots[after]
                assert track.times[after] - track.times[before] <= 1 + 1e-6


@examples
@given(st.integers(10, 30), st.integers(0, 10**6))
def test_a_clip_tracked_in_chunks_gives_the_same_people(length: int, seed: int) -> None:
    """Each chunk has its own ids, as if it had been tracked alone."""
    random = np.random.default_rng(seed)
    feet = [line((x, 400), tuple(random.uniform(-60, 60, 2)), COUNT) for x in (200, 700, 1200)]
    whole = clip_of(*(walker(number, path) for number, path in enumerate(feet)))
    chunks = [part for track in whole.tracks for part in _parts(track, np.arange(length, COUNT, length))]
    chunked = clip_of(*(part.replace(track_id=number) for number, part in enumerate(chunks)))
    assert same_people(refine_clip(chunked, AS_IS), refine_clip(whole, AS_IS), ids=False)


@examples
@given(clips(), st.integers(1, 4))
def test_the_number_of_people_is_kept_or_refused(clip: Clip, number: int) -> None:
    try:
        refined = refine_clip(clip, RefineConfig(priors=Priors(least=number, most=number)))
    except ConfigError as error:
        assert "--people" in str(error)
        return
    assert len(refined.tracks) == number


@examples
@given(clips(), st.data())
def test_same_and_different_are_kept_or_refused(clip: Clip, data: st.DataObject) -> None:
    assume(len(clip.tracks) >= 2)
    ids = [track.track_id for track in clip.tracks]
    one, other = data.draw(st.lists(st.sampled_from(ids), min_size=2, max_size=2, unique=True))
    want_same = data.draw(st.booleans())
    priors = Priors(same=((one, other),)) if want_same else Priors(different=((one, other),))
    parts = [next(track for track in clip.tracks if track.track_id == number) for number in (one, other)]
    try:
        refined = refine_clip(clip, RefineConfig(priors=priors, smoothing=Smoothing(name="none")))
    except ConfigError as error:
        assert want_same and np.isin(parts[0].frames, parts[1].frames).any() and "--same" in str(error)
        return
    owners = [_owners(refined, part) for part in parts]
    if want_same:
        assert len(owners[0] | owners[1]) <= 1
    else:
        assert not owners[0] & owners[1]


def _owners(clip: Clip, part: Track) -> set[int]:
    """Ids of the people who hold boxes of a track."""
    owners = set()
    for track in clip.tracks:
        _, mine, theirs = np.intersect1d(track.frames, part.frames, return_indices=True)
        if (track.boxes[mine] == part.boxes[theirs]).all(axis=1).any():
            owners.add(track.track_id)
    return owners


def test_a_single_frame_and_an_empty_clip_are_ordinary_clips() -> None:
    clip = clip_of(walker(3, line((100, 400), (100, 0), 1)), walker(4, line((500, 400), (100, 0), 1)))
    assert same_people(refine_clip(clip, AS_IS), clip)
    assert refine_clip(clip_of(frame_count=0), AS_IS).tracks == ()


@pytest.mark.parametrize("how", ["kalman", "butterworth", "savgol", "none"])
def test_a_perfect_clip_comes_out_unchanged(how: str) -> None:
    clip = clip_of(
        walker(3, line((100, 400), (100, 0), 100)),
        walker(5, line((900, 420), (-100, 3), 100)),
        walker(8, line((500, 300), (0, 0), 100), height=120),
    )
    assert same_people(refine_clip(clip, RefineConfig(smoothing=Smoothing.parse(how))), clip, tolerance=1e-6)


@settings(max_examples=4, derandomize=True, deadline=None)
@given(clips(), st.sampled_from([".parquet", ".csv", ".json"]))
def test_refining_a_refined_file_gives_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, clip: Clip, ending: str
) -> None:
    folder = tmp_path_factory.mktemp("twice")
    files = [folder / f"{name}{ending}" for name in ("clip", "once", "twice")]
    write_clip(files[0], replace(clip, cuts=np.zeros(0, dtype=np.int64)))
    for source, target in zip(files[:-1], files[1:], strict=True):
        write_clip(target, refine_clip(read_clip(source), AS_IS))
    once, twice = read_clip(files[1]), read_clip(files[2])
    assert same_people(once, twice, tolerance=2e-3)
    assert Path(files[1]).stat().st_size > 0


def test_refining_twice_keeps_the_boxes_of_frames_without_a_joint() -> None:
    """One frame is found, but all its joints are outliers; in a gap no joint is known at both sides."""
    track = walker(0, line((300, 500), (60, 0), COUNT))
    joints, origins, boxes = track.joints.copy(), track.origins.copy(), track.boxes.copy()
    joints[40] += np.where(np.arange(len(POSETRACK))[:, None] % 2, 400.0, -400.0)
    boxes[40] += 15
    legs = np.array([name.endswith(("knee", "ankle", "hip")) for name in POSETRACK.joints])
    for rows, gone in ((slice(0, 20), legs), (slice(20, COUNT), ~legs)):
        joints[rows, gone], origins[rows, gone] = np.nan, MISSING
    changed = track.replace(joints=joints, raw=joints, origins=origins, boxes=boxes)
    clip = clip_of(changed[np.r_[0:20, 25:COUNT]], frame_count=COUNT)
    once = refine_clip(clip, AS_IS)
    twice = refine_clip(once, AS_IS)
    (first,), (second,) = once.tracks, twice.tracks
    assert (first.origins[40] != SEEN).all() and not first.present[22].any(), "as said above"
    assert same_tracks(first, second)
    assert np.array_equal(first.boxes, second.boxes)
    assert np.array_equal(first.raw_boxes, second.raw_boxes, equal_nan=True)
    assert np.array_equal(first.raw_boxes[40], boxes[40]) and np.isnan(first.raw_boxes[22]).all()
