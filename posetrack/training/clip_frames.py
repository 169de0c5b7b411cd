"""Frames of a clip as images, to be labelled and learnt from."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2

from posetrack.errors import VideoError
from posetrack.files.pending import check_outputs, output_folder, write_file
from posetrack.video import ReadOptions, open_source

_JPEG_QUALITY = 92


def write_frames(
    clip: Path,
    folder: Path,
    every: int,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> list[Path]:
    """Write every n-th frame of a clip, from the first, as ``NAME_00012.jpg``: its name and the frame's index.

    Args:
        clip: A video file.
        folder: Where the images go. It is made if it is missing.
        every: One frame of so many.
        overwrite: Existing images may be replaced.
        progress: Called with the number of images done, and of all if that is known.

    Raises:
        VideoError: the clip cannot be read to its end.
        OutputError: the folder has images of this clip, or one cannot be written.
    """
    name = re.sub(r"[^\w-]", "_", clip.stem)
    check_outputs(sorted(folder.glob(f"{name}_*.jpg")), overwrite=overwrite, inputs=[clip])
    with open_source(clip, ReadOptions(stride=every)) as source, output_folder(folder):
        written: list[Path] = []
        for frame in source:
            path = folder / f"{name}_{frame.index:05d}.jpg"
            bgr = frame.image[..., ::-1]
            write_file(path, cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes())
            written.append(path)
            progress(len(written), source.info.frame_count)
        if source.incomplete is not None:
            raise VideoError(source.incomplete)
    return written
