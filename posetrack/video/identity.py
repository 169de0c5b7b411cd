"""Tells whether a source has changed: a quick fingerprint of its content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from glob import glob
from pathlib import Path, PurePosixPath
from typing import Literal

from posetrack.video.images import IMAGE_SUFFIXES

_END_BYTES = 256 * 1024
"""Bytes hashed at the start and at the end of a file."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A quick fingerprint of a source's content.

    Attributes:
        size: Bytes (of all images together).
        mtime_ns: Last modification, nanoseconds since 1970 (of the latest image).
        digest: SHA-256 of a video's first and last 256 KiB, or of the names, sizes and times of all images.
    """

    size: int
    mtime_ns: int
    digest: str

    @classmethod
    def of(cls, path: Path, kind: Literal["video", "images"]) -> Identity:
        """Fingerprint a path; ``unknown()`` if it cannot be read (tracking it reports why)."""
        try:
            return _of_images(_images_in(path)) if kind == "images" else _of_file(path)
        except OSError:
            return cls.unknown()

    @classmethod
    def now(cls, path: Path) -> Identity:
        """Fingerprint a path of unknown kind: a folder holds images, and so does a glob."""
        if path.is_dir():
            return cls.of(path, "images")
        if not path.exists() and (found := glob(str(path), recursive=True)):
            try:
                return _of_images((name, os.stat(name)) for name in found)
            except OSError:
                return cls.unknown()
        return cls.of(path, "video")

    @classmethod
    def unknown(cls) -> Identity:
        """The fingerprint of something that cannot be read."""
        return cls(0, 0, "")

    def has_content(self, size: int, digest: str) -> bool:
        """Whether it is the content of that size and digest. The time does not matter: a copy is the same."""
        return (self.size, self.digest) == (size, digest)


def _of_file(path: Path) -> Identity:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        content = hashlib.sha256(file.read(_END_BYTES))
        file.seek(max(file.tell(), status.st_size - _END_BYTES))
        content.update(file.read(_END_BYTES))
    return Identity(status.st_size, status.st_mtime_ns, content.hexdigest())


def _of_images(images: Iterable[tuple[str, os.stat_result]]) -> Identity:
    listed = sorted(images, key=lambda image: image[0])
    content = hashlib.sha256()
    for name, status in listed:
        content.update(
            f"{len(os.fsencode(name))} {status.st_size} {status.st_mtime_ns} ".encode() + os.fsencode(name)
        )
    sizes = sum(status.st_size for _, status in listed)
    return Identity(sizes, max((status.st_mtime_ns for _, status in listed), default=0), content.hexdigest())


def _images_in(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            suffix = PurePosixPath(entry.name).suffix.casefold()
            if suffix in IMAGE_SUFFIXES and not entry.name.startswith(".") and entry.is_file():
                yield entry.name, entry.stat()
