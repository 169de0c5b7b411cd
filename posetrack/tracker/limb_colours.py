"""The appearance of people: the colours along their limbs and over their torso, 18 numbers.

Clothes keep their colour in every light, but not their brightness. So colours are log-opponent:
log(R / G) and log(B / sqrt(R G)) do not change with the brightness of the light. Black and white clothes
differ only in brightness. It is measured relative to the whole image and weighs less than colour, because
people walk through shadows.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from posetrack.skeletons import Skeleton
from posetrack.tracker.joints import confident_joints, medians, planes
from posetrack.types import BoolArray, FloatArray, Image, Poses

_TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_DOWN = ((0.1, 0.3, 0.5), (0.7, 0.9))
"""Shares of the way from the shoulders to the hips at which the upper and the lower torso are sampled, ..."""
_ACROSS = (0.25, 0.5, 0.75)
"""... and from one side to the other."""

_LIMBS = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
"""Left and right are one part: they are exchanged at times."""
_ALONG = (0.15, 0.29, 0.43, 0.57, 0.71, 0.85)
"""Shares of the way along a limb. Not at its ends, where clothes end and joints lie a little off."""

PARTS = len(_DOWN) + len(_LIMBS)
"""Upper and lower torso, upper arms, forearms, thighs and shins."""

_BRIGHTNESS_WEIGHT = 0.5
_DARK = 8.0
"""Added to all channels (0 to 255), because the colour of dark pixels is noise."""

_CORE = 0.6
"""Within this share of the width of another person's box, about its middle, that person may be in front."""

_PIXELS = 2_000
"""About this many pixels are sampled for the brightness of the whole image."""


class LimbColours:
    """An ``Appearance`` stage: 18 numbers for each person, three for each of six parts of the body.

    They are the medians over the part of log(R / G), of log(B / sqrt(R G)), and of half the log of the brightness
    relative to the image's. They are NaN for parts that are not visible: points count only if the joints
    around them are clearly seen and nobody else may be in front.

    Args:
        min_joint_score: Joints with a lower score are not clearly seen.
    """

    def __init__(self, min_joint_score: float = 0.3) -> None:
        self._min_joint_score = min_joint_score

    def describe(self, image: Image, poses: Poses) -> FloatArray:
        """float32 [N, 18]."""
        weights = _places(poses.skeleton)
        seen = confident_joints(poses, self._min_joint_score)
        places = np.where(seen, planes(poses.keypoints), np.float32(0)) @ weights
        shown = (~seen).astype(np.float32) @ (weights > 0).astype(np.float32) == 0
        shown &= weights.any(axis=0) & ~_covered(places, poses.boxes)
        colours, inside = _colours(image, places)
        shown = (shown & inside).reshape(PARTS * len(poses), weights.shape[1] // PARTS)
        described = medians(colours.reshape(3, *shown.shape), shown)
        described = np.where(shown.any(axis=1), described, np.float32(np.nan))
        return np.asarray(described.T.reshape(len(poses), 3 * PARTS), np.float32)


@lru_cache
def _places(skeleton: Skeleton) -> FloatArray:
    """float32 [K, P], places on the body as means of joints: as many for each part as for that with the most.

    Places without weights are none: some parts have fewer, and those whose joints the skeleton lacks have none.
    """
    parts: list[list[dict[str, float]]] = []
    for bands in _DOWN:
        corners = [
            ((1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across)
            for down in bands
            for across in _ACROSS
        ]
        parts.append([dict(zip(_TORSO, shares, strict=True)) for shares in corners])
    for start, end in _LIMBS:
        limbs = [(f"{side}_{start}", f"{side}_{end}") for side in ("left", "right")]
        parts.append([{one: 1 - share, other: share} for one, other in limbs for share in _ALONG])
    weights = np.zeros((len(skeleton), PARTS, max(map(len, parts))), np.float32)
    for part, places in enumerate(parts):
        for place, joints in enumerate(places):
            if joints.keys() <= set(skeleton.joints):
                weights[[skeleton.index(joint) for joint in joints], part, place] = list(joints.values())
    return weights.reshape(len(skeleton), -1)


def _covered(places: FloatArray, boxes: FloatArray) -> BoolArray:
    """bool [N, P]: the place, of float32 [2, N, P], lies where another person (boxes float32 [N, 4]) may be."""
    middle, half = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 2] - boxes[:, 0]) / 2
    low, high = middle - np.float32(_CORE) * half, middle + np.float32(_CORE) * half
    meeting = (boxes[:, None, 0] < high) & (low < boxes[:, None, 2])
    meeting &= (boxes[:, None, 1] < boxes[:, 3]) & (boxes[:, 1] < boxes[:, None, 3])
    np.fill_diagonal(meeting, False)
    covered = np.zeros(places.shape[1:], np.bool_)
    one, other = np.nonzero(meeting)
    x, y = places[:, one]
    inside = (x >= low[other, None]) & (x <= high[other, None])
    inside &= (y >= boxes[other, None, 1]) & (y <= boxes[other, None, 3])
    np.logical_or.at(covered, one, inside)
    return covered


def _colours(image: Image, places: FloatArray) -> tuple[FloatArray, BoolArray]:
    """float32 [3, N, P], the colour at places [2, N, P]; and bool [N, P], whether they are inside the image."""
    height, width = image.shape[:2]
    columns, rows = np.rint(places).astype(np.int64)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    pixels = image[np.where(inside, rows, 0), np.where(inside, columns, 0)].astype(np.float32)
    red, green, blue = np.log(pixels + np.float32(_DARK)).transpose(2, 0, 1)
    step = max(1, round((height * width / _PIXELS) ** 0.5))
    usual = np.log(image[::step, ::step].mean() + _DARK)
    brightness = np.float32(_BRIGHTNESS_WEIGHT) * ((red + green + blue) / 3 - np.float32(usual))
    return np.stack([red - green, blue - (red + green) / 2, brightness]), inside
