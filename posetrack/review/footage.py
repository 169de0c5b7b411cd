"""Frames of a video as JPEG, by number, as the tracker counted them.

They come from the tracker's own reader. A browser's player finds frames by time only, counts rotated, trimmed and
variable-rate files in its own way, and does not play every source that posetrack reads.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.errors import VideoError
from posetrack.types import Frame, Image
from posetrack.video import ReadOptions, Source, open_source
from posetrack.video.identity import Identity
from posetrack.video.packets import list_frames

_LONGEST_SIDE = 1600
"""Pixels: a larger picture takes longer and shows no more on most screens."""

_QUALITY = 85
_CACHE_BYTES = 256 * 2**20

_BEHIND = 24
"""Frames before the wanted one that are kept after a jump, for steps back."""

_AHEAD = 150
"""Frames up to which reading on is faster than opening the source again."""

_HALF_TICK_S = 5e-4
_IMAGES_PER_SECOND = 25.0


class Footage:
    """A video, or images in a folder or glob, read in any order. Several threads may use it.

    Args:
        source: As for ``posetrack.video.open_source``.

    Attributes:
        name: Short name.
        size: Width and height in pixels.
        frame_count: Number of frames, an estimate; None if unknown.
        digest: Of a file (``video.identity.Identity``); None for images, whose digest changes with copying.

    Raises:
        VideoError: it cannot be opened, or is a camera or a stream.
    """

    def __init__(self, source: str | Path) -> None:
        self._path = source
        with open_source(source) as opened:
            info = opened.info
            if opened.live:
                raise VideoError(f"{source} cannot be read twice; give a file or a folder of images.")
        self.name, self.size, self.frame_count = info.name, (info.width, info.height), info.frame_count
        self._is_file = info.path is not None
        self.digest = Identity.now(Path(source)).digest if self._is_file else None
        self._times: NDArray[np.float64] | None = None
        self._lock = threading.Lock()
        self._pictures: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self._source: Source | None = None
        self._frames: Iterator[Frame] = iter(())
        self._next = 0

    def jpeg(self, number: int) -> bytes | None:
        """A frame as JPEG, scaled down to fit 1600 pixels; None if the source does not have it."""
        with self._lock:
            if number not in self._pictures:
                self._read_to(number)
            picture = self._pictures.get(number)
            if picture is not None:
                self._pictures.move_to_end(number)
            return picture

    def image(self, number: int) -> Image | None:
        """A frame, uint8 [H, W, 3] RGB, scaled as ``jpeg``; None if the source does not have it."""
        picture = self.jpeg(number)
        if picture is None:
            return None
        decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)
        return np.asarray(decoded, np.uint8)

    def close(self) -> None:
        """Release the source."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._source is not None:
            self._source.close()
        self._source, self._frames = None, iter(())

    def _read_to(self, number: int) -> None:
        if self._source is None or not self._next <= number <= self._next + _AHEAD:
            self._open_before(number)
        try:
            for frame in self._frames:
                self._next = frame.index + 1
                if frame.index >= number - _BEHIND:
                    self._keep(frame.index, encode_jpeg(frame.image))
                if frame.index >= number:
                    return
        except VideoError:  # no frame from there on can be read
            pass
        self._close()

    def _open_before(self, number: int) -> None:
        """Open the source at some frame before the wanted one, or at its start if it leads past that."""
        self._close()
        for start_s in (self._time_of(number - _BEHIND), 0.0):
            options = ReadOptions(start_s=start_s or None, images_per_second=_IMAGES_PER_SECOND)
            self._source = open_source(self._path, options)
            self._frames = iter(self._source)
            try:
                first = next(self._frames, None)
            except VideoError:
                first = None
            if first is not None and first.index <= number:
                self._next = first.index
                self._frames = _after(first, self._frames)
                return
            self._close()

    def _time_of(self, number: int) -> float:
        """Presentation time of a frame in seconds; 0 for those before the first."""
        if number <= 0:
            return 0.0
        if not self._is_file:
            return number / _IMAGES_PER_SECOND
        if self._times is None:
            self._times = list_frames(self._path).times_s
        return max(0.0, float(self._times[number]) - _HALF_TICK_S) if number < len(self._times) else 0.0

    def _keep(self, number: int, picture: bytes) -> None:
        if number in self._pictures:
            return
        self._pictures[number] = picture
        self._bytes += len(picture)
        while self._bytes > _CACHE_BYTES:
            self._bytes -= len(self._pictures.popitem(last=False)[1])


def _after(first: Frame, rest: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    yield from rest


def encode_jpeg(image: Image, longest: int = _LONGEST_SIDE, quality: int = _QUALITY) -> bytes:
    """An image, uint8 [H, W, 3] RGB, as JPEG, scaled down to fit a side of ``longest`` pixels."""
    scale = min(1.0, longest / max(image.shape[:2]))
    if scale < 1:
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("OpenCV cannot write JPEG")
    return np.asarray(data, np.uint8).tobytes()
