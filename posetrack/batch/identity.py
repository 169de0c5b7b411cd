"""Whether a clip is still the one that it was."""

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
"""Read at the beginning and at the end of a file."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A clip's content, as far as it can be told quickly.

    Attributes:
        size: Bytes (of all images).
        mtime_ns: Last change, nanoseconds since 1970 (of the latest image).
        digest: SHA-256 of a video's first and last 256 KiB; of images, of the names, sizes and times of all.
    """

    size: int
    mtime_ns: int
    digest: str

    @classmethod
    def of(cls, path: Path, kind: Literal["video", "images"]) -> Identity:
        """What is there now; all zero and empty if it cannot be read: whoever tracks it says why."""
        try:
            return _of_images(path) if kind == "images" else _of_file(path)
        except OSError:
            return cls.unknown()

    @classmethod
    def now(cls, path: Path) -> Identity:
        """The same of a clip whose kind nobody has told: a folder is one of images."""
        return cls.of(path, "images" if path.is_dir() else "video")

    @classmethod
    def unknown(cls) -> Identity:
        """Of what cannot be read."""
        return cls(0, 0, "")

    def is_that_of(self, record: ClipRecord) -> bool:
        """Whether a clip is unchanged since it was recorded.

        A copy of a file that is done counts as the same, whatever its time. One that has failed is new as soon as
        its time is: damage in the middle of a file shows neither in its size nor at its ends.
        """
        same = (self.size, self.digest) == (record.size, record.digest)
        return same and (record.status == "done" or self.mtime_ns == record.mtime_ns)


class ChangedError(PoseTrackError):
    """A clip is not the one any more that it was."""


@contextmanager
def unchanged(path: Path, expected: Identity | None) -> Iterator[None]:
    """See to it that a clip is the right one when its tracking begins, and the same when it has ended.

    A clip that is not there, or may not be read, is left to those who open it: they say so.

    Args:
        path: The clip.
        expected: What it must be; None: whatever it is.

    Raises:
        ChangedError: it is another one.
    """
    before = Identity.now(path)
    expected = expected or before
    if before != Identity.unknown() and (before.size, before.digest) != (expected.size, expected.digest):
        raise ChangedError(f"{path} has been changed since the batch has looked at it: run the batch again.")
    yield
    if Identity.now(path) != before:
        raise ChangedError(f"{path} was changed while it was tracked: run the batch again.")


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
