"""Error bars: how far each joint may be from the truth, as a standard deviation in pixels.

It follows from three things: the joint's score, because most of a joint's error comes from the chance that it is a
mistake; how far the observations around the frame lie from the smooth path; and, in filled gaps, the time to both
ends, as for a body moving at random.

Errors have long tails. The standard deviation given is that of the normal distribution whose central 90 % (1.645
standard deviations on either side) contains as many joints, because that interval is what it is used for.

The constants minimise the quantile loss at 0.9 over 14,553 limb joints of three rendered scenes (crossing,
occlusion, re-entering) tracked by ``lite`` and refined. docs/refine.md says how many joints the intervals contain
elsewhere.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from posetrack.refine.bodies import sizes
from posetrack.refine.clip import FILLED, MISSING, Clip, Track
from posetrack.types import BoolArray, Doubles

_LEAST = 0.007
"""Body sizes: the error of joints with a score of 1."""

_MISTAKE, _STEEPNESS = 0.15, 1.5
"""Body sizes: what a score of 0 adds; and how fast that falls as the score rises."""

_SCATTER = 1.5
"""Share of the scatter about the path. Above 1, because where it is high the path is off, too."""

_FILLED = 1.5
"""Joints are missing where they are hard to see: near gaps, others are worse than their scores say."""

_SCATTER_S = 0.5
_DRIFT = 1.0
"""Spectral density of the random acceleration of a joint that is not seen, in body sizes^2 per second^3."""


def with_error_bars(track: Track, clip: Clip) -> Track:
    """The track with the standard deviation of each joint's x and of its y.

    Args:
        track: A person, filled and smooth.
        clip: Whose track it is.
    """
    size = sizes(track, clip.frame_s)[:, None]
    seen = track.observed
    by_score = _LEAST + _MISTAKE * (1 - track.joint_scores) ** _STEEPNESS
    sds = (by_score + _SCATTER * _scatter(track, seen, clip.frame_s) / size) * np.where(seen, 1, _FILLED)
    variances = np.square(sds)
    filled = track.origins == FILLED
    for joint in np.flatnonzero(filled.any(axis=0)).tolist():
        own = filled[:, joint]
        variances[own, joint] += _DRIFT * _bridges(track.times[own], track.times[seen[:, joint]])
    return track.replace(sds=np.where(track.origins == MISSING, np.nan, size * np.sqrt(variances)))


def _scatter(track: Track, seen: BoolArray, frame_s: float) -> Doubles:
    """float64 [T, K]: root mean square distance of observations from the path, in pixels, over half a second."""
    off = np.where(seen, np.square(track.raw - track.joints).sum(axis=-1) / 2, 0)
    window = max(round(_SCATTER_S / frame_s), 1) if frame_s > 0 else 1
    shares = [
        uniform_filter1d(values.astype(np.float64), window, axis=0, mode="constant") for values in (off, seen)
    ]
    return np.asarray(np.sqrt(np.maximum(shares[0], 0) / np.maximum(shares[1], 1 / window)))


def _bridges(filled: Doubles, seen: Doubles) -> Doubles:
    """float64 [G]: the cube of the time from filled frames to both ends of the gap, as variances grow.

    0 if the joint was never seen.

    Args:
        filled: float64 [G], seconds.
        seen: float64 [N]: when it was seen, ascending.
    """
    if not len(seen):
        return np.zeros(len(filled))
    after = np.searchsorted(seen, filled)
    before = filled - seen[np.maximum(after - 1, 0)]
    left = seen[np.minimum(after, len(seen) - 1)] - filled
    return np.asarray((before * left / np.maximum(before + left, 1e-9)) ** 3 / 3)
