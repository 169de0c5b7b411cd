"""Identifies a run's footage, on which its results depend."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from posetrack.errors import VideoError
from posetrack.provenance.meta import sha256_of
from posetrack.stages import SourceInfo
from posetrack.video.sources import images_of, is_stored, shown_name, stored_path


def source_facts(source: str | Path, info: SourceInfo) -> dict[str, Any]:
    """What is known of footage. ``sha256`` is None for cameras and streams, and if it can no longer be read.

    Args:
        source: As it was given. The user name and password of a stream are left out.
        info: Its properties.
    """
    return {
        "path": shown_name(source),
        "name": info.name,
        "width": info.width,
        "height": info.height,
        "fps": None if info.delivered_fps is None else float(info.delivered_fps),
        "sha256": _hash_of(source),
    }


def _hash_of(source: str | Path) -> str | None:
    try:
        return footage_hash(source) if is_stored(source) else None
    except VideoError:
        return None


def footage_hash(source: str | Path) -> str:
    """SHA-256 of a video; or of the names and contents of a folder's or glob's images.

    Raises:
        VideoError: it cannot be read.
    """
    path = stored_path(source)
    if path is None:
        raise VideoError(f"{source}: cameras and streams cannot be read again; give a recording.")
    try:
        images = images_of(path)
        if images is None:
            return sha256_of(path)
        digest = hashlib.sha256()
        for image in images:
            digest.update(f"{image.name}\n{sha256_of(image)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    except OSError as error:
        raise VideoError(
            f"{source}: the footage cannot be read ({error.strerror}); say where it is (--video)."
        ) from error
