"""OpenCV without its messages on the terminal: what matters is said in the errors that we raise."""

from __future__ import annotations

import os

import cv2


def silence_opencv() -> None:
    """Keep OpenCV, and the FFmpeg inside it, from printing; levels that the user has set are kept.

    FFmpeg's level counts from its first use in the process on.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
