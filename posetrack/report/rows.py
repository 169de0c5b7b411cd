"""What the report says about a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from posetrack.report.overview import ClipOverview

STATUSES = ("failed", "running", "pending", "done")
"""Ordered by how urgently they need attention."""


@dataclass(frozen=True, kw_only=True)
class ReportRow:
    """A clip. Values that are not known yet are None.

    Attributes:
        clip: Name to show. May contain any characters.
        status: One of ``STATUSES``.
        error: What went wrong, as a sentence, or empty.
        warning: What the results lack, as a sentence, or empty.
        frames: Number of tracked frames.
        people: Maximum number of people in a frame.
        tracks: Number of tracks.
        seconds: Processing time.
        fps: Tracked frames per second of processing.
        links: Text of a link -> file, relative to the page's folder. The picture links to ``video``.
        overview: Picture and charts.

    Raises:
        ValueError: there is no such status.
    """

    clip: str
    status: str
    error: str = ""
    warning: str = ""
    frames: int | None = None
    people: int | None = None
    tracks: int | None = None
    seconds: float | None = None
    fps: float | None = None
    links: Mapping[str, Path] = field(default_factory=dict)
    overview: ClipOverview | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"there is no status {self.status!r}, only {', '.join(STATUSES)}")

    @property
    def duration_s(self) -> float | None:
        """Duration of the footage."""
        return self.overview.duration_s if self.overview is not None else None
