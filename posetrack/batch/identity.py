"""Tells whether a clip has changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posetrack.batch.records import ClipRecord
from posetrack.errors import PoseTrackError
from posetrack.video.identity import Identity


class ChangedError(PoseTrackError):
    """A clip has changed."""


def is_recorded(now: Identity, record: ClipRecord) -> bool:
    """Whether a clip is unchanged since it was recorded.

    For a done clip the modification time does not matter: a copy is the same clip. For a failed clip it does,
    because a repair in the middle of a file changes neither its size nor its ends.
    """
    same = now.has_content(record.size, record.digest)
    return same and (record.status == "done" or now.mtime_ns == record.mtime_ns)


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
    if before != Identity.unknown() and not before.has_content(expected.size, expected.digest):
        raise ChangedError(f"{path} has changed since the batch was planned: run the batch again.")
    yield
    if Identity.now(path) != before:
        raise ChangedError(f"{path} changed while it was being tracked: run the batch again.")
