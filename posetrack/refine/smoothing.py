"""Smoothing: zero-phase filters along a joint's path, never across gaps, cuts or people.

``kalman`` is the Kalman smoother (RTS) of a joint whose speed changes at random. Its estimate minimises a sum of
squares, errors weighted by joint scores plus second differences: one banded system for all paths of a joint.
Joints far off their path lose weight in four rounds, so that single errors do not bend it.

``one-euro`` alone is not zero-phase: it is for streams, and follows with a delay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, solveh_banded

from posetrack.errors import ConfigError
from posetrack.ranges import require_kinds
from posetrack.refine.background import carried
from posetrack.refine.bodies import centres, sizes
from posetrack.refine.clip import FILLED, MISSING, Clip, Track
from posetrack.refine.one_euro import OneEuro
from posetrack.refine.one_euro import filtered as one_euro
from posetrack.types import BoolArray, Doubles, IntArray

CUTOFF_HZ = 6.0
"""The cut-off that gait analysis reports most often."""

NAMES = ("kalman", "butterworth", "savgol", "one-euro", "none")
"""The filters."""

_WINDOW_S = 0.3
_POLYNOMIAL = 3
_ORDER = 2
"""Run forwards and backwards: order 4, as biomechanics counts."""

_LOWEST_CUTOFF = {"kalman": 1e-3, "butterworth": 1e-5}
"""Cycles per frame. With less, paths are nearly straight lines, and the arithmetic runs out of digits."""

_ROUNDS = 4
_LEAST_WEIGHT = 0.05
"""Of joints with a score of nothing, and of filled ones, which are no evidence but keep to their spline."""

_FAR = 0.03
"""Body sizes off the path at which a joint's weight is halved: the usual error of a joint that is right."""

_BY_HAND = 100.0
"""Weight of a joint placed by hand: its neighbours follow it."""

_LEAST_POINTS = 4

