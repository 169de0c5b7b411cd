"""What the report says of one clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from posetrack.report.overview import ClipOverview

STATUSES = ("failed", "running", "pending", "done")
"""In the order in which they want attention."""


@dataclass(frozen=True, kw_only=True)
class ReportRow:
    """One clip. Whatever is not known (yet) is None.

    Attributes:
        clip: Its name, as people know it; any characters.
        status: One of ``STATUSES``.
        error: What went wrong, as a sentence; empty if nothing did.
        warning: What the results lack, as a sentence; empty if nothing.
        frames: Frames tracked.
        people: Most people in one frame.
        tracks: Different people.
        seconds: Time that the work took.
        fps: Frames tracked per second of work.
        links: What a link is called -> the file, relative to the page's folder. The file called
            ``video`` is also behind the picture.
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
        """Of the footage."""
        return self.overview.duration_s if self.overview is not None else None
