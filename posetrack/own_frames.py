"""Frames from the user's own images: checked, and copied so that the arrays may be reused."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from posetrack.types import Frame, Image


def own_frames(pictures: Iterable[Image | Frame], fps: float = 25.0) -> Iterator[Frame]:
    """Frames with copies of the pictures, in order, so that a camera's loop may reuse one array.

    Args:
        pictures: uint8 [H, W, 3] RGB; or frames, which keep their indices and times.
        fps: Pictures per second; a picture's time is its number divided by this.

    Raises:
        TypeError: a picture is not an array.
        ValueError: an array has another shape or type, or no pixels.
    """
    for number, picture in enumerate(pictures):
        frame = picture if isinstance(picture, Frame) else Frame(number, number / fps, picture)
        yield replace(frame, image=_copied(frame.image, number))


def _copied(image: object, number: int) -> Image:
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image {number} is {reprlib.repr(image)}; give a numpy array, uint8 [H, W, 3] RGB.")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"image {number} is {image.dtype} {image.shape}; give uint8 [H, W, 3] RGB with pixels.")
    return np.array(image, order="C")
