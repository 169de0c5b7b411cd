"""A camera that moves: people are where they are before the background, not in the picture."""

from dataclasses import replace

import numpy as np

from posetrack.refine.background import seen_from
from posetrack.refine.clip import FILLED, Clip, Track
from posetrack.refine.ghosts import is_furniture
from posetrack.refine.second_pass import RefineConfig, refine_clip
from posetrack.refine.smoothing import Smoothing
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