_Filter = Callable[[Doubles, Doubles, Doubles, BoolArray], Doubles]
"""points [N, 2], weights [N], far [N] (pixels), starts [N] (a run of points begins) -> points [N, 2]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """A filter and its strength.

    Attributes:
        name: ``kalman``, ``butterworth``, ``savgol``, ``one-euro`` or ``none``.
        cutoff_hz: Motion faster than this is halved (kalman) or cut off (butterworth; one-euro: of what stands
            still). ``None`` is 6 Hz, or half the frame rate if that is less; 1 Hz for one-euro.
        window_s: Length of ``savgol``'s window.

    Raises:
        ConfigError: the name is unknown, or a number is not above 0.
    """

    name: str = "kalman"
    cutoff_hz: float | None = None
    window_s: float = _WINDOW_S

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.name not in NAMES:
            raise ConfigError(
                f"--smooth must be {', '.join(NAMES[:-1])} or {NAMES[-1]}, optionally with a strength, such as "
                f"butterworth:6Hz or savgol:0.3s; not '{self.name}'."
            )
        strengths = (self.window_s, CUTOFF_HZ if self.cutoff_hz is None else self.cutoff_hz)
        if not all(0 < strength < np.inf for strength in strengths):
            raise ConfigError("--smooth: the cut-off frequency and the window must be above 0.")

    @classmethod
    def parse(cls, text: str) -> Smoothing:
        """A filter as the command line names it.

        >>> Smoothing.parse("butterworth:6Hz").cutoff_hz
        6.0
        >>> Smoothing.parse("savgol:0.2s").window_s
        0.2

        Raises:
            ConfigError: the text is none of those.
        """
        name, colon, strength = text.strip().partition(":")
        if not colon:
            return cls(name=name)
        unit = {"kalman": "hz", "butterworth": "hz", "savgol": "s", "one-euro": "hz"}.get(name)
        try:
            if unit is None:
                raise ValueError
            value = float(strength.strip().lower().removesuffix(unit))
            if not 0 < value < np.inf:
                raise ValueError
        except ValueError:
            raise ConfigError(
                f"--smooth {text}: give kalman:6Hz, butterworth:6Hz, savgol:0.3s, one-euro:1Hz, or a name alone; "
                "or none."
            ) from None
        return cls(name=name, window_s=value) if unit == "s" else cls(name=name, cutoff_hz=value)

    def check_rate(self, frame_s: float) -> None:
        """Refuse a cut-off that the frame rate cannot show.

        Raises:
            ConfigError: it is not below half the frame rate, or so low that the filter cannot be calculated.
        """
        if self.cutoff_hz is None or frame_s <= 0:
            return
        lowest = _LOWEST_CUTOFF.get(self.name, 0.0) / frame_s
        if self.cutoff_hz < lowest:
            raise ConfigError(
                f"--smooth: a cut-off of {self.cutoff_hz:g} Hz is too low for {1 / frame_s:.4g} frames per "
                f"second; give at least {lowest:.3g} Hz."
            )
        if self.cutoff_hz >= 0.5 / frame_s:
            raise ConfigError(
                f"--smooth: a cut-off of {self.cutoff_hz:g} Hz needs more than {2 * self.cutoff_hz:g} frames per "
                f"second, and the clip has {1 / frame_s:.4g}; give a lower one."
            )

    @property
    def one_euro(self) -> OneEuro:
        """Settings of the One-Euro filter."""
        return OneEuro() if self.cutoff_hz is None else OneEuro(min_cutoff_hz=self.cutoff_hz)

    def filter(self, frame_s: float) -> _Filter | None:
        """The filter of one joint's path for a frame rate; ``None`` changes nothing, or filters whole bodies."""
        if self.name in ("none", "one-euro") or frame_s <= 0:
            return None
        if self.name == "savgol":
            return _savgol(frame_s, self.window_s)
        cutoff = CUTOFF_HZ if self.cutoff_hz is None else self.cutoff_hz
        if self.name == "kalman":
            return _kalman(frame_s, cutoff)
        return None if cutoff >= 0.5 / frame_s else _butterworth(frame_s, cutoff)


def smooth(track: Track, clip: Clip, how: Smoothing) -> Track:
    """The track with smooth joints; ``raw`` stays as it is. Paths are smooth before a background that may move.

    Args:
        track: A person, with gaps filled as far as they are going to be.
        clip: Whose frames and shots they are.
        how: The filter.
    """
    broken = (np.diff(track.frames) > 1) | (np.diff(clip.shots(track.frames)) > 0)
    if how.name == "one-euro":
        return track.replace(joints=one_euro(track.joints, track.times, broken, how.one_euro))
    filtered = how.filter(clip.frame_s)
    if filtered is None:
        return track
    shifts = carried(centres(track, clip.skeleton), track.frames, clip)[:, None]
    joints = track.joints - shifts
    size = sizes(track, clip.frame_s)
    weights = np.where(track.origins == FILLED, _LEAST_WEIGHT, np.maximum(track.joint_scores, _LEAST_WEIGHT))
    far = np.broadcast_to((_FAR * size)[:, None], weights.shape)
    if track.by_hand is not None:  # beyond doubt, however far off the path of the others
        weights, far = np.where(track.by_hand, _BY_HAND, weights), np.where(track.by_hand, np.inf, far)
    for joint in range(joints.shape[1]):
        rows, starts = _runs(track.origins[:, joint] != MISSING, broken)
        if len(rows):
            joints[rows, joint] = filtered(joints[rows, joint], weights[rows, joint], far[rows, joint], starts)
    return track.replace(joints=joints + shifts)


def _runs(there: BoolArray, broken: BoolArray) -> tuple[IntArray, BoolArray]:
    """Rows that are there, in runs without a break, and whether one begins with each. Short ones are left out."""
    rows: IntArray = np.flatnonzero(there)
    starts = np.ones(len(rows), dtype=bool)
    starts[1:] = (np.diff(rows) > 1) | broken[rows[:-1]]
    first = np.flatnonzero(starts)
    lengths = np.diff(np.append(first, len(rows)))
    long = np.repeat(lengths >= _LEAST_POINTS, lengths)
    return rows[long], starts[long]


