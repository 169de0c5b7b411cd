"""One batch at a time in an output folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from posetrack.batch.database import require_plain_file
from posetrack.errors import OutputError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs. The system releases it when this process ends, however it ends.

    Raises:
        OutputError: another process holds the lock, or the file cannot be written.
    """
    require_plain_file(path)
    try:
        held = FileLock(path).acquire(timeout=0)
    except Timeout as error:
        raise OutputError(
            f"Another posetrack batch is writing to {path.parent}: wait for it, or choose another folder."
        ) from error
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"Cannot write to {path.parent} ({reason}): check permissions and disk, or choose another folder."
        ) from error
    with held:
        yield
