"""OpenCV without its messages on the terminal: what matters is said in the errors that we raise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2


def silence_decoders() -> None:
    """Tell the FFmpeg inside OpenCV to be quiet. Works until it is first used; a user's own setting is kept."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """OpenCV logs nothing inside."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
