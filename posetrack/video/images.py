"""Read a sequence of images as frames."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from posetrack.errors import VideoError
from posetrack.types import Image
from posetrack.video.image_files import common_white, load, shown

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""File name suffixes of images."""

_SAMPLED = 16
"""Number of images sampled to find the bit depth in use."""

_WHOLE = 0xFFFF


def natural_order(paths: Sequence[Path]) -> list[Path]:
    """Sort paths in natural order: ``frame2`` before ``frame10``.

    >>> [path.name for path in natural_order([Path("f10.png"), Path("f9.png"), Path("F1.png")])]
    ['F1.png', 'f9.png', 'f10.png']
    """

    def key(path: Path) -> tuple[list[tuple[int, str]], str]:
        pieces = re.split(r"(\d+)", str(path).casefold())
        return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces if piece], str(path)

    return sorted(paths, key=key)


class ImageReader:
    """Reads images, one per frame. Applies the EXIF orientation and drops transparency.

    16 bits become 8. Images that use fewer than 16 bits (from 10-bit or 12-bit cameras) are all scaled by the same
    bit depth, which is taken from ``_SAMPLED`` of them, and a warning is logged.

    Unreadable images are skipped and reported in ``incomplete``; their indices and times stay unused.

    Args:
        paths: The images in order.
        images_per_second: Frame rate.

    Raises:
        VideoError: none of the images can be read.
    """

    fps: Fraction | None = None
    """Images have no frame rate."""

    live = False

    def __init__(self, paths: Sequence[Path], images_per_second: float) -> None:
        self._paths = paths
        self._period_s = 1 / images_per_second
        self._unreadable: list[Path] = []
        self._white: int | None = None
        self.index = -1
        self.frame_count: int | None = len(paths)
        self._first = self._image = self._next_readable()
        self.index = -1
        if self._first is None:
            raise VideoError(
                f"{paths[0]} cannot be read as an image: it is damaged, or its format is not supported."
            )
        self._unreadable.clear()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first image."""
        assert self._first is not None
        return self._first.shape[1], self._first.shape[0]

    @property
    def incomplete(self) -> str | None:
        """One sentence about the images that could not be read; None if all could."""
        if not self._unreadable:
            return None
        return (
            f"{len(self._unreadable)} of {len(self._paths)} images could not be read and were skipped, "
            f"first {self._unreadable[0]}: replace or remove the damaged images."
        )

    def advance(self) -> float | None:
        """Go to the next readable image; its time in seconds, or None at the end.

        Raises:
            VideoError: its size differs from the first image's.
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
            stored = load(self._paths[self.index])
            if stored is not None:
                if stored.is_deep and self._white is None:
                    self._white = _white_of(self._paths)
                return shown(stored, self._white or 0)
            self._unreadable.append(self._paths[self.index])
        return None

    def picture(self) -> Image:
        """The current image."""
        assert self._image is not None
        return self._image

    def jump(self, time_s: float) -> None:
        """Skip to the image before that time, without reading the others."""
        self.index = max(-1, min(len(self._paths), int(time_s / self._period_s)) - 1)

    def close(self) -> None:
        """Does nothing: no file is kept open."""


def _white_of(paths: Sequence[Path]) -> int:
    """The value of white in a folder of 16-bit images, from a sample spread over all of it."""
    step = max(1, len(paths) // _SAMPLED)
    sample = (load(path) for path in paths[::step])
    white = common_white(stored.needed_bits for stored in sample if stored is not None and stored.is_deep)
    if white < _WHOLE:
        _warn(f"The 16-bit images in {paths[0].parent} use {white.bit_length()} bits; {white} is taken as white.")
    return white


@lru_cache(maxsize=256)
def _warn(sentence: str) -> None:
    """Log a warning once per process, however often the folder is opened."""
    logging.getLogger("posetrack").warning(sentence)
