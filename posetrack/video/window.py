"""Show the annotated frames in a window."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2

from posetrack.errors import OutputError
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses
from posetrack.video.draw import Annotator

_LARGEST = (1600, 900)
_STOP_KEYS = frozenset(b"qQ\x1b")
_TRIAL_TIMEOUT_S = 20


class LiveWindow:
    """A ``Sink`` that shows frames in a window. The caller checks ``closed`` and stops when it is true.

    Use it in the main thread only: window systems require it.

    Args:
        info: Properties of the source.
        annotator: Draws the people.

    Raises:
        OutputError: no window can be opened here.
    """

    def __init__(self, info: SourceInfo, annotator: Annotator) -> None:
        _require_display()
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # OpenCV's Qt warns about missing fonts
        self._annotator = annotator
        name = info.name.encode(errors="replace").decode()  # OpenCV crashes on names that are not UTF-8
        self._title = f"{name} (q: stop)"
        self._closed = False
        self._exists = True
        shrink = min(1.0, _LARGEST[0] / info.width, _LARGEST[1] / info.height)
        cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        cv2.resizeWindow(self._title, max(1, round(info.width * shrink)), max(1, round(info.height * shrink)))

    @property
    def closed(self) -> bool:
        """Whether the user has pressed q or Esc, or closed the window."""
        return self._closed

    def write(self, frame: Frame, poses: Poses) -> None:
        """Draw the people and show the frame; does nothing once closed."""
        if self._closed:
            return
        cv2.imshow(self._title, cv2.cvtColor(self._annotator.draw(frame, poses), cv2.COLOR_RGB2BGR))
        pressed = cv2.waitKey(1) & 0xFF
        self._closed = pressed in _STOP_KEYS or self._is_gone()

    def close(self) -> None:
        """Close the window."""
        if self._exists and not self._is_gone():
            cv2.destroyWindow(self._title)
        self._exists = False
        self._closed = True

    def discard(self) -> None:
        """Close the window."""
        self.close()

    def _is_gone(self) -> bool:
        """Whether the user has closed the window."""
        return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1)


def _require_display() -> None:
    """Try a window in a child process: without a display, the window system ends the process."""
    advice = "run without --show, or on a desktop"
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise OutputError(f"There is no display to open a window on: {advice}.")
    trial = "import cv2; cv2.namedWindow('trial'); cv2.waitKey(1); cv2.destroyAllWindows()"
    try:
        done = subprocess.run([sys.executable, "-c", trial], capture_output=True, timeout=_TRIAL_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise OutputError(f"The display does not respond: {advice}.") from error
    if done.returncode != 0:
        raise OutputError(
            f"No window can be opened (the display refuses, or this OpenCV is built without windows): {advice}."
        )
