"""A tracker that loses a person for a while and then takes him for another, and footage for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from posetrack.scene import Scene
from posetrack.skeletons import POSETRACK
from posetrack.stages import FrameSource
from posetrack.stopwatch import Stopwatch
from posetrack.types import Frame, Poses
from tests.refine_clips import line, walker
from tests.video_clips import grey_clip, write_clip

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker

FRAMES = 60
LOST = range(35, 41)
"""Frames in which the first person is not seen. Afterwards he has another number."""

_WALKS = [line((60, 230), (60, 0), FRAMES), line((300, 235), (-10, 0), FRAMES)]


class LosingTracker:
    """Two people walk; one is lost for six frames, and comes back as a third."""

    def __init__(self) -> None:
        self.stopwatch = Stopwatch()
        self.made_with = {"preset": {"name": "losing"}}

    def track(self, source: FrameSource) -> Iterator[tuple[Frame, Poses]]:
        walkers = [walker(0, feet, height=150) for feet in _WALKS]
        for number, frame in enumerate(source):
            place = number % FRAMES
            ids = [0 if place < LOST.start else 2, 1]
            seen = [0, 1] if place not in LOST else [1]
            poses = Poses(
                boxes=np.array([walkers[n].boxes[place] for n in seen]),
                scores=np.full(len(seen), 0.9),
                keypoints=np.nan_to_num(np.array([walkers[n].joints[place] for n in seen])),
                keypoint_scores=np.array([walkers[n].joint_scores[place] for n in seen]),
                track_ids=np.array([ids[n] for n in seen]),
                skeleton=POSETRACK,
            )
            still = Scene(number == 0, np.eye(2, 3, dtype=np.float32), np.zeros((4, 4, 2), np.float32))
            yield replace(frame, scene=still), poses


def losing_tracker(*_: object, **__: object) -> PoseTracker:
    """Makes one."""
    return cast("PoseTracker", LosingTracker())


def footage(path: Path) -> Path:
    """A video of as many frames as the people walk."""
    return grey_clip(path, FRAMES, rate="25")


UNREPORTED = range(10, 20)
"""Frames in which a third person stands there, and is not reported."""


class BlurringTracker(LosingTracker):
    """Also sees somebody whom it does not report, for some frames, and expects the person that it lost."""

    def track(self, source: FrameSource) -> Iterator[tuple[Frame, Poses]]:
        for number, (frame, poses) in enumerate(super().track(source)):
            hidden = [0] * (number in LOST) + [2] * (number in UNREPORTED)
            others = [person(n, number) for n in hidden]
            yield frame, poses.replace(unreported=Poses.concatenate(others) if others else None)


def person(which: int, frame: int) -> Poses:
    """One of the three people."""
    track = walker(0, [*_WALKS, line((420, 230), (0, 0), FRAMES)][which], height=150)
    return Poses(
        boxes=track.boxes[[frame]], scores=[0.9], keypoints=np.nan_to_num(track.joints[[frame]]),
        keypoint_scores=track.joint_scores[[frame]], track_ids=[-1], skeleton=POSETRACK,
    )  # fmt: skip


def blurring_tracker(*_: object, **__: object) -> PoseTracker:
    """Makes one."""
    return cast("PoseTracker", BlurringTracker())


def noisy_footage(path: Path) -> Path:
    """Noise for a picture: what has been blurred is seen at once."""
    noise = np.random.default_rng(0).integers(0, 256, (270, 480, 1), np.uint8).repeat(3, axis=2)
    return write_clip(path, np.broadcast_to(noise, (FRAMES, *noise.shape)), "-preset", "ultrafast", rate="25")
