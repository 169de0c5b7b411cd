"""A small picture of a clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from posetrack.errors import VideoError
from posetrack.types import Frame, Image
from posetrack.video import ReadOptions, open_source

LARGEST_SIZE = (160, 90)
"""Maximum width and height in pixels. A page may hold thousands of pictures."""

_QUALITY = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """What could be read of a clip.

    Attributes:
        webp: Content of a small WebP file; None if no frame could be read.
        fps: Frames per second of the clip; None if unknown.
    """

    webp: bytes | None = None
    fps: float | None = None


def thumbnail_of(footage: Path, frame: int) -> Thumbnail:
    """Make a picture of a frame, counted from 0, or of the first frame if the footage ends before.

    The frame is found by its time, as if frames were evenly spaced. Where they are not, the image may show a
    frame nearby.
    """
    try:
        with open_source(footage) as source:
            fps = source.info.fps
        start_s = max(0.0, (frame - 0.5) / float(fps)) if fps else 0.0
        shown = _first_from(footage, start_s) or _first_from(footage, 0.0)
    except VideoError:
        return Thumbnail()
    return Thumbnail(webp=shrink(shown.image) if shown else None, fps=float(fps) if fps else None)


def _first_from(footage: Path, start_s: float) -> Frame | None:
    with open_source(footage, ReadOptions(start_s=start_s, max_frames=1)) as source:
        try:
            return next(iter(source), None)
        except VideoError:  # no frame from there on can be read
            return None


def shrink(image: Image) -> bytes:
    """Encode an image, uint8 [H, W, 3] RGB, as WebP, scaled down to fit ``LARGEST_SIZE``."""
    height, width = image.shape[:2]
    scale = min(1.0, LARGEST_SIZE[0] / width, LARGEST_SIZE[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".webp", small, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    if not done:
        raise ValueError("OpenCV cannot write WebP")
    return np.asarray(data, np.uint8).tobytes()
