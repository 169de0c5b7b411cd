"""Streams and cameras, decoded by OpenCV.

OpenCV's ``CAP_PROP_POS_MSEC`` behind a grabbed frame is that frame's own presentation time; it is missing (0)
where the stream has none. Its ``CAP_PROP_FRAME_COUNT`` can be any number for streams.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from urllib.parse import urlsplit

import cv2
import numpy as np

from posetrack.errors import VideoError
from posetrack.types import Image
from posetrack.video.quiet import silence_opencv

_PERIOD_S = 1 / 25
"""From one frame to the next where neither time stamps nor a frame rate are told."""

_FASTEST = 1000
"""A frame rate above this is a container's clock, not a rate."""

_TIMEOUT_MS = 15_000
"""For a stream to open, and for its next frame to come."""

_IN_PIECES = (".m3u8", ".mpd")
"""Playlists: their streams come in pieces of some seconds, each as fast as it is asked for."""


class CaptureReader:
    """A reader over an OpenCV capture. The first frame is decoded at once: what opens can be read.

    Args:
        opened: The capture, opened.
        fault: What to say if it has no frame, as a sentence.
    """

    live = False
    """Frames come in their own time, whether asked for or not."""

    def __init__(self, opened: cv2.VideoCapture, fault: str) -> None:
        self._capture = opened
        self.index = -1
        self.incomplete: str | None = None
        self._previous_s = -np.inf
        self.fps = _frame_rate(opened.get(cv2.CAP_PROP_FPS))
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
        """To the next frame."""
        if self._waiting:  # the first one, grabbed when the reader was made
            self._waiting = False
        else:
            self._image = None
            if not self._capture.grab():
                self.incomplete = self._at_end()
                return None
        self.index += 1
        self._previous_s = self._time()
        return self._previous_s

    def picture(self) -> Image:
        """The current frame."""
        if self._image is None:
            self._image = self._retrieve()
        if self._image is None:
            raise VideoError(
                f"Frame {self.index} ({self._previous_s:.3f} s) was found but cannot be converted to RGB."
            )
        return self._image

    def jump(self, time_s: float) -> None:
        """Stays: a stream cannot go forward quicker than it comes."""

    def close(self) -> None:
        """Let go of the file or device."""
        self._capture.release()

    def _retrieve(self) -> Image | None:
        done, image = self._capture.retrieve()
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8) if done else None

    @property
    def _period_s(self) -> float:
        return float(1 / self.fps) if self.fps else _PERIOD_S

    def _time(self) -> float:
        """Of the grabbed frame; a period after the one before where its time stamp is missing or goes back."""
        told = self._told_time()
        return told if told > self._previous_s else self._previous_s + self._period_s

    def _told_time(self) -> float:
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000

    def _at_end(self) -> str | None:
        """What is to be said at the end."""
        return None


class StreamReader(CaptureReader):
    """A network stream; its times count from the first frame that comes.

    Args:
        url: Where it is.
        label: How it is called in messages (without passwords).

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

    def _told_time(self) -> float:
        told = super()._told_time()
        if self._first_s is None:
            self._first_s = told
        return told - self._first_s

    def _at_end(self) -> str | None:
        if self.frame_count is not None and self.index + 1 >= self.frame_count - 2:
            return None
        return f"{self._label} ended or broke off after {self.index + 1} frames."


class CameraReader(CaptureReader):
    """A camera; the times are those of the frames' arrival, from the first on.

    Args:
        number: Which camera, from 0.
        clock: Seconds.

    Raises:
        VideoError: it cannot be opened.
    """

    def __init__(self, number: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._number = number
        self._clock = clock
        self._first_s: float | None = None
        fault = (
            f"Camera {number} cannot be opened: check that it is connected, that no other program uses it, and "
            "that you may use it."
        )
        super().__init__(_open(number, cv2.CAP_ANY, fault), fault)
        self.frame_count = None
        self.live = True

    def _told_time(self) -> float:
        now = self._clock()
        if self._first_s is None:
            self._first_s = now
        return now - self._first_s

    def _at_end(self) -> str | None:
        return f"Camera {self._number} broke off after {self.index + 1} frames."


def _open(target: str | int, backend: int, fault: str, settings: list[int] | None = None) -> cv2.VideoCapture:
    silence_opencv()
    try:
        str(target).encode()  # OpenCV does not survive what is no UTF-8
        capture = cv2.VideoCapture(target, backend, settings or [])
    except (cv2.error, UnicodeError) as error:
        raise VideoError(fault) from error
    if not capture.isOpened():
        raise VideoError(fault)
    return capture


def _frame_rate(told: float) -> Fraction | None:
    """As a fraction of small numbers (30000/1001 instead of 29.97002997)."""
    if not 0 < told <= _FASTEST:
        return None
    return Fraction(told).limit_denominator(1001)
