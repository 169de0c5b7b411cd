"""What the page gets of a clip: a header as JSON, and the arrays of each track under a key of their content."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from posetrack.refine.clip import CARRIED, SEEN, Clip, Track
from posetrack.skeletons import Skeleton
from posetrack.video.palette import CENTRE, LEFT, OUTLINE, RIGHT, Rgb, person_colour, readable_on

_SIDES = ("left", "right")


def pack_track(track: Track) -> bytes:
    """A track of T frames and K joints, little-endian, array after array.

    int32 [T] places of frames; float32 [T, 4] boxes; float32 [T, K, 2] joints (NaN: missing); uint8 [T, K] scores
    (255 is 1); uint8 [T, K] origins.
    """
    scores = np.rint(np.clip(track.joint_scores, 0, 1) * 255)
    return b"".join(
        [
            track.frames.astype("<i4").tobytes(),
            track.boxes.astype("<f4").tobytes(),
            track.joints.astype("<f4").tobytes(),
            scores.astype(np.uint8).tobytes(),
            track.origins.astype(np.uint8).tobytes(),
        ]
    )


def track_key(packed: bytes) -> str:
    """A name of the packed track that changes with its content."""
    return hashlib.sha256(packed).hexdigest()[:24]


def describe_track(track: Track, key: str) -> dict[str, Any]:
    """What the page shows of a track before it has its arrays."""
    colour = person_colour(track.track_id)
    span = int(track.frames[-1] - track.frames[0]) + 1
    seen = int(np.isin(track.origins, (SEEN, CARRIED)).any(axis=1).sum())
    return {
        "id": track.track_id,
        "key": key,
        "name": track.name or "",
        "colour": _hex(colour),
        "ink": _hex(readable_on(colour)),
        "length": len(track),
        "seen": seen / span,
        "filled": (len(track) - seen) / span,
        "missing": 1 - len(track) / span,
    }


def describe_clip(clip: Clip) -> dict[str, Any]:
    """Frames, times, shots and skeleton of a clip."""
    return {
        "name": clip.name,
        "frames": clip.frames.tolist(),
        "times": np.round(clip.times, 5).tolist(),
        "cuts": clip.cuts.tolist(),
        "skeleton": _describe_skeleton(clip.skeleton),
    }


def _describe_skeleton(skeleton: Skeleton) -> dict[str, Any]:
    return {
        "joints": list(skeleton.joints),
        "used": skeleton.in_use.tolist(),
        "limbs": skeleton.limb_slots.tolist(),
        "sides": [_side(one, other) for one, other in skeleton.limbs],
        "colours": {"left": _hex(LEFT), "right": _hex(RIGHT), "centre": _hex(CENTRE), "outline": _hex(OUTLINE)},
    }


def _side(one: str, other: str) -> str:
    """Side of a limb: left or right if both ends are."""
    sides = {one.partition("_")[0], other.partition("_")[0]}
    return sides.pop() if len(sides) == 1 and sides <= set(_SIDES) else "centre"


def _hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def extent(clip: Clip) -> tuple[int, int]:
    """Width and height of the picture, in pixels: as the file says, else what the people's boxes cover."""
    if clip.size is not None and min(clip.size) > 0:
        return clip.size
    boxes = np.concatenate([np.zeros((1, 4)), *(track.boxes for track in clip.tracks)])
    width, height = np.ceil(boxes[:, 2:].max(axis=0) + 1).astype(int).tolist()
    return max(width, 16), max(height, 16)
