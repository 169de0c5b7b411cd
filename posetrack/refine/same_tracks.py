"""Tells whether two files hold the same tracks, in whichever formats they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from posetrack.refine.clip import Clip
from posetrack.skeletons import LIMB_JOINTS

_SAME_PX = 1.0
"""Formats round places by less."""

Places = dict[str, tuple[float, float]]
"""Person -> the mean x and y of the joints of their limbs, in pixels."""


def fingerprint(clip: Clip) -> str:
    """Of who is in which frame: the same in every format, and another for other tracks."""
    content = hashlib.sha256()
    for track in clip.tracks:
        content.update(f"{track.track_id}:".encode() + clip.frames[track.frames].astype("<i8").tobytes())
    return content.hexdigest()


def places(clip: Clip) -> Places:
    """Where each person is on the whole: two clips may have one person in as many frames, but hardly in one place.

    Joints that only some formats have do not count, nor do people without any other.
    """
    slots = [slot for slot, joint in enumerate(clip.skeleton.joints) if joint in LIMB_JOINTS]
    found: Places = {}
    for track in clip.tracks:
        joints = track.joints[:, slots]
        seen = joints[~np.isnan(joints).any(axis=-1)]
        if len(seen):
            x, y = np.round(seen.mean(axis=0), 2).tolist()
            found[str(track.track_id)] = (x, y)
    return found


def are_same(one: Mapping[str, tuple[float, float]], other: Mapping[str, tuple[float, float]]) -> bool:
    """Whether people are in the same places."""
    return one.keys() == other.keys() and all(
        max(abs(a - b) for a, b in zip(one[who], other[who], strict=True)) <= _SAME_PX for who in one
    )
