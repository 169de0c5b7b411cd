"""What a run's results depend on: the footage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from posetrack.errors import VideoError
from posetrack.trust.meta import sha256_of
from posetrack.video import ReadOptions, open_source
from posetrack.video.images import IMAGE_SUFFIXES


def source_facts(source: str, reading: ReadOptions) -> dict[str, Any]:
    """What is known of a file or folder of footage.

    Raises:
        VideoError: it cannot be read.
    """
    with open_source(source, reading) as opened:
        info = opened.info
    path = Path(source)
    return {
        "path": source,
        "name": info.name,
        "width": info.width,
        "height": info.height,
        "fps": None if info.delivered_fps is None else float(info.delivered_fps),
        "sha256": footage_hash(path),
    }


def is_footage(source: str) -> bool:
    """Whether a source is a file or a folder, which can be read again; not a camera, a stream or a glob."""
    return Path(source).exists()


def footage_hash(path: Path) -> str:
    """SHA-256 of a file; or of the names and contents of a folder's images.

    Raises:
        VideoError: it cannot be read.
    """
    try:
        if not path.is_dir():
            return sha256_of(path)
        digest = hashlib.sha256()
        for image in _images(path):
            digest.update(f"{image.name}\n{sha256_of(image)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    except OSError as error:
        raise VideoError(
            f"{path}: the footage cannot be read ({error.strerror}); say where it is (--video)."
        ) from error


def _images(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
