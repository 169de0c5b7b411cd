"""Errors that a user can cause. Each message names what happened, the file or frame, and the remedy.

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
"""Parts of libraries' messages about missing memory, in lower case. Each library has its own error type."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one of its causes, means that memory has run out.

    >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    True
    """
    while error is not None:
        message = str(error).lower()
        if isinstance(error, MemoryError) or any(words in message for words in _NO_MEMORY):
            return True
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return True
        error = error.__cause__ or error.__context__
    return False


class PoseTrackError(Exception):
    """Base of all errors that a user can cause and fix."""


class VideoError(PoseTrackError):
    """A source cannot be opened or decoded."""


class OutputError(PoseTrackError):
    """A result cannot be written (exists already, no permission, disk full, no encoder)."""


class WeightsError(PoseTrackError):
    """A network's weights are missing, damaged, or do not fit its architecture."""


class ConfigError(PoseTrackError):
    """A setting is unknown, out of range, or contradicts another."""


class SecondPassError(ConfigError):
    """What is known of the people, or a setting of the second pass, cannot be kept in this clip."""


class DataFormatError(PoseTrackError):
    """A file of annotations or predictions breaks its format's rules."""
