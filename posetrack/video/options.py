"""Which frames of a source to read."""

from __future__ import annotations

import math
from dataclasses import dataclass

from posetrack.errors import ConfigError
from posetrack.ranges import require_kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """The part of a source to read.

    Attributes:
        start_s: Skip frames before this presentation time. Defaults to the start.
        end_s: Stop before this presentation time. Defaults to the end.
        stride: Deliver every n-th of these frames, beginning with the first.
        max_frames: Maximum number of frames to deliver. Defaults to all.
        images_per_second: Frame rate of a folder of images, which have no times of their own; 0.001 to 1000.

    Raises:
        ConfigError: an option is out of range.
    """

    start_s: float | None = None
    end_s: float | None = None
    stride: int = 1
    max_frames: int | None = None
    images_per_second: float = 25.0

    def __post_init__(self) -> None:
        require_kinds(self)
        start, end = self.start_s or 0.0, math.inf if self.end_s is None else self.end_s
        if not 0 <= start < math.inf:
            raise ConfigError(f"start is {self.start_s} s; give a time from 0 on.")
        if not end > start:
            raise ConfigError(f"end is {self.end_s} s; give a time after the start ({start:g} s).")
        if self.stride < 1:
            raise ConfigError(f"stride is {self.stride}; give a whole number, at least 1 (every frame).")
        if self.max_frames is not None and self.max_frames < 1:
            raise ConfigError(f"max_frames is {self.max_frames}; give at least 1, or leave it out for all frames.")
        if not 0.001 <= self.images_per_second <= 1000:
            raise ConfigError(f"images_per_second is {self.images_per_second}; give a number from 0.001 to 1000.")

    def count(self, total: int | None, fps: float | None) -> int | None:
        """Number of frames delivered out of ``total``; None if neither that nor ``max_frames`` is known.

        >>> ReadOptions(start_s=1, end_s=3, stride=2).count(100, 25.0)
        25
        """
        if total is not None and fps:
            first = math.ceil(min(total, (self.start_s or 0.0) * fps))
            last = total if self.end_s is None else math.ceil(min(total, self.end_s * fps))
            total = max(0, last - first)
        if total is None:
            return self.max_frames
        total = math.ceil(total / self.stride)
        return total if self.max_frames is None else min(total, self.max_frames)