def _each_run(one: Callable[[Doubles], Doubles]) -> _Filter:
    """A filter of one run's points, for all runs."""

    def filtered(points: Doubles, weights: Doubles, far: Doubles, starts: BoolArray) -> Doubles:
        return np.concatenate([one(run) for run in np.split(points, np.flatnonzero(starts)[1:])])

    return filtered


def _butterworth(frame_s: float, cutoff_hz: float) -> _Filter:
    from scipy.signal import butter, sosfiltfilt  # importing it takes half a second, and most runs do without

    # two passes would lower the cut-off: Winter's correction, in the frequencies of the bilinear transform
    one_pass = np.arctan(np.tan(np.pi * cutoff_hz * frame_s) / (np.sqrt(2) - 1) ** (1 / 4)) / np.pi
    sections = butter(_ORDER, 2 * one_pass, output="sos")
    usual_padding = 3 * (2 * len(sections) + 1)

    def filtered(points: Doubles) -> Doubles:
        # without the line from end to end, steady motion passes unchanged
        line = points[0] + np.linspace(0, 1, len(points))[:, None] * (points[-1] - points[0])
        padding = min(usual_padding, len(points) - 1)
        return np.asarray(line + sosfiltfilt(sections, points - line, axis=0, padlen=padding))

    return _each_run(filtered)


def _savgol(frame_s: float, window_s: float) -> _Filter:
    from scipy.signal import savgol_filter

    window = 2 * round(window_s / frame_s / 2) + 1

    def filtered(points: Doubles) -> Doubles:
        fitting = min(window, len(points) - 1 + len(points) % 2)
        if fitting <= _POLYNOMIAL:
            return points
        return np.asarray(savgol_filter(points, fitting, _POLYNOMIAL, axis=0))

    return _each_run(filtered)


def _kalman(frame_s: float, cutoff_hz: float) -> _Filter:
    # the second difference's gain at the cut-off; there a joint of score 1 is halved
    stiffness = (2 * np.sin(np.pi * min(cutoff_hz * frame_s, 0.5))) ** -4

    def filtered(points: Doubles, weights: Doubles, far: Doubles, starts: BoolArray) -> Doubles:
        bands = stiffness * _second_differences(starts)
        trusted, squares = weights, np.square(far)
        points = np.asfortranarray(points)  # columns, as LAPACK has them
        for _ in range(_ROUNDS):
            x, y = (points - _solved(bands, trusted, points)).T
            trusted = weights / (1 + (x * x + y * y) / squares)
        return _solved(bands, trusted, points)

    return filtered


def _second_differences(starts: BoolArray) -> Doubles:
    """float64 [3, N]: lower bands of D'D, where D takes second differences within runs; bool [N]: one begins."""
    bands = np.zeros((3, len(starts)), order="F")
    inner = 1.0 - (starts[1:-1] | starts[2:])
    bands[0, :-2] += inner
    bands[0, 1:-1] += 4 * inner
    bands[0, 2:] += inner
    bands[1, :-2] -= 2 * inner
    bands[1, 1:-1] -= 2 * inner
    bands[2, :-2] += inner
    return bands


def _solved(bands: Doubles, weights: Doubles, points: Doubles) -> Doubles:
    system = bands.copy(order="F")
    system[0] += weights
    try:
        path = solveh_banded(
            system, weights[:, None] * points, lower=True, overwrite_ab=True, overwrite_b=True, check_finite=False
        )
    except LinAlgError:  # the stiffness has left no digits for the weights
        raise ConfigError("--smooth: the cut-off is too low for this clip; give a higher one.") from None
    return np.asarray(path, dtype=np.float64)
