"""A tracker without networks whose people depend on the frame's number alone: on no past, and no process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from posetrack.batch.tasks import Compute
from posetrack.stages import FrameSource
from posetrack.stopwatch import Stopwatch
from posetrack.types import Boxes, Frame, Poses
from tests.stubs import StubPose

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker


class Pacer:
    """Follows one person."""

    def __init__(self, seconds_per_frame: float) -> None:
        self.stopwatch = Stopwatch()
        self._seconds_per_frame = seconds_per_frame

    def track(self, source: FrameSource) -> Iterator[tuple[Frame, Poses]]:
        for frame in source:
            time.sleep(self._seconds_per_frame)
            box = np.array([[40.0, 20.0, 80.0, 100.0]], np.float32) + np.float32(frame.index % 100)
            poses = StubPose().estimate(frame.image, Boxes(box, np.array([0.9])))
            yield frame, poses.replace(track_ids=np.zeros(1, np.int64))


@dataclass(frozen=True)
class PacingTracker:
    """A ``TrackerFactory``."""

    seconds_per_frame: float = 0.0

    def __call__(self, compute: Compute) -> PoseTracker:
        return cast("PoseTracker", Pacer(self.seconds_per_frame))
