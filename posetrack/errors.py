"""The errors a user can meet: each says what happened, to which file or frame, and what to do.

Programming errors (wrong shapes, impossible arguments from code) stay ``ValueError`` or ``TypeError``.
The command line prints any ``PoseTrackError`` as one sentence and exits with status 2.
"""

from __future__ import annotations

import errno

_NO_MEMORY = (
    "bad_alloc",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to allocate",
    "failed to map segment",
    "insufficient memory",
    "not enough memory",
    "out of memory",
    "can't start new thread",
)
"""What libraries say for want of memory, each under a type of error of its own; in lower case."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it comes from, means that there is no memory left.

    >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    True
    """
    while error is not None:
        told = str(error).lower()
        if isinstance(error, MemoryError) or any(words in told for words in _NO_MEMORY):
            return True
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return True
        error = error.__cause__ or error.__context__
    return False


class PoseTrackError(Exception):
    """Base of every error that a user can cause and cure."""


class VideoError(PoseTrackError):
    """A source cannot be opened or decoded."""


class OutputError(PoseTrackError):
    """A result cannot be written (exists already, no permission, disk full, no encoder)."""


class WeightsError(PoseTrackError):
    """A network's weights are missing, damaged or do not fit its architecture."""


class ConfigError(PoseTrackError):
    """A setting is out of range, unknown or contradicts another."""


class DataFormatError(PoseTrackError):
    """An annotation or prediction file does not have the form that it should have."""
