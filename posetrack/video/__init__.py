"""Frames in, annotated frames out."""

try:
    import cv2  # noqa: F401 (the first import of OpenCV, so that its errors are explained here)
except ImportError as error:
    from posetrack.errors import VideoError

    raise VideoError(
        f"OpenCV cannot be loaded ({error}); if a library such as libGL.so.1 or libgthread-2.0.so.0 is missing, "
        "install it with: apt-get install libgl1 libglib2.0-0"
    ) from error

from posetrack.video.draw import Annotator, AnnotatorConfig
from posetrack.video.encoder import EncodingConfig
from posetrack.video.options import ReadOptions
from posetrack.video.readers import Source
from posetrack.video.sink import VideoSink
from posetrack.video.sources import open_source
from posetrack.video.window import LiveWindow

__all__ = [
    "Annotator",
    "AnnotatorConfig",
    "EncodingConfig",
    "LiveWindow",
    "ReadOptions",
    "Source",
    "VideoSink",
    "open_source",
]
