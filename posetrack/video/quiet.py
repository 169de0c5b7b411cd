"""Keep OpenCV from printing on the terminal: our errors say what matters."""

from __future__ import annotations

import os

import cv2


def silence_opencv() -> None:
    """Keep OpenCV, and the FFmpeg inside it, from printing. Levels set by the user are kept.

    FFmpeg reads its level once, on first use in the process.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
