"""The same people at 7 to 240 frames a second: settings in seconds give the same tracks."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from posetrack.tracker import LinkerConfig
from posetrack.types import UNLINKED, Poses
from tests.test_tracker_linker import Still
from tests.walkers import FrameLinker, Pillar, Scene, Walker, straight

FASTEST = 240
THINNED = [1, 5, 10, 19, 34]
"""Every n-th frame: 240, 48, 24, 12.6 and 7.1 a second."""
CLOCK = 25 / FASTEST
"""Frames of the walkers' clock from one frame to the next at the highest rate."""


def panning(frame: float) -> tuple[float, float]:
    return 60 * float(np.sin(frame / 20)), 0.5 * frame


SCENE = Scene(
    (
        Walker(straight(300, 560, 3.0), height=170, depth=1.0),
        Walker(straight(640, 580, -3.2), height=180, depth=2.0, phase=1.0),
        Walker(straight(700, 600, 3.4), height=170, depth=3.0, phase=2.0),
    ),
    (Pillar((800, 0, 890, 800)),),
    panning,
)
"""Two people cross; a third is hidden by a pillar for about a second; the camera pans and tilts."""


@lru_cache(maxsize=1)
def seen(seconds: float) -> list[Poses]:
    """The scene at the highest rate."""
    return [SCENE.truth(CLOCK * index) for index in range(round(seconds * FASTEST))]


@pytest.mark.parametrize("every", THINNED)
def test_nobody_changes_identity_at_any_frame_rate(every: int) -> None:
    linker, ids = FrameLinker(LinkerConfig(), FASTEST / every), {}
    for index in range(0, len(seen(4.0)), every):
        truth = seen(4.0)[index]
        flow = SCENE.flow(CLOCK * index, CLOCK * every)
        linked = linker.link(truth.replace(track_ids=np.full(len(truth), UNLINKED)), flow)
        for person, number in zip(truth.track_ids.tolist(), linked.track_ids.tolist(), strict=True):
            ids.setdefault(person, set()).add(number)
    numbers = [own - {UNLINKED} for own in ids.values()]
    assert [len(own) for own in numbers] == [1, 1, 1] and len(set.union(*numbers)) == 3


def found_after(config: LinkerConfig, fps: float, gap_s: float) -> bool:
    """Whether somebody who stands still, unseen for some time after a second, keeps the number."""
    one, linker = SCENE.truth(0)[:1], FrameLinker(config, fps)
    last = round(fps)
    for _ in range(last):
        linker.link(one, Still())
    for _ in range(round(gap_s * fps) - 1):
        linker.link(one[:0], Still())
    return linker.link(one, Still()).track_ids.tolist() == [0]


@pytest.mark.parametrize("fps", [7, 12.5, 25, 50, 240])
def test_somebody_unseen_is_forgotten_after_as_many_seconds(fps: float) -> None:
    config = LinkerConfig(max_gap_s=2.0)
    assert found_after(config, fps, 1.85) and not found_after(config, fps, 2.3)


@pytest.mark.parametrize("fps", [12.5, 25, 50, 240])
def test_stored_poses_are_compared_for_as_many_seconds(fps: float) -> None:
    config = LinkerConfig(coasting=False, queue_s=0.4)
    assert found_after(config, fps, 0.36) and not found_after(config, fps, 0.5)


@pytest.mark.parametrize("fps", [7, 240])
def test_lengths_in_frames_replace_those_in_seconds(fps: float) -> None:
    config = LinkerConfig(max_gap_frames=10, max_gap_s=100.0)
    assert found_after(config, fps, 11 / fps) and not found_after(config, fps, 12 / fps)
    config = LinkerConfig(coasting=False, queue_frames=5, queue_s=100.0, max_gap_s=100.0)
    assert found_after(config, fps, 5 / fps) and not found_after(config, fps, 6 / fps)


@pytest.mark.parametrize("fps", [7, 25, 240])
def test_a_lost_person_is_expected_where_they_walk_at_any_rate(fps: float) -> None:
    """120 px a second, unseen for 0.9 seconds, while the flow at their last place is that of a wall."""
    start = SCENE.truth(0)[:1]

    def at(time_s: float) -> Poses:
        return start.replace(
            keypoints=start.keypoints + [120 * time_s, 0], boxes=start.boxes + [120 * time_s, 0, 120 * time_s, 0]
        )

    linker = FrameLinker(replace(LinkerConfig(), recovery_falloff=0.05, max_recovery_falloff=0.2), fps)
    frames = np.arange(round(2.5 * fps)) / fps
    ids = [linker.link(at(t) if t < 1.2 or t >= 2.1 else start[:0], Still()).track_ids.tolist() for t in frames]
    assert ids[-1] == [0] and sum(map(len, ids)) > fps
