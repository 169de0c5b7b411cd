"""A single image file, read as folders of images read theirs."""

from __future__ import annotations

from pathlib import Path

from posetrack.types import Image
from posetrack.video.image_files import common_white, load, shown


def read_image(path: Path) -> Image | None:
    """Uint8 [H, W, 3] RGB, upright; None if it cannot be read."""
    stored = load(path)
    return None if stored is None else shown(stored, common_white([stored.needed_bits]))
