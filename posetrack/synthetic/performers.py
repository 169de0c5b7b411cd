"""People in motion: paths on the ground, and the posture at any time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from posetrack.errors import ConfigError
from posetrack.ranges import require_kinds
from posetrack.synthetic.motions import ON_THE_SPOT, run, walk
from posetrack.synthetic.outfits import Outfit
from posetrack.types import Doubles

_WALK_STRIDE, _RUN_STRIDE = 0.74, 1.45  # statures per cycle at vigour 1, so that feet do not slide
_RUNNING_M_PER_S = 2.4
_LOOK_S = 0.3


@dataclass(frozen=True, kw_only=True)
class Performer:
    """A person in a shot.

    Attributes:
        outfit: What the person looks like.
        path: Waypoints (time in seconds, x and z in metres) in order of time. The person walks or runs between
            them in straight lines with rounded turns, and stands still between two waypoints at one place.
        standing: Motion while standing, a key of ``motions.ON_THE_SPOT``.
        facing: Heading while standing, radians. ``None`` keeps the walking direction.
        vigour: Scale of the motion's angles and of the stride.
        phase: Offset of the motion in cycles or seconds, so that people are out of step.
        frozen_posture: Fixed posture [28] instead of motion (for training images).
    """

    outfit: Outfit
    path: tuple[tuple[float, float, float], ...]
    standing: str = "idle"
    facing: float | None = None
    vigour: float = 1.0
    phase: float = 0.0
    frozen_posture: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.standing not in ON_THE_SPOT:
            raise ConfigError(f"standing must be one of {', '.join(ON_THE_SPOT)}, not {self.standing!r}")
        if not self.path or np.any(np.diff([point[0] for point in self.path]) <= 0):
            raise ConfigError("a path needs at least one waypoint, and increasing times")

    @cached_property
    def _waypoints(self) -> tuple[Doubles, Doubles, Doubles]:
        """Times [W]; x, z and distance travelled [W, 3]; and the latter's integral over time [W, 3]."""
        times, xs, zs = np.array(self.path).T
        steps = np.hypot(np.diff(xs), np.diff(zs))
        points = np.stack([xs, zs, np.concatenate([[0.0], np.cumsum(steps)])], axis=-1)
        areas = (points[1:] + points[:-1]) / 2 * np.diff(times)[:, None]
        return times, points, np.concatenate([np.zeros((1, 3)), np.cumsum(areas, axis=0)])

    def _on_path(self, time_s: float) -> Doubles:
        """float [3]: x, z and distance travelled, on the straight lines between waypoints."""
        times, points, _ = self._waypoints
        return np.array([np.interp(time_s, times, points[:, axis]) for axis in range(3)])

    def _smoothed(self, time_s: float) -> Doubles:
        """float [3]: the mean of ``_on_path`` over 0.6 s, which rounds turns and eases starts."""
        times, points, integrals = self._waypoints

        def integral(until: float) -> Doubles:
            before = max(int(np.searchsorted(times, until, side="right")) - 1, 0)
            mean = (points[before] + self._on_path(until)) / 2
            area: Doubles = integrals[before] + (until - times[before]) * mean
            return area

        mean: Doubles = (integral(time_s + _LOOK_S) - integral(time_s - _LOOK_S)) / (2 * _LOOK_S)
        return mean

    def position(self, time_s: float) -> Doubles:
        """float [2]: x and z on the ground, metres."""
        return self._smoothed(time_s)[:2]

    def heading(self, time_s: float) -> float:
        """Heading in radians, while walking or standing."""
        velocity = self._velocity(time_s)
        walking = _smoothstep(0.1, 0.5, float(np.hypot(*velocity)))
        resting = self.facing if self.facing is not None else self._last_direction(time_s)
        direction = walking * velocity / (np.hypot(*velocity) + 1e-9)
        direction = direction + (1.02 - walking) * np.array([np.sin(resting), np.cos(resting)])
        return float(np.arctan2(direction[0], direction[1]))

    def posture(self, time_s: float) -> Doubles:
        """float [28], see ``anatomy.ANGLES``."""
        if self.frozen_posture is not None:
            return np.array(self.frozen_posture)
        speed = float(np.hypot(*self._velocity(time_s)))
        walking = _smoothstep(0.1, 0.7, speed)
        running = _smoothstep(0.85 * _RUNNING_M_PER_S, 1.15 * _RUNNING_M_PER_S, speed)
        travelled = float(self._smoothed(time_s)[2]) / (self.outfit.stature_m * self.vigour)
        stride = _WALK_STRIDE + running * (_RUN_STRIDE - _WALK_STRIDE)
        cycle = travelled / stride + self.phase
        still = ON_THE_SPOT[self.standing](time_s + 3 * self.phase, self.vigour)
        moving = walk(cycle, self.vigour)
        if running:
            moving = moving + running * (run(cycle, self.vigour) - moving)
        return still + walking * (moving - still)

    def _velocity(self, time_s: float) -> Doubles:
        """float [2], metres per second: the derivative of ``position``."""
        change = self._on_path(time_s + _LOOK_S) - self._on_path(time_s - _LOOK_S)
        velocity: Doubles = change[:2] / (2 * _LOOK_S)
        return velocity

    def _last_direction(self, time_s: float) -> float:
        times, points, _ = self._waypoints
        steps = np.diff(points[:, :2], axis=0)
        moved = np.flatnonzero((np.hypot(steps[:, 0], steps[:, 1]) > 0.05) & (times[:-1] <= time_s))
        step = steps[moved[-1]] if len(moved) else steps[0] if len(steps) else np.array([0.0, -1.0])
        return float(np.arctan2(step[0], step[1]))


def _smoothstep(low: float, high: float, value: float) -> float:
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)
