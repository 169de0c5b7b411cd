"""Tells whether a clip has changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from posetrack.batch.records import ClipRecord
from posetrack.errors import PoseTrackError
from posetrack.video.images import IMAGE_SUFFIXES

_END_BYTES = 256 * 1024
"""Bytes hashed at the start and at the end of a file."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A quick fingerprint of a clip's content.

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
            return _of_images(path) if kind == "images" else _of_file(path)
        except OSError:
            return cls.unknown()

    @classmethod
    def now(cls, path: Path) -> Identity:
        """Fingerprint a path of unknown kind: a folder holds images."""
        return cls.of(path, "images" if path.is_dir() else "video")

    @classmethod
    def unknown(cls) -> Identity:
        """The fingerprint of something that cannot be read."""
        return cls(0, 0, "")

    def is_that_of(self, record: ClipRecord) -> bool:
        """Whether the clip is unchanged since it was recorded.

        For a done clip the modification time does not matter: a copy is the same clip. For a failed clip it does,
        because a repair in the middle of a file changes neither its size nor its ends.
        """
        same = (self.size, self.digest) == (record.size, record.digest)
        return same and (record.status == "done" or self.mtime_ns == record.mtime_ns)


class ChangedError(PoseTrackError):
    """A clip has changed."""


@contextmanager
def unchanged(path: Path, expected: Identity | None) -> Iterator[None]:
    """Check that a clip is the expected one when the block starts and unchanged when it ends.

    A clip that cannot be read passes: opening it reports the error.

    Args:
        path: The clip.
        expected: Its fingerprint. ``None`` accepts any.

    Raises:
        ChangedError: the clip has changed.
    """
    before = Identity.now(path)
    expected = expected or before
    if before != Identity.unknown() and (before.size, before.digest) != (expected.size, expected.digest):
        raise ChangedError(f"{path} has changed since the batch was planned: run the batch again.")
    yield
    if Identity.now(path) != before:
        raise ChangedError(f"{path} changed while it was being tracked: run the batch again.")


def _of_file(path: Path) -> Identity:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        content = hashlib.sha256(file.read(_END_BYTES))
        file.seek(max(file.tell(), status.st_size - _END_BYTES))
        content.update(file.read(_END_BYTES))
    return Identity(status.st_size, status.st_mtime_ns, content.hexdigest())


def _of_images(folder: Path) -> Identity:
    images = sorted((entry.name, entry.stat()) for entry in _images_in(folder))
    content = hashlib.sha256()
    for name, status in images:
        content.update(
            f"{len(os.fsencode(name))} {status.st_size} {status.st_mtime_ns} ".encode() + os.fsencode(name)
        )
    sizes = sum(status.st_size for _, status in images)
    return Identity(sizes, max((status.st_mtime_ns for _, status in images), default=0), content.hexdigest())


def _images_in(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            suffix = PurePosixPath(entry.name).suffix.casefold()
            if suffix in IMAGE_SUFFIXES and not entry.name.startswith(".") and entry.is_file():
                yield entry
