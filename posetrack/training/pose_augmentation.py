"""Random changes to a person's crop, so that a pose network learns people as footage shows them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.ranges import require_kinds
from posetrack.records import check_numbers
from posetrack.skeletons import Skeleton
from posetrack.training.appearance import darken, degrade, recolour, shrink
from posetrack.types import BoolArray, FloatArray, Image

_PROBABILITIES = (
    "flip", "grey", "degrade", "occlude", "turn_over", "half_body", "paste", "cut", "hide_head", "shrink",
    "darken",
)  # fmt: skip
_HEAD = ("nose", "head_bottom", "head_top", "left_ear", "right_ear")
_HALF_JOINTS = 3
"""Minimum number of joints in a half body."""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes to a person's crop (Xiao et al., section 4.1: scale 30 %, rotation 40 degrees, flip).

    Attributes:
        scale: Maximum relative change in size.
        rotation_deg: Maximum rotation.
        turn_over: Probability of rotating by any angle instead.
        shift: Maximum shift, as a share of the crop's sides: detected boxes are not centred.
        half_body: Probability of a crop around one half of the body: upper, lower (both as in HRNet, Wang et al.,
            2019), left or right.
        paste: Probability of another labelled person beside or over this one.
        cut: Probability that the frame cuts the body off.
        flip: Probability of mirroring.
        hide_head: Probability of painting over, pixelating or blurring the head, so that left and right
            cannot be learned from the face alone.
        occlude: Probability of a patch over part of the body: one colour, or copied from elsewhere in the crop.
        recolour: Vary exposure, contrast and white balance.
        grey: Probability of grey.
        darken: Probability of low light: dark and noisy.
        shrink: Probability of a small person: shrunk, then enlarged again.
        degrade: Probability of blur, and of JPEG artefacts.
    """

    scale: float = 0.3
    rotation_deg: float = 40.0
    turn_over: float = 0.0
    shift: float = 0.04
    half_body: float = 0.0
    paste: float = 0.0
    cut: float = 0.0
    flip: float = 0.5
    hide_head: float = 0.0
    occlude: float = 0.0
    recolour: bool = True
    grey: float = 0.05
    darken: float = 0.0
    shrink: float = 0.0
    degrade: float = 0.1

    def __post_init__(self) -> None:
        require_kinds(self, "augmentation.")
        probabilities = dict.fromkeys(_PROBABILITIES, (0, 1))
        check_numbers(self, "augmentation.", scale=(0, 0.9), rotation_deg=(0, 180), shift=(0, 1), **probabilities)


def half_body(
    box: FloatArray, joints: FloatArray, known: BoolArray, skeleton: Skeleton, rng: np.random.Generator
) -> FloatArray:
    """A box around one half of the body; the whole box if too few joints of that half are known.

    Args:
        box: float32 [4], x1 y1 x2 y2.
        joints: [K, 2] pixels.
        known: bool [K].
        skeleton: Skeleton of the joints.
        rng: Chooses the half.
    """
    kind = rng.choice(["upper", "lower", "left", "right"], p=[0.5, 0.2, 0.15, 0.15])
    chosen = known & np.array([_belongs(joint, str(kind)) for joint in skeleton.joints])
    if chosen.sum() < _HALF_JOINTS:
        return box
    low, high = joints[chosen].min(axis=0), joints[chosen].max(axis=0)
    margin = 0.1 * (box[2:] - box[:2]) + 0.1 * (high - low)
    half: FloatArray = np.concatenate([low - margin, high + margin]).astype(np.float32)
    return half


def _belongs(joint: str, half: str) -> bool:
    if half in ("left", "right"):
        return not joint.startswith("right" if half == "left" else "left")
    legs = joint.endswith(("knee", "ankle"))
    return joint.endswith("hip") or legs == (half == "lower")


def turn_deg(variation: Augmentation, rng: np.random.Generator) -> float:
    """A random angle to rotate a crop by."""
    limit = 180.0 if rng.random() < variation.turn_over else variation.rotation_deg
    return float(rng.uniform(-limit, limit))


