"""A camera that moves: people are where they are before the background, not in the picture."""

from dataclasses import replace

import numpy as np
import pytest

from posetrack.refine.background import seen_from
from posetrack.refine.clip import FILLED, Clip, Track
from posetrack.refine.ghosts import is_furniture
from posetrack.refine.second_pass import RefineConfig, refine_clip
from posetrack.refine.smoothing import Smoothing, smooth
from posetrack.refine.splitting import split
from tests.refine_clips import clip_of, line, walker

PLAIN = RefineConfig(smoothing=Smoothing(name="none"))
COUNT = 100
PAN = np.concatenate([np.zeros(41), np.cumsum(np.full(19, 60.0)), np.full(40, 1140.0)])
"""Pixels by which the picture's content has moved in each frame: the camera stands, swings, and stands again."""


def filmed(clip: Clip, shift: np.ndarray) -> Clip:
    """The clip, filmed by a camera that turns: everything moves to the left by ``shift`` pixels."""
    offsets = np.stack([-shift, np.zeros(len(shift))], axis=1)

    def moved(track: Track) -> Track:
        own = offsets[track.frames]
        joints = track.joints + own[:, None]
        return track.replace(joints=joints, raw=joints.copy(), boxes=track.boxes + np.tile(own, 2))

    camera = np.tile(np.eye(2, 3), (len(shift), 1, 1))
    camera[1:, :, 2] = np.diff(offsets, axis=0)
    return replace(clip.with_tracks([moved(track) for track in clip.tracks]), camera=camera)


def test_places_are_found_again_in_other_frames() -> None:
    clip = filmed(clip_of(walker(1, line((900, 400), (50, 0), COUNT))), PAN)
    place = np.array([[500.0, 300.0], [100.0, 200.0]])
    there = seen_from(place, np.array([0, 90]), np.array([90, 0]), clip)
    assert np.allclose(there, place + [[-PAN[90], 0], [PAN[90], 0]])
    assert seen_from(place, np.array([0, 9]), 5, replace(clip, camera=None)) is place


def test_zooms_and_turns_are_undone_step_by_step() -> None:
    step = np.array([[1.01, 0.02, 3.0], [-0.02, 0.99, -2.0]])
    clip = replace(clip_of(walker(1, line((0, 0), (0, 0), 4))), camera=np.tile(step, (4, 1, 1)))
    place = np.array([[40.0, 70.0]])
    there = place[0]
    for _ in range(3):
        there = step[:, :2] @ there + step[:, 2]
    assert np.allclose(seen_from(place, np.array([0]), 3, clip), there)
    cut = replace(clip, cuts=np.array([2]))
    assert np.allclose(seen_from(place, np.array([2]), 3, cut), step[:, :2] @ place[0] + step[:, 2])


def test_a_swing_of_the_camera_is_no_jump_and_furniture_stays_furniture() -> None:
    still = clip_of(
        walker(1, line((1500, 400), (50, 0), COUNT)), walker(2, line((1300, 400), (0, 0), COUNT), score=0.1)
    )
    clip = filmed(still, PAN)
    assert len(split(clip)) == 2 < len(split(replace(clip, camera=None)))
    assert is_furniture(clip.tracks[1], clip) and not is_furniture(clip.tracks[1], replace(clip, camera=None))


def test_people_hidden_while_the_camera_swings_are_found_and_filled_where_they_are() -> None:
    whole = walker(1, line((1500, 400), (50, 0), COUNT))
    seen = np.r_[0:42, 58:COUNT]
    parts = clip_of(whole[seen[:42]], whole[seen[42:]].replace(track_id=2), frame_count=COUNT)
    clip = filmed(parts, PAN)
    (person,) = refine_clip(clip, PLAIN).tracks
    truth = filmed(clip_of(whole), PAN).tracks[0]
    assert (person.origins[42:58] == FILLED)[truth.present[42:58]].all()
    assert np.allclose(person.joints, truth.joints, equal_nan=True, atol=1e-6)
    assert np.allclose(person.boxes, truth.boxes, atol=1e-6)
    assert len(refine_clip(replace(clip, camera=None), PLAIN).tracks) == 2


