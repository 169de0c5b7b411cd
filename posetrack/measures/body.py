"""One person of a clip, with joints by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from posetrack.refine.clip import FILLED, Clip, Track
from posetrack.skeletons import Skeleton
from posetrack.types import BoolArray, Doubles

_FACING_WINDOW_S = 1.0
_SIDE_VIEW = 0.06
"""Trunk lengths by which the nose is in front of the shoulders' middle, at least, in a view from the side."""

Point = str | tuple[str, str]
"""A joint, or two joints whose middle is meant."""


@dataclass(frozen=True, eq=False)
class Body:
    """A person in T frames.

    Attributes:
        clip: The clip.
        track: The person.
    """

    clip: Clip
    track: Track

    @property
    def skeleton(self) -> Skeleton:
        """Names of the joints."""
        return self.clip.skeleton

    @property
    def times(self) -> Doubles:
        """float64 [T], seconds."""
        return self.track.times

    def at(self, point: Point) -> Doubles:
        """float64 [T, 2], pixels: a joint, or the middle of two. NaN where one is missing.

        The middles of shoulders and hips are the same as OpenPose's neck and mid_hip.
        """
        if isinstance(point, tuple):
            return (self.at(point[0]) + self.at(point[1])) / 2
        if point not in self.skeleton.joints:
            return np.full((len(self.track), 2), np.nan)
        return self.track.joints[:, self.skeleton.index(point)]

    def variance(self, point: Point) -> Doubles:
        """float64 [T], square pixels, of x and of y; NaN where unknown."""
        if isinstance(point, tuple):
            return (self.variance(point[0]) + self.variance(point[1])) / 4
        if self.track.sds is None or point not in self.skeleton.joints:
            return np.full(len(self.track), np.nan)
        return np.asarray(self.track.sds[:, self.skeleton.index(point)] ** 2)

    def score(self, points: tuple[Point, ...]) -> Doubles:
        """float64 [T]: the lowest score of the joints; NaN where one is missing."""
        scores = [self.track.joint_scores[:, slot] for slot in self.slots(points)]
        there = np.all([np.isfinite(self.at(point)).all(axis=1) for point in points], axis=0)
        return np.where(there, np.min(scores, axis=0) if scores else np.nan, np.nan)

    def filled(self, points: tuple[Point, ...]) -> BoolArray:
        """bool [T]: one of the joints was filled in, not seen."""
        filled = self.track.origins[:, self.slots(points)] == FILLED
        return np.asarray(filled.any(axis=1), dtype=np.bool_)

    def slots(self, points: tuple[Point, ...]) -> list[int]:
        """Slots of the joints that the points are made of, as far as the skeleton has them."""
        names = [name for point in points for name in ((point,) if isinstance(point, str) else point)]
        return [self.skeleton.index(name) for name in names if name in self.skeleton.joints]

    def never_seen(self, points: tuple[Point, ...]) -> list[str]:
        """Joints of the points that are missing in all frames."""
        names = [name for point in points for name in ((point,) if isinstance(point, str) else point)]
        return [name for name in dict.fromkeys(names) if np.isnan(self.at(name)).all()]

    @cached_property
    def trunk(self) -> float:
        """Median length of the trunk in pixels; NaN if it is never seen."""
        ends = self.at(("left_shoulder", "right_shoulder")) - self.at(("left_hip", "right_hip"))
        lengths = np.hypot(*ends.T)
        return float(np.nanmedian(lengths)) if np.isfinite(lengths).any() else np.nan

    @cached_property
    def facing(self) -> Doubles:
        """float64 [T]: 1 if the person faces the right of the image, -1 left, NaN if it cannot be seen.

        It is judged by the nose being in front of the shoulders' midpoint, over a second.
        """
        ahead = (self.at("nose") - self.at(("left_shoulder", "right_shoulder")))[:, 0] / self.trunk
        smooth = rolling_median(ahead, self.times, _FACING_WINDOW_S)
        return np.where(np.abs(smooth) >= _SIDE_VIEW, np.sign(smooth), np.nan)

    @cached_property
    def view(self) -> str:
        """In words, how the camera sees the person most of the time."""
        known = self.facing[np.isfinite(self.facing)]
        if len(known) < len(self.facing) / 2:
            return "from the front or behind"
        right = float((known > 0).mean())
        return "from the side" + (", facing right" if right > 0.8 else ", facing left" if right < 0.2 else "")


def rolling_median(values: Doubles, times: Doubles, window_s: float) -> Doubles:
    """float64 [T] medians over a window around each value, without NaN; NaN where there is none."""
    if len(values) < 2:
        return values
    half = max(1, round(window_s / 2 / float(np.median(np.diff(times)))))
    padded = np.concatenate([np.full(half, np.nan), values, np.full(half, np.nan)])
    windows = sliding_window_view(padded, 2 * half + 1)
    found = np.isfinite(windows).any(axis=1)
    medians = np.full(len(values), np.nan)
    medians[found] = np.nanmedian(windows[found], axis=1)
    return medians
