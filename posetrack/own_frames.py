"""Frames of somebody's own pictures: checked and copied as they come, whatever becomes of the arrays then."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from posetrack.types import Frame, Image


def own_frames(pictures: Iterable[Image | Frame], fps: float = 25.0) -> Iterator[Frame]:
    """Frames with copies of the pictures, in order. A camera's loop may fill one array again and again.

    Args:
        pictures: uint8 [H, W, 3] RGB; or frames, which keep their indices and times.
        fps: Pictures a second; a picture's time is its number over this.

    Raises:
        TypeError: something that is no array comes.
        ValueError: an array of another shape or type, or without pixels.
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
