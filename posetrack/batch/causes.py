"""Why a task failed, which decides whether it is tried again and whether the batch continues."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Literal

from posetrack.batch.identity import ChangedError
from posetrack.errors import ConfigError, OutputError, PoseTrackError, SecondPassError, WeightsError

Cause = Literal["clip", "chance", "setup", "disk"]
"""Why a task failed. ``clip``: the clip itself. ``chance``: something that may pass. ``setup``: the tracker cannot
be made, so every clip would fail. ``disk``: the disk is full."""


_FULL = ("the disk is full", "disk quota is used up", "No space left on device")


def cause_of(error: BaseException) -> Cause:
    """The cause that an error points to."""
    if any(_says_disk_full(one) for one in _chain(error)):
        return "disk"
    if isinstance(error, (ConfigError, WeightsError)) and not isinstance(error, SecondPassError):
        return "setup"
    passing = isinstance(error, (OutputError, ChangedError)) or not isinstance(error, PoseTrackError)
    return "chance" if passing else "clip"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _says_disk_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return isinstance(error, (OSError, OutputError)) and any(words in str(error) for words in _FULL)
