"""Read image files as RGB. Decoders get bytes, never a file name, which may not be valid in any encoding."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from posetrack.errors import VideoError
from posetrack.types import Image
from posetrack.video.image_bytes import (
    MOST_PIXELS,
    is_jpeg,
    is_png,
    plain_jpeg,
    plain_png,
    stated_bits,
    stated_white,
)
from posetrack.video.quiet import silence_opencv

_BITS = (8, 10, 12, 14, 16)
"""Bit depths of sensors whose values are stored in 16 bits."""

_TURNS = {
    3: cv2.ROTATE_180,
    4: cv2.ROTATE_180,
    5: cv2.ROTATE_90_CLOCKWISE,
    6: cv2.ROTATE_90_CLOCKWISE,
    7: cv2.ROTATE_90_COUNTERCLOCKWISE,
    8: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
"""EXIF orientation -> rotation."""

_MIRRORED = (2, 4, 5, 7)
"""EXIF orientations that are mirrored left to right after the rotation."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """An image as stored in its file, but upright.

    Attributes:
        pixels: uint8 or uint16 [H, W, 3], RGB.
        white: The value of white stated in the file; None if it is not stated.
        bits: Significant bits per sample stated in the file; 0 if they are not stated.
    """

    pixels: NDArray[Any]
    white: int | None
    bits: int

    @property
    def is_deep(self) -> bool:
        """Whether its values have 16 bits, some of which may be unused."""
        return self.pixels.dtype == np.uint16 and self.white is None

    @property
    def needed_bits(self) -> int:
        """Number of bits in use, from the values and from what the file states."""
        return max(self.bits, int(self.pixels.max()).bit_length())


def load(path: Path) -> Stored | None:
    """Load an image; None if it cannot be read. Prints nothing.

    Raises:
        VideoError: the file cannot be opened.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VideoError(f"{path} cannot be opened: {error.strerror}.") from error
    if is_jpeg(data):
        pixels = _from_jpeg(data)
        return Stored(pixels, None, 0) if pixels is not None else None
    plain = plain_png(data) if is_png(data) else data
    if not plain:
        return None
    silence_opencv()
    try:
        image = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error:  # damage that the decoder does not handle
        return None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        return None
    return Stored(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)), stated_white(data), stated_bits(data))


def common_white(needed_bits: Iterable[int]) -> int:
    """The value of white in 16-bit images that do not state it: all ones in the smallest depth that fits them.

    >>> common_white([9, 10])
    1023
    """
    most = max(needed_bits, default=16)
    return (1 << next(bits for bits in _BITS if bits >= min(most, 16))) - 1


def shown(stored: Stored, white: int) -> Image:
    """Scale values in [0, white] to uint8 [H, W, 3]. A white stated in the file takes precedence."""
    white = stored.white or (white if stored.is_deep else 255)
    if stored.pixels.dtype == np.uint8 and white == 255:
        return stored.pixels
    return np.asarray(cv2.convertScaleAbs(stored.pixels, alpha=255 / white), np.uint8)


def _from_jpeg(data: bytes) -> NDArray[np.uint8] | None:
    """Decode with Pillow, which keeps libjpeg from printing on the terminal."""
    plain = plain_jpeg(data)
    if plain is None:
        return None
    try:
        opened = JpegImageFile(io.BytesIO(plain[0]))
        if opened.width * opened.height > MOST_PIXELS:
            return None
        image = np.asarray(opened.convert("RGB"))
    except (OSError, SyntaxError, ValueError, IndexError, struct.error):  # raised by Pillow for damaged files
        return None
    turn, mirror = _TURNS.get(plain[1]), plain[1] in _MIRRORED
    turned = image if turn is None else cv2.rotate(image, turn)
    return np.asarray(cv2.flip(turned, 1) if mirror else turned, np.uint8)
