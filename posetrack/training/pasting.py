"""Another person in front of the one in a crop: photographs of one person show no crowds."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.pixels import from_centre
from posetrack.training.cutout import cut_out
from posetrack.training.photographs import read_image
from posetrack.training.pose_people import LabelledPerson
from posetrack.types import BoolArray, Image

MIN_JOINTS = 10
"""Minimum number of labelled joints for an outline."""


def paste_beside(
    crop: Image,
    joints: NDArray[np.float64],
    known: BoolArray,
    donor: LabelledPerson,
    random: np.random.Generator,
) -> tuple[Image, NDArray[np.float64]]:
    """The crop with the donor beside or over its person, at a similar size, and the donor's joints.

    Args:
        crop: uint8 [H, W, 3].
        joints: float64 [K, 2], the person's joints in the crop, pixels.
        known: bool [K].
        donor: Has at least ``MIN_JOINTS`` labelled joints.
        random: Chooses size and place.

    Returns:
        The new crop; and float64 [K, 3], the donor's joints in it and how sure they are (0 or 1). All are 0 if the
        person has too few known joints to compare sizes.
    """
    pasted = np.zeros((len(joints), 3))
    if known.sum() < 2:
        return crop, pasted
    low, high = joints[known].min(axis=0), joints[known].max(axis=0)
    labelled = donor.weights > 0
    points = from_centre(donor.keypoints)
    box = from_centre(donor.box).clip(0)
    colours, opacity = cut_out(read_image(donor.image), box, points[labelled])
    extent = points[labelled].max(axis=0) - points[labelled].min(axis=0)
    scale = random.uniform(0.7, 1.3) * float((high - low).max() / max(extent.max(), 1.0))
    away = np.array([random.choice([-1, 1]) * random.uniform(0.2, 0.9), random.uniform(-0.15, 0.15)])
    centre = (low + high) / 2 + away * np.maximum(high - low, 0.3 * (high - low).max())
    corner = np.floor(box[:2])
    middle = (points[labelled].max(axis=0) + points[labelled].min(axis=0)) / 2 - corner
    # From the cut-out's pixels to the crop's; both count pixel centres.
    matrix = np.array([[scale, 0, centre[0]], [0, scale, centre[1]]])
    matrix[:, 2] -= scale * (middle - 0.5)
    size = (crop.shape[1], crop.shape[0])
    alpha = cv2.warpAffine(opacity, matrix, size)[..., None]
    above = cv2.warpAffine(colours, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    mixed = crop + alpha * (np.asarray(above, np.float32) - crop)
    pasted[:, :2] = scale * (donor.keypoints - corner) + matrix[:, 2]
    pasted[:, 2] = labelled
    return np.asarray(mixed.round(), np.uint8), pasted