def cut_off(
    crop: Image,
    joints: NDArray[np.float64],
    known: BoolArray,
    border: tuple[int, int, int],
    rng: np.random.Generator,
) -> tuple[Image, BoolArray]:
    """The crop with the frame's edge through the body, and which joints lie outside it: bool [K]."""
    height, width = crop.shape[:2]
    beyond = np.zeros(len(joints), np.bool_)
    if not known.any():
        return crop, beyond
    side = int(rng.choice(4, p=[0.15, 0.15, 0.6, 0.1]))  # left, right, bottom, top
    along = joints[:, side // 2]
    low, high = np.quantile(along[known], [0.15, 0.85])
    edge = float(rng.uniform(low, high))
    last = side in (1, 2)
    beyond = along > edge if last else along < edge
    place = int(np.clip(round(edge), 0, (width, height)[side // 2]))
    blank = slice(place, None) if last else slice(None, place)
    crop = crop.copy()
    crop[(slice(None), blank) if side < 2 else (blank, slice(None))] = border
    return crop, beyond


def hide_head(
    crop: Image, joints: NDArray[np.float64], known: BoolArray, skeleton: Skeleton, rng: np.random.Generator
) -> Image:
    """The crop with the head painted over, pixelated or blurred."""
    slots = [skeleton.index(joint) for joint in _HEAD if joint in skeleton.joints]
    seen = [slot for slot in slots if known[slot]]
    if len(seen) < 2:
        return crop
    points = joints[seen]
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    extent = float(np.linalg.norm(points.max(axis=0) - points.min(axis=0)))
    radius = max(4.0, 0.6 * extent) * rng.uniform(0.9, 1.4)
    mask = np.zeros(crop.shape[:2], np.uint8)
    middle = (round(float(centre[0])), round(float(centre[1])))
    cv2.circle(mask, middle, round(radius), (255,), -1)
    way = rng.integers(4)
    if way == 0:
        painted = np.full_like(crop, rng.integers(0, 256, 3))
    elif way == 1:
        painted = rng.integers(0, 256, crop.shape, np.uint8)
    elif way == 2:
        painted = np.asarray(cv2.GaussianBlur(crop, (0, 0), max(2.0, radius / 2)), np.uint8)
    else:
        painted = _pixelated(crop, max(2, round(radius / rng.uniform(1.0, 3.0))))
    return np.where(mask[..., None] > 0, painted, crop)


def _pixelated(image: Image, side: int) -> Image:
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(1, width // side), max(1, height // side)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def vary_appearance(crop: Image, variation: Augmentation, rng: np.random.Generator) -> Image:
    """The crop with random colours, occlusion, light, resolution and artefacts."""
    if variation.recolour:
        crop = recolour(crop, variation.grey, rng)
    if rng.random() < variation.occlude:
        crop = _occluded(crop, rng)
    if rng.random() < variation.darken:
        crop = darken(crop, rng)
    if rng.random() < variation.shrink:
        crop = shrink(crop, rng)
    return degrade(crop, variation.degrade, rng)


def _occluded(crop: Image, rng: np.random.Generator) -> Image:
    """The crop with a patch over part of it: one colour, or copied from elsewhere in the crop."""
    height, width = crop.shape[:2]
    wide, tall = (rng.uniform(0.12, 0.45, 2) * (width, height)).astype(int)
    left, top = int(rng.integers(0, width - wide)), int(rng.integers(0, height - tall))
    patch = np.full((tall, wide, 3), rng.integers(0, 256, 3), np.uint8)
    if rng.random() < 0.5:
        x, y = int(rng.integers(0, width - wide)), int(rng.integers(0, height - tall))
        patch = crop[y : y + tall, x : x + wide].copy()
    crop = crop.copy()
    crop[top : top + tall, left : left + wide] = patch
    return crop
