"""Images as a source of frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from posetrack.errors import VideoError
from posetrack.types import Image
from posetrack.video.quiet import silence_opencv

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""File names that are taken for images."""


def natural_order(paths: Sequence[Path]) -> list[Path]:
    """Sorted as people count: ``frame2`` before ``frame10``.

    >>> [path.name for path in natural_order([Path("f10.png"), Path("f9.png"), Path("F1.png")])]
    ['F1.png', 'f9.png', 'f10.png']
    """

    def key(path: Path) -> tuple[list[tuple[int, str]], str]:
        pieces = re.split(r"(\d+)", str(path).casefold())
        return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces if piece], str(path)

    return sorted(paths, key=key)


class ImageReader:
    """Reads images, a frame each. Turned as their EXIF data say; 16 bits become 8; transparency is left out.

    Images that cannot be read are left out, and told of in ``incomplete``; their numbers and times stay free.

    Args:
        paths: The images in order.
        images_per_second: Their rate.

    Raises:
        VideoError: none of them can be read.
    """

    fps: Fraction | None = None
    """Images do not say."""

    live = False

    def __init__(self, paths: Sequence[Path], images_per_second: float) -> None:
        self._paths = paths
        self._period_s = 1 / images_per_second
        self._unreadable: list[Path] = []
        self.index = -1
        self.frame_count: int | None = len(paths)
        self._first = self._image = self._next_readable()
        self.index = -1
        if self._first is None:
            raise VideoError(
                f"{paths[0]} cannot be read as an image: it is damaged, or of a kind that is not supported."
            )
        self._unreadable.clear()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first image."""
        assert self._first is not None
        return self._first.shape[1], self._first.shape[0]

    @property
    def incomplete(self) -> str | None:
        """Which images could not be read."""
        if not self._unreadable:
            return None
        return (
            f"{len(self._unreadable)} of {len(self._paths)} images could not be read and were left out, "
            f"{self._unreadable[0]} first: replace or remove what is damaged."
        )

    def advance(self) -> float | None:
        """To the next image that can be read.

        Raises:
            VideoError: it has another size than the first.
        """
        self._image = self._next_readable()
        if self._image is None:
            return None
        height, width = self._image.shape[:2]
        if (width, height) != self.size:
            raise VideoError(
                f"{self._paths[self.index]} has {width}x{height} pixels where the images before it have "
                f"{self.size[0]}x{self.size[1]}: give images of one size."
            )
        return self.index * self._period_s

    def _next_readable(self) -> Image | None:
        while self.index + 1 < len(self._paths):
            self.index += 1
            image = read_image(self._paths[self.index])
            if image is not None:
                return image
            self._unreadable.append(self._paths[self.index])
        return None

    def picture(self) -> Image:
        """The current image."""
        assert self._image is not None
        return self._image

    def jump(self, time_s: float) -> None:
        """To the image before that time, without reading those before it."""
        self.index = max(-1, min(len(self._paths), int(time_s / self._period_s)) - 1)

    def close(self) -> None:
        """Nothing is held open."""


def read_image(path: Path) -> Image | None:
    """uint8 [H, W, 3] RGB, upright; None if it cannot be read.

    Raises:
        VideoError: the file may not be opened.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VideoError(f"{path} cannot be opened: {error.strerror}.") from error
    if not data or _is_cut_jpeg(data):
        return None
    silence_opencv()
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # damage that the decoder did not expect
        return None
    if image is None:
        return None
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _is_cut_jpeg(data: bytes) -> bool:
    """Whether its end marker is missing: found out here because libjpeg would complain on the terminal."""
    return data.startswith(b"\xff\xd8\xff") and b"\xff\xd9" not in data
