"""The report of many clips: one page to look through, search and sort them, as a single file."""

from posetrack.report.overview import ClipOverview, TrackTimeline, clip_overview
from posetrack.report.page import write_report
from posetrack.report.rows import ReportRow

__all__ = ["ClipOverview", "ReportRow", "TrackTimeline", "clip_overview", "write_report"]
