"""An overview of one person on a page: where they went, when they were seen, their angles, and how sure these are.

Colours are Okabe and Ito's, which colour-blind people can tell apart; sides also differ in their lines, left
solid and right dashed, so that the page can be printed in grey.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from posetrack.files.text import printable
from posetrack.measures.angles import never_negative
from posetrack.measures.body import Body
from posetrack.measures.measuring import Measured, Series
from posetrack.refine.clip import CARRIED, FILLED, SEEN
from posetrack.types import Image

LEFT, RIGHT, GREY = "#0072B2", "#D55E00", "#666666"
_SIDES = {"left": (LEFT, "-"), "right": (RIGHT, (0, (5, 2)))}
_PANELS = ("knee_flexion", "hip_flexion", "ankle_dorsiflexion", "elbow_flexion", "shoulder_flexion")
_ORIGINS = ((SEEN, "seen", "#0072B2"), (CARRIED, "carried by flow", "#56B4E9"), (FILLED, "filled in", "#F0E442"))
_PAGE_WIDTH, _ROW_HEIGHT = 8.27, 1.55
_MOST_PANELS = 5
_MARGIN = 0.1
"""Above and below a person, relative to their height."""


def overview(person: Measured, picture: Image | None) -> Figure:
    """The page of a person.

    Args:
        person: With measures.
        picture: uint8 [H, W, 3] RGB, a frame of the clip for the background; None leaves it white.
    """
    panels = _chosen(person)
    rows = [3.4, 0.55, *[_ROW_HEIGHT] * max(1, len(panels)), 0.9]
    figure = Figure(figsize=(_PAGE_WIDTH, sum(rows) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(rows), 1, height_ratios=rows)
    axes = [figure.add_subplot(grid[row]) for row in range(len(rows))]
    body = person.body
    figure.suptitle(f"{printable(body.clip.name)}\n{person.sentence()}", fontsize=11)
    _trajectory(axes[0], person, picture)
    _presence(axes[1], person)
    for axis, (title, series) in zip(axes[2:-1], panels, strict=False):
        _panel(axis, person, title, series)
    if not panels:
        axes[2].text(0.5, 0.5, "no measure of this person can be shown over time", ha="center", va="center")
        axes[2].set_axis_off()
    _scores(axes[-1], person)
    for axis in axes[1:]:
        axis.set_xlim(body.times[0], max(body.times[-1], body.times[0] + 1e-3))
    for axis in axes[1:-1]:
        axis.tick_params(labelbottom=False)
    axes[-1].set_xlabel("time (s)")
    return figure


def _chosen(person: Measured) -> list[tuple[str, list[Series]]]:
    """Panels: joint angles, left and right together; if there are none, the other measures."""
    panels = []
    for joint in _PANELS:
        sides = [person.named(f"{side}_{joint}") for side in _SIDES]
        found = [one for one in sides if one is not None]
        if found:
            panels.append((joint.replace("_", " "), found))
    if not panels:
        panels = [(one.name.replace("_", " "), [one]) for one in person.series]
    return panels[:_MOST_PANELS]


def _trajectory(axes: Axes, person: Measured, picture: Image | None) -> None:
    """The paths of hips and feet over the image, darker the later."""
    body = person.body
    if picture is not None:
        axes.imshow(picture, alpha=0.75)
        top, bottom = _part(picture, body)
        axes.set(xlim=(-0.5, picture.shape[1] - 0.5), ylim=(bottom - 0.5, top - 0.5))
    hips = body.at(("left_hip", "right_hip"))
    if np.isnan(hips).all():
        hips = (body.track.boxes[:, :2] + body.track.boxes[:, 2:]) / 2
    times = body.times
    axes.plot(hips[:, 0], hips[:, 1], color="white", linewidth=3, zorder=2)
    dots = axes.scatter(hips[:, 0], hips[:, 1], c=times, cmap="cividis", s=8, zorder=3)
    for side, (colour, line) in _SIDES.items():
        feet = body.at(f"{side}_ankle")
        axes.plot(
            feet[:, 0], feet[:, 1], color=colour, linestyle=line, linewidth=0.9, label=f"{side} ankle", zorder=2
        )
    axes.figure.colorbar(dots, cax=axes.inset_axes((1.015, 0.1, 0.02, 0.8)), label="hips, time (s)")
    if picture is None:
        axes.invert_yaxis()
    axes.set_aspect("equal", anchor="W")
    axes.set_xlabel("x (px)")
    axes.set_ylabel("y (px)")
    axes.legend(loc="upper right", fontsize=7)


def _part(picture: Image, body: Body) -> tuple[float, float]:
    """Rows to show: of an upright picture those with the person, who would be small on the page."""
    height, width = picture.shape[:2]
    boxes = body.track.boxes[np.isfinite(body.track.boxes).all(axis=1)]
    if height <= width or not len(boxes):
        return 0, height
    top, bottom = float(boxes[:, 1].min()), float(boxes[:, 3].max())
    margin = _MARGIN * (bottom - top)
    return max(0.0, top - margin), min(float(height), bottom + margin)


def _presence(axes: Axes, person: Measured) -> None:
    """A lane: what most of the joints are in each frame."""
    body = person.body
    counts = np.stack([(body.track.origins == kind).sum(axis=1) for kind, _, _ in _ORIGINS])
    most = counts.argmax(axis=0)
    step = body.clip.frame_s or 0.04
    for number, (_, name, colour) in enumerate(_ORIGINS):
        spans = [(time, step) for time in body.times[(most == number) & (counts.sum(axis=0) > 0)]]
        axes.broken_barh(spans, (0, 1), facecolors=colour, label=name)
    axes.set(yticks=[], ylim=(0, 1), ylabel="who")
    axes.set_ylabel("joints", rotation=0, ha="right", va="center", fontsize=8)
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.9), ncols=3, fontsize=7, frameon=False)


def _panel(axes: Axes, person: Measured, title: str, series: list[Series]) -> None:
    body = person.body
    for one in series:
        side = one.name.partition("_")[0]
        colour, line = _SIDES.get(side, (GREY, "-"))
        times, values, sds = _broken(body.times, one, body.clip.frame_s)
        axes.plot(
            times, values, color=colour, linestyle=line, linewidth=1.2, label=side if side in _SIDES else None
        )
        low = np.maximum(values - sds, 0) if never_negative(one.name, one.unit) else values - sds
        axes.fill_between(times, low, values + sds, color=colour, alpha=0.2, linewidth=0)
        filled = np.where(one.filled, one.values, np.nan)
        axes.plot(
            body.times, filled, ".", color="white", markeredgecolor=colour, markersize=3.5, markeredgewidth=0.5
        )
    for step in person.steps:
        if step.event == "strike" and title.startswith(("knee", "hip", "ankle")):
            axes.axvline(body.times[step.place], color=_SIDES[step.side][0], linewidth=0.5, alpha=0.6)
    axes.set_ylim(*_limits(series))
    unit = {"deg": "°"}.get(series[0].unit, series[0].unit)
    axes.set_ylabel(f"{title}\n({unit})", fontsize=8)
    axes.grid(alpha=0.3)
    if any(one.name.startswith(("left_", "right_")) for one in series):
        axes.legend(loc="upper right", fontsize=7, ncols=2)


def _limits(series: list[Series]) -> tuple[float, float]:
    """Room for all values and the usual band around them: single wide bands, which run out of it, hide no line."""
    lows, highs = [], []
    for one in series:
        known = one.sds[np.isfinite(one.sds)]
        usual = float(np.median(known)) if len(known) else 0.0
        low = float(np.nanmin(one.values)) - usual
        lows.append(max(low, 0.0) if never_negative(one.name, one.unit) else low)
        highs.append(float(np.nanmax(one.values)) + usual)
    margin = 0.05 * (max(highs) - min(lows)) or 1.0
    return min(lows) - margin, max(highs) + margin


def _scores(axes: Axes, person: Measured) -> None:
    """The mean score of the joints, and the middle half of them."""
    body = person.body
    scores = np.where(body.track.present, body.track.joint_scores, np.nan)[:, body.skeleton.in_use]
    there = np.isfinite(scores).any(axis=1)
    quartiles = np.full((3, len(scores)), np.nan)
    quartiles[:, there] = np.nanquantile(scores[there], (0.25, 0.5, 0.75), axis=1)
    axes.fill_between(body.times, quartiles[0], quartiles[2], color=GREY, alpha=0.3, linewidth=0)
    axes.plot(body.times, quartiles[1], color=GREY, linewidth=1)
    axes.set_ylim(0, 1)
    axes.set_ylabel("joints' scores", fontsize=8)
    axes.grid(alpha=0.3)


def _broken(times: Any, one: Series, step: float) -> tuple[Any, Any, Any]:
    """Times, values and deviations with a NaN in every gap, so that no line bridges it."""
    gaps = np.flatnonzero(np.diff(times) > 1.5 * step) + 1
    return tuple(np.insert(column.astype(np.float64), gaps, np.nan) for column in (times, one.values, one.sds))  # type: ignore[return-value]
