"""The One-Euro filter: smoothing that needs only what came before, for streams.

Casiez, Roussel & Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems" (CHI 2012): a low-pass filter whose cut-off rises with speed, so that what stands still does not jitter
and what moves does not lag.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from posetrack.ranges import require_above, require_at_least, require_kinds
from posetrack.types import UNLINKED, BoolArray, Doubles, Frame, Poses

MIN_CUTOFF_HZ, BETA, SPEED_CUTOFF_HZ = 1.0, 0.007, 1.0
"""The paper's constants."""

_FORGET_S = 0.5
"""After a longer absence the filter restarts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneEuro:
    """The filter's settings.

    Attributes:
        min_cutoff_hz: Cut-off of what stands still. Lower ones take away more jitter.
        beta: Rise of the cut-off in hertz per pixel per second. Higher ones lag less.

    Raises:
        ConfigError: a value is out of its range.
    """

    min_cutoff_hz: float = MIN_CUTOFF_HZ
    beta: float = BETA

    def __post_init__(self) -> None:
        require_kinds(self)
        require_above(0, min_cutoff_hz=self.min_cutoff_hz)
        require_at_least(0, beta=self.beta)


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """Points as last filtered, [..., 2] each; NaN where nothing is known."""

    time_s: float
    points: Doubles
    speeds: Doubles

    @classmethod
    def first(cls, points: Doubles, time_s: float) -> _State:
        return cls(time_s, points, np.zeros_like(points))

    def next(self, points: Doubles, time_s: float, how: OneEuro) -> _State:
        """With new observations. Points that were unknown start where they are seen, at rest."""
        passed = time_s - self.time_s
        new = np.isnan(self.points)
        speeds = np.where(new, 0, (points - self.points) / passed)
        speeds = self.speeds + _share(SPEED_CUTOFF_HZ, passed) * (speeds - self.speeds)
        cutoff = how.min_cutoff_hz + how.beta * np.linalg.norm(speeds, axis=-1, keepdims=True)
        smooth = np.where(new, points, self.points + _share(cutoff, passed) * (points - self.points))
        gone = np.isnan(points)
        return _State(time_s, smooth, np.where(gone | new, 0, speeds))


def _share(cutoff_hz: Doubles | float, passed_s: float) -> Doubles | float:
    """How far a low-pass filter goes towards a new observation."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff_hz * passed_s))


def filtered(joints: Doubles, times: Doubles, broken: BoolArray, how: OneEuro) -> Doubles:
    """Joints of one person, filtered from the first frame to the last.

    Args:
        joints: float64 [T, K, 2], pixels; NaN where missing.
        times: float64 [T], seconds, ascending.
        broken: bool [T - 1]: the filter restarts after this frame.
        how: Its settings.
    """
    result = joints.copy()
    state: _State | None = None
    for row, time_s in enumerate(times.tolist()):
        state = _advanced(None if row and broken[row - 1] else state, joints[row], time_s, how)
        result[row] = state.points
    return result


class StreamSmoother:
    """Smooths the joints of tracked people frame by frame, as they come.

    Args:
        how: The filter's settings.
    """

    def __init__(self, how: OneEuro | None = None) -> None:
        self._how = OneEuro() if how is None else how
        self._states: dict[int, _State] = {}

    def __call__(self, frame: Frame, poses: Poses) -> Poses:
        """The same people with smooth joints; those without a track id stay as they are.

        Args:
            frame: The next frame of the video, in order of time.
            poses: Its people.
        """
        states, time_s = self._states, frame.time_s
        self._states = {name: one for name, one in states.items() if time_s - one.time_s <= _FORGET_S}
        joints = np.where(poses.keypoint_scores[..., None] > 0, poses.keypoints, np.nan).astype(np.float64)
        for row, name in enumerate(poses.track_ids.tolist()):
            if name != UNLINKED:
                state = _advanced(self._states.get(name), joints[row], time_s, self._how)
                self._states[name], joints[row] = state, state.points
        smooth = np.where(np.isnan(joints), poses.keypoints, joints).astype(np.float32)
        return poses.replace(keypoints=smooth)


def smoothed(results: Iterable[tuple[Frame, Poses]], how: OneEuro | None = None) -> Iterator[tuple[Frame, Poses]]:
    """Frames and tracked poses as they come, their joints filtered (``StreamSmoother``).

    Args:
        results: Of one video, in order of time.
        how: The filter's settings.

    Yields:
        The same frames, and the same people with smooth joints.
    """
    smoother = StreamSmoother(how)
    for frame, poses in results:
        yield frame, smoother(frame, poses)


def _advanced(state: _State | None, points: Doubles, time_s: float, how: OneEuro) -> _State:
    if state is None or time_s <= state.time_s:
        return _State.first(points, time_s)
    return state.next(points, time_s, how)