def test_smooth_paths_follow_the_shaking_of_a_hand_held_camera() -> None:
    """Somebody walks steadily; the camera shakes faster than any joint may move."""
    whole = clip_of(walker(1, line((300, 400), (50, 0), COUNT)))
    shake = 15 * np.sin(np.arange(COUNT) * 2)
    config = RefineConfig(smoothing=Smoothing(name="kalman"))
    truth = filmed(whole, shake).tracks[0].joints
    (known,) = refine_clip(filmed(whole, shake), config).tracks
    (unknown,) = refine_clip(replace(filmed(whole, shake), camera=None), config).tracks
    assert np.nanmax(np.abs(known.joints - truth)) < 0.1
    assert np.nanmax(np.abs(unknown.joints - truth)) > 5


@pytest.mark.parametrize("zoom", [1.01, 0.99, 1.0])
def test_small_errors_of_the_camera_do_not_add_up_to_nonsense_in_long_clips(zoom: float) -> None:
    """Wrong by a per cent in each frame; after 3,000 frames that would be a factor of 10^13."""
    count = 3000
    step = np.array([[zoom, 0.01, 0.0], [0.0, 1.0, 0.0]])
    clip = replace(clip_of(walker(1, line((640, 400), (0.5, 0), count))), camera=np.tile(step, (count, 1, 1)))
    place = clip.tracks[0].boxes[2900:, :2]
    there = seen_from(place, np.arange(2900, 3000), np.full(100, 2950), clip)
    back = seen_from(there, np.full(100, 2950), np.arange(2900, 3000), clip)
    assert np.isfinite(there).all() and np.allclose(back, place, atol=1e-6)
    stretch = np.linalg.svd(np.asarray(clip.to_first)[:, :2, :2], compute_uv=False)
    assert stretch.max() < 4.01 and stretch.min() > 0.249
    known = step[:, :2] @ place[49] + step[:, 2]
    assert np.linalg.norm(seen_from(place[49:50], np.array([2949]), 2950, clip)[0] - known) < 5
    (person,) = refine_clip(clip, RefineConfig()).tracks
    assert np.nanmax(np.abs(person.joints - clip.tracks[0].joints)) < 1


def test_an_outlier_is_smoothed_away_however_far_the_clip_has_gone() -> None:
    """The zoom is wrong by a little in each frame; the smoother must not take pixels of now for those of then."""
    count = 1500
    truth = walker(1, line((640, 400), (0, 0), count))
    joints = truth.joints.copy()
    joints[[100, 1400], 5] += 15
    step = np.array([[0.998, 0.0, 0.002 * 640], [0.0, 0.998, 0.002 * 400]])
    clip = replace(clip_of(truth.replace(joints=joints, raw=joints.copy())), camera=np.tile(step, (count, 1, 1)))
    (person,) = refine_clip(clip, RefineConfig()).tracks
    off = np.abs(person.joints - truth.joints)[[100, 1400], 5].max(axis=1)
    assert (off < 5).all() and np.isclose(off[0], off[1], rtol=0.1), off


def test_played_backwards_the_paths_before_a_shaky_camera_are_the_same() -> None:
    rng = np.random.default_rng(0)
    steps = np.tile(np.eye(3), (COUNT, 1, 1))
    steps[1:, :2] += rng.normal(0, 1, (COUNT - 1, 2, 3)) * [0.004, 0.004, 4]
    whole = walker(1, line((300, 400), (50, 0), COUNT))
    joints = whole.joints + rng.standard_t(2, whole.joints.shape)
    track, last = whole.replace(joints=joints, raw=joints), COUNT - 1
    clip = replace(clip_of(track), camera=steps[:, :2])
    turned = np.concatenate([np.eye(3)[None], np.linalg.inv(steps[:0:-1])])[:, :2]
    back = replace(clip_of(track[::-1].replace(frames=track.frames, times=track.times)), camera=turned)
    there = smooth(clip.tracks[0], clip, Smoothing())
    again = smooth(back.tracks[0], back, Smoothing())
    assert len(there) == last + 1 and np.allclose(again.joints[::-1], there.joints, equal_nan=True, atol=1e-6)
