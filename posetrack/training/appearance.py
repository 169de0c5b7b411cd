"""Random changes in how a training image looks: light, colour, blur, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np

from posetrack.types import Image


def recolour(image: Image, grey: float, random: np.random.Generator) -> Image:
    """Vary exposure, contrast and white balance; turn to grey with probability ``grey``."""
    gain = random.uniform(0.7, 1.3) * random.uniform(0.9, 1.1, 3)
    level = random.uniform(-25, 25)
    table = np.arange(256)[:, None] * gain + level
    coloured = cv2.LUT(np.ascontiguousarray(image), table.clip(0, 255).astype(np.uint8).reshape(256, 1, 3))
    if random.random() < grey:
        coloured = np.repeat(cv2.cvtColor(coloured, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return np.asarray(coloured)


def degrade(image: Image, probability: float, random: np.random.Generator) -> Image:
    """Add focus or motion blur, and JPEG artefacts, each with the given probability."""
    degraded: cv2.typing.MatLike = image
    if random.random() < probability:
        degraded = _blur(degraded, random)
    if random.random() < probability:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 70))]
        packed = cv2.imencode(".jpg", np.asarray(degraded)[..., ::-1], quality)[1]
        return np.ascontiguousarray(np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])
    return np.asarray(degraded, np.uint8)


def _blur(image: cv2.typing.MatLike, random: np.random.Generator) -> cv2.typing.MatLike:
    """Focus blur half of the time, otherwise motion blur, mostly horizontal."""
    if random.random() < 0.5:
        return cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 1.8))
    length = int(random.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    return cv2.filter2D(image, -1, kernel if random.random() < 0.7 else kernel.T)


def darken(image: Image, random: np.random.Generator) -> Image:
    """Low light: dark, most of all in the shadows, with sensor noise."""
    table = 255 * random.uniform(0.3, 0.8) * (np.arange(256) / 255) ** random.uniform(1.0, 2.2)
    dark = cv2.LUT(np.ascontiguousarray(image), table.clip(0, 255).astype(np.uint8))
    noise = random.normal(0, random.uniform(2, 10), image.shape)
    return np.asarray((dark + noise).clip(0, 255).round(), np.uint8)


def shrink(image: Image, random: np.random.Generator) -> Image:
    """Lose detail as if the person were far away: shrink, then enlarge again."""
    height, width = image.shape[:2]
    factor = random.uniform(1.5, 5.0)
    small = cv2.resize(
        np.ascontiguousarray(image),
        (max(2, round(width / factor)), max(2, round(height / factor))),
        interpolation=cv2.INTER_AREA,
    )
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
