"""Read network streams and cameras with OpenCV.

After ``grab``, OpenCV's ``CAP_PROP_POS_MSEC`` is the presentation time of the grabbed frame, or 0 if the stream
has no times. ``CAP_PROP_FRAME_COUNT`` can be any number for streams.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import cv2
import numpy as np

from posetrack.errors import VideoError
from posetrack.types import Image
from posetrack.video.quiet import silence_opencv
from posetrack.video.timing import RisingTimes, frame_rate

_TIMEOUT_MS = 15_000
"""Timeout for a stream to open, and for its next frame."""

_IN_PIECES = (".m3u8", ".mpd")
"""Playlists: their streams come in pieces of a few seconds, each as fast as it is read."""


class CaptureReader:
    """A reader over an OpenCV capture. Decodes the first frame at once, so that a source that opens can be read.

    Args:
        opened: An open capture.
        fault: Error message if it has no frame.
    """

    live = False
    """Whether frames arrive in real time."""

    def __init__(self, opened: cv2.VideoCapture, fault: str) -> None:
        self._capture = opened
        self.index = -1
        self.incomplete: str | None = None
        self.fps = frame_rate(opened.get(cv2.CAP_PROP_FPS))
        self._times = RisingTimes(self.fps)
        count = opened.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(count) if 0 < count < 2**31 else None
        self._waiting = bool(opened.grab())
        image = self._retrieve() if self._waiting else None
        if image is None:
            self.close()
            raise VideoError(fault)
        self._image: Image | None = image
        self.size = (image.shape[1], image.shape[0])

    def advance(self) -> float | None:
        """Go to the next frame; its time in seconds, or None at the end."""
        if self._waiting:  # the first frame, grabbed by the constructor
            self._waiting = False
        else:
            self._image = None
            if not self._capture.grab():
                self.incomplete = self._at_end()
                return None
        self.index += 1
        return self._times.next(self._source_time())

    def picture(self) -> Image:
        """The current frame."""
        if self._image is None:
            self._image = self._retrieve()
        if self._image is None:
            raise VideoError(
                f"Frame {self.index} ({self._times.last_s:.3f} s) was received but cannot be converted to RGB."
            )
        return self._image

    def jump(self, time_s: float) -> None:
        """Does nothing: a stream cannot skip ahead."""

    def close(self) -> None:
        """Release the stream or device."""
        self._capture.release()

    def _retrieve(self) -> Image | None:
        done, image = self._capture.retrieve()
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8) if done else None

    def _source_time(self) -> float:
        """Presentation time of the current frame in seconds, as the source gives it."""
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000

    def _at_end(self) -> str | None:
        """A sentence if the source ended too early, else None."""
        return None


class StreamReader(CaptureReader):
    """A network stream. Times count from the first frame received.

    Args:
        url: Its address.
        label: Its name in messages (without passwords).

    Raises:
        VideoError: it cannot be opened.
    """

    def __init__(self, url: str, label: str) -> None:
        self._label = label
        self._first_s: float | None = None
        fault = (
            f"{label} cannot be opened as a video stream: check the address, the network and the access rights."
        )
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
        super().__init__(_open(url, cv2.CAP_FFMPEG, fault, timeouts), fault)
        in_pieces = urlsplit(url).path.endswith(_IN_PIECES)
        self.live = self.frame_count is None and not in_pieces

    def _source_time(self) -> float:
        time_s = super()._source_time()
        if self._first_s is None:
            self._first_s = time_s
        return time_s - self._first_s

    def _at_end(self) -> str | None:
        if self.frame_count is not None and self.index + 1 >= self.frame_count - 2:
            return None
        return f"{self._label} ended or was interrupted after {self.index + 1} frames."


class CameraReader(CaptureReader):
    """A camera. Times are those of arrival, counted from the first frame.

    Args:
        number: Index of the camera, from 0.
        clock: Returns the time in seconds.

    Raises:
        VideoError: it cannot be opened.
    """

    def __init__(self, number: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._number = number
        self._clock = clock
        self._first_s: float | None = None
        fault = (
            f"Camera {number} cannot be opened: check that it is connected, that no other program uses it, and "
            "that you have permission to use it."
        )
        super().__init__(_open(number, cv2.CAP_ANY, fault), fault)
        self.frame_count = None
        self.live = True

    def _source_time(self) -> float:
        now = self._clock()
        if self._first_s is None:
            self._first_s = now
        return now - self._first_s

    def _at_end(self) -> str | None:
        return f"Camera {self._number} stopped after {self.index + 1} frames."


def _open(target: str | int, backend: int, fault: str, settings: list[int] | None = None) -> cv2.VideoCapture:
    silence_opencv()
    try:
        str(target).encode()  # OpenCV crashes on names that are not UTF-8
        capture = cv2.VideoCapture(target, backend, settings or [])
    except (cv2.error, UnicodeError) as error:
        raise VideoError(fault) from error
    if not capture.isOpened():
        raise VideoError(fault)
    return capture
