"""The two charts of a row, as inline SVG: they need no script, and a browser draws only those in view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from posetrack.report.overview import MOST_TRACKS, ClipOverview, TrackTimeline
from posetrack.video.palette import person_colour

_CURVE_HEIGHT = 32
_LINE_WIDTH = 1000
_SHORTEST_BAR = 6
"""Of ``_LINE_WIDTH``: about a pixel, so that even short tracks are visible."""


def people_chart(overview: ClipOverview) -> str:
    """Draw people over time as two step curves: the mean filled, the maximum as a line, scaled to the peak."""
    bins, top = len(overview.mean_people), max(overview.people, 1)
    if not bins:
        return ""
    mean = sum(overview.mean_people) / bins
    caption = f"People over time: at most {overview.people} in a frame, {mean:.1f} on average"
    area = _steps([_CURVE_HEIGHT * (1 - value / top) for value in overview.mean_people])
    line = _steps([_CURVE_HEIGHT * (1 - value / top) for value in overview.most_people])
    return (
        f'<svg class="curve" viewBox="0 0 {bins} {_CURVE_HEIGHT}" preserveAspectRatio="none" role="img">'
        f'<title>{caption}</title><path class="mean" d="M0 {_CURVE_HEIGHT}V{area}V{_CURVE_HEIGHT}z"/>'
        f'<path class="most" d="M0 {line}"/></svg>'
    )


def tracks_chart(overview: ClipOverview) -> str:
    """Draw a thin bar per track over the time it was visible, in its colour in the annotated video."""
    lines, frames = overview.timelines, overview.frames
    if not lines or not frames:
        return ""
    caption = f"Tracks over time: {overview.tracks}"
    if overview.tracks > len(lines):
        caption += f", of which the {MOST_TRACKS} longest are shown"
    rate = frames / overview.duration_s if overview.duration_s else None
    bars = "".join(_bar(number, line, frames, rate) for number, line in enumerate(lines))
    return (
        f'<svg class="lines" viewBox="0 0 {_LINE_WIDTH} {max(len(lines), 4)}" preserveAspectRatio="none" '
        f'role="img"><title>{caption}</title>{bars}</svg>'
    )


def _bar(number: int, line: TrackTimeline, frames: int, rate: float | None) -> str:
    red, green, blue = person_colour(line.track_id)
    first, last = line.stretches[0][0], line.stretches[-1][1]
    when = f"frames {first} to {last}"
    if rate is not None:
        when += f", {clock(first / rate)} to {clock((last + 1) / rate)}"
    return (
        f'<path stroke="#{red:02x}{green:02x}{blue:02x}" d="{"".join(_strokes(number, line, frames))}">'
        f"<title>{escape(f'Person {line.track_id}: {when}')}</title></path>"
    )


def _strokes(number: int, line: TrackTimeline, frames: int) -> Iterator[str]:
    for first, last in line.stretches:
        width = max(_SHORTEST_BAR, round((last + 1 - first) / frames * _LINE_WIDTH))
        left = min(round(first / frames * _LINE_WIDTH), _LINE_WIDTH - width)
        yield f"M{left} {number}.5h{width}"


def _steps(heights: Sequence[float]) -> str:
    """SVG path of a step curve, one unit wide per value. It starts with the first height."""
    path, run, previous = [f"{heights[0]:.3g}"], 0, heights[0]
    for height in heights:
        if height != previous:
            path.append(f"h{run}V{height:.3g}")
            run, previous = 0, height
        run += 1
    return "".join(path) + f"h{run}"


def clock(seconds: float) -> str:
    """Format as minutes and seconds, with hours if there are any.

    >>> clock(9.5), clock(75), clock(3600)
    ('0:10', '1:15', '1:00:00')
    """
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
