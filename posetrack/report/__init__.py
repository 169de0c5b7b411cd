"""The report of many clips: a single page to browse, search and sort them."""

from posetrack.report.overview import ClipOverview, TrackTimeline, clip_overview
from posetrack.report.page import write_report
from posetrack.report.rows import ReportRow

__all__ = ["ClipOverview", "ReportRow", "TrackTimeline", "clip_overview", "write_report"]
