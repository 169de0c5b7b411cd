"""Ghosts: tracks of signs, bags and shadows, recognised over the whole track.

The pose network seldom finds a body in an object that the detector took for a person. On PETS-S3MF1 and TUD-Campus
the mean joint score of tracks without a person was 0.09 to 0.14, and 0.30 for one of three frames; that of people
seen for longer than half a second was 0.42 to 0.64. The thresholds lie between, nearer to the ghosts: losing a
person costs more than keeping a sign.
"""

from __future__ import annotations

import numpy as np

from posetrack.refine.background import seen_from
from posetrack.refine.bodies import centres, joint_evidence, sizes
from posetrack.refine.clip import Clip, Track
from posetrack.skeletons import Skeleton

LEAST_EVIDENCE = 0.2
"""Mean joint score of people, whatever the length of their track."""

_FLEETING_EVIDENCE = 0.2
"""A track of a single frame needs this much more; the surplus fades as the track lasts."""

_FLEETING_S = 0.25
_STILL = 0.5
"""Furniture moves by less than this share of its size from its first frame to its last."""


def is_furniture(track: Track, clip: Clip) -> bool:
    """Whether a track stands still before the background and its joints are not those of a person.

    Such tracks must go before people are associated: a person who passes behind a sign must not be linked to it.
    """
    if joint_evidence(track, clip.skeleton).mean() >= LEAST_EVIDENCE:
        return False
    places = seen_from(centres(track, clip.skeleton), track.frames, int(track.frames[len(track) // 2]), clip)
    spread = np.linalg.norm(places.max(axis=0) - places.min(axis=0))
    return bool(spread < _STILL * np.median(sizes(track, clip.frame_s)))


def is_ghost(track: Track, skeleton: Skeleton, frame_s: float) -> bool:
    """Whether a whole track is too weak to be a person. The shorter it is, the stronger it must be."""
    seconds = len(track) * frame_s
    needed = LEAST_EVIDENCE + _FLEETING_EVIDENCE * np.exp(-seconds / _FLEETING_S)
    return bool(joint_evidence(track, skeleton).mean() < needed)
