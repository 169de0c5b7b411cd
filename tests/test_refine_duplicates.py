"""People whom two tracks follow at once are one person; two people who are close are two."""

from typing import Any

import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.refine.clip import Clip, Track
from posetrack.refine.priors import Priors
from posetrack.refine.second_pass import RefineConfig, refine_clip
from tests.refine_clips import clip_of, line, walker

PATH = line((100, 400), (80, 0), 100)
FAR = walker(9, line((900, 400), (-60, 0), 100))


def seen(track_id: int, frames: np.ndarray, offset: tuple[float, float] = (0, 0), seed: int = 0) -> Track:
    """The walker of ``PATH`` in some frames, by another track, with joints a few pixels off."""
    track = walker(track_id, PATH[frames] + offset, frames=frames)
    noise = np.random.default_rng(seed).normal(0, 3, track.joints.shape)
    return track.replace(joints=track.joints + noise, raw=track.raw + noise)


def in_turns() -> Clip:
    """Tracks 1 and 2 see one person in turns, for two seconds; 2 ends there."""
    second = np.arange(30, 80)[np.random.default_rng(1).random(50) < 0.4]
    return clip_of(seen(1, np.setdiff1d(np.arange(100), second)), seen(2, second, seed=2), FAR)


def people(clip: Clip, **priors: Any) -> list[int]:
    return [track.track_id for track in refine_clip(clip, RefineConfig(priors=Priors(**priors))).tracks]


def test_a_person_whom_two_tracks_see_in_turns_is_one_and_loses_no_frame() -> None:
    refined = refine_clip(in_turns(), RefineConfig(max_fill_s=0))
    assert [track.track_id for track in refined.tracks] == [1, 9]
    assert refined.tracks[0].frames.tolist() == list(range(100))


def test_a_person_whom_two_tracks_see_at_once_is_one() -> None:
    clip = clip_of(seen(1, np.arange(100)), seen(2, np.arange(40, 75), seed=2), FAR)
    assert people(clip) == [1, 9]
    assert people(clip_of(seen(1, np.arange(100)), seen(2, np.array([50]), seed=2), FAR)) == [1, 9]


def test_the_track_that_sees_more_stays() -> None:
    clip = clip_of(seen(1, np.arange(40, 75)), seen(2, np.arange(100), seed=2), FAR)
    assert people(clip) == [2, 9]


@pytest.mark.parametrize("offset", [(50, 0), (0, 40)])
def test_two_people_who_embrace_are_two(offset: tuple[float, float]) -> None:
    """A quarter of their height apart, for two seconds."""
    clip = clip_of(seen(1, np.arange(100)), seen(2, np.arange(30, 80), offset, seed=2), FAR)
    assert people(clip) == [1, 2, 9]


def test_somebody_whom_another_passes_closely_is_not_a_duplicate() -> None:
    stands = walker(2, np.repeat(PATH[50:51], 40, axis=0), frames=np.arange(30, 70))
    assert people(clip_of(seen(1, np.arange(100)), stands, FAR)) == [1, 2, 9]


def test_where_the_first_track_is_lost_for_long_the_second_is_no_duplicate() -> None:
    """Where the person was a second ago does not tell whether this is the same one."""
    clip = clip_of(seen(1, np.r_[0:20, 80:100]), seen(2, np.arange(15, 90), seed=2), FAR)
    assert 2 in people(clip)


@pytest.mark.parametrize("priors", [{"different": ((1, 2),)}, {"certain": (2,)}, {"least": 3, "most": 3}])
def test_what_somebody_has_said_of_the_people_holds(priors: dict[str, Any]) -> None:
    assert people(in_turns()) == [1, 9]
    assert people(in_turns(), **priors) == [1, 2, 9]


def test_a_duplicate_that_somebody_has_named_stays() -> None:
    clip = in_turns()
    named = [track.replace(name="Ann") if track.track_id == 2 else track for track in clip.tracks]
    assert people(clip.with_tracks(named)) == [1, 2, 9]


def test_refining_twice_changes_nothing_more() -> None:
    once = refine_clip(in_turns(), RefineConfig())
    twice = refine_clip(once, RefineConfig())
    assert [track.track_id for track in twice.tracks] == [1, 9]
    for one, other in zip(once.tracks, twice.tracks, strict=True):
        np.testing.assert_allclose(one.joints, other.joints, atol=1e-6)


def test_two_tracks_of_one_person_cannot_be_the_same_by_hand() -> None:
    with pytest.raises(ConfigError, match="both seen"):
        people(clip_of(seen(1, np.arange(100)), seen(2, np.arange(40, 75), seed=2)), same=((1, 2),))
