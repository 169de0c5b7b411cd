"""Image files in, RGB out. Decoders get bytes, never a file's name, which need not be valid in any encoding."""

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
from posetrack.video.image_bytes import MOST_PIXELS, is_jpeg, is_png, plain_jpeg, plain_png, told_bits, told_white
from posetrack.video.quiet import silence_opencv

_BITS = (8, 10, 12, 14, 16)
"""Of sensors whose values are stored in 16 bits."""

_TURNS = {
    3: cv2.ROTATE_180,
    4: cv2.ROTATE_180,
    5: cv2.ROTATE_90_CLOCKWISE,
    6: cv2.ROTATE_90_CLOCKWISE,
    7: cv2.ROTATE_90_COUNTERCLOCKWISE,
    8: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
"""How the pictures of EXIF orientations are turned."""

_MIRRORED = (2, 4, 5, 7)
"""Those that are mirrored left to right afterwards."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """An image as its file has it, upright.

    Attributes:
        pixels: uint8 or uint16 [H, W, 3], RGB.
        white: The value of white, where the file tells it for certain; None if not.
        bits: Bits of each value that the file says are used; 0 if it does not say.
    """

    pixels: NDArray[Any]
    white: int | None
    bits: int

    @property
    def is_deep(self) -> bool:
        """Whether its values have 16 bits, of which not all need be in use."""
        return self.pixels.dtype == np.uint16 and self.white is None

    @property
    def needed_bits(self) -> int:
        """Bits that its values have, or are said to have."""
        return max(self.bits, int(self.pixels.max()).bit_length())


def read_image(path: Path, white: int | None = None) -> Image | None:
    """uint8 [H, W, 3] RGB, upright; None if it cannot be read.

    Args:
        path: The file.
        white: The value of white where values have 16 bits and the file does not tell; None: as for a folder of
            this one image.

    Raises:
        VideoError: the file may not be opened.
    """
    stored = load(path)
    if stored is None:
        return None
    return shown(stored, common_white([stored.needed_bits]) if white is None else white)


def load(path: Path) -> Stored | None:
    """An image; None if it cannot be read. Prints nothing.

    Raises:
        VideoError: the file may not be opened.
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
    except cv2.error:  # damage that the decoder did not expect
        return None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        return None
    return Stored(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)), told_white(data), told_bits(data))


def common_white(needed_bits: Iterable[int]) -> int:
    """The value of white in 16-bit images that do not tell: all ones, in as many bits as all of them need.

    >>> common_white([9, 10])
    1023
    """
    most = max(needed_bits, default=16)
    return (1 << next(bits for bits in _BITS if bits >= min(most, 16))) - 1


def shown(stored: Stored, white: int) -> Image:
    """uint8 [H, W, 3]: values from 0 to white (the file's own, where it tells) become 0 to 255."""
    told = stored.white or (white if stored.is_deep else 255)
    if stored.pixels.dtype == np.uint8 and told == 255:
        return stored.pixels
    return np.asarray(cv2.convertScaleAbs(stored.pixels, alpha=255 / told), np.uint8)


def _from_jpeg(data: bytes) -> NDArray[np.uint8] | None:
    """By Pillow, because it keeps libjpeg from complaining on the terminal."""
    plain = plain_jpeg(data)
    if plain is None:
        return None
    try:
        opened = JpegImageFile(io.BytesIO(plain[0]))
        if opened.width * opened.height > MOST_PIXELS:
            return None
        image = np.asarray(opened.convert("RGB"))
    except (OSError, SyntaxError, ValueError, IndexError, struct.error):  # how Pillow tells of damage
        return None
    turn, mirror = _TURNS.get(plain[1]), plain[1] in _MIRRORED
    turned = image if turn is None else cv2.rotate(image, turn)
    return np.asarray(cv2.flip(turned, 1) if mirror else turned, np.uint8)
