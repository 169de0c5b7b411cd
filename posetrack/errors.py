"""The errors a user can meet: each says what happened, to which file or frame, and what to do.

Programming errors (wrong shapes, impossible arguments from code) stay ``ValueError`` or ``TypeError``.
The command line prints any ``PoseTrackError`` as one sentence and exits with status 2.
"""


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
