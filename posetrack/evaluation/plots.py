"""Plots of an evaluation: precision over recall, bars per joint, switches over time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from posetrack.evaluation.average_precision import precision_recall
from posetrack.evaluation.joint_names import JOINT_NAMES
from posetrack.evaluation.results import EvaluationResult
from posetrack.figures import png_of
from posetrack.files.pending import output_folder, write_file
from posetrack.files.text import printable

_BODY_ORDER = (
    "head_top", "nose", "neck", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
_COLOURS = {
    "head_top": "#7f7f7f", "nose": "#444444", "neck": "#bcbd22", "shoulder": "#1f77b4", "elbow": "#17becf",
    "wrist": "#2ca02c", "hip": "#9467bd", "knee": "#d62728", "ankle": "#ff7f0e",
}  # fmt: skip
"""A colour per kind of joint. Right joints are dashed."""

_DOTS_PER_INCH = 120
_MOST_SEQUENCES = 40


def write_plots(folder: Path, result: EvaluationResult) -> list[Path]:
    """Write all ``PLOTS``, replacing existing files.

    Args:
        folder: Created if missing.
        result: Evaluated with ``errors``, which include the switches.

    Returns:
        The files.

    Raises:
        OutputError: they cannot be written.
    """
    with output_folder(folder):
        for name, draw in PLOTS.items():
            write_file(folder / name, png_of(partial(draw, result), _DOTS_PER_INCH))
    return [folder / name for name in PLOTS]


def precision_recall_figure(result: EvaluationResult) -> Figure:
    """Plot precision over recall of each joint, all sequences pooled. The legend gives AP."""
    figure, axes = _figure(9, 6)
    joints = result.joints
    for name in _BODY_ORDER:
        number = JOINT_NAMES.index(name)
        present = joints.present[:, number]
        precision, recall = precision_recall(
            joints.scores[present, number], joints.correct[present, number], int(joints.truth_count[number])
        )
        side, _, kind = name.rpartition("_")
        colour = _COLOURS.get(name, _COLOURS.get(kind, "black"))
        dashes = "--" if side == "right" else "-"
        label = f"{_spoken(name)}  {result.total.ap[name]:.1f}"
        axes.plot(100 * recall, 100 * precision, dashes, color=colour, linewidth=1.4, label=label)
    axes.set(
        title=f"Precision and recall per joint: mAP {result.mean_ap:.1f}",
        xlabel="Recall (%)",
        ylabel="Precision (%)",
        xlim=(0, 100),
        ylim=(0, 102),
    )
    axes.legend(title="Joint, AP", loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)
    return figure


def joints_figure(result: EvaluationResult) -> Figure:
    """Plot AP and MOTA of each joint as bars, and the totals as lines."""
    figure, axes = _figure(11, 5.5)
    places = np.arange(len(_BODY_ORDER))
    for offset, name, colour, scores in (
        (-0.2, "AP", "#1f77b4", result.total.ap),
        (0.2, "MOTA", "#ff7f0e", result.total.mota),
    ):
        heights = np.nan_to_num([scores[joint] for joint in _BODY_ORDER])
        bars = axes.bar(places + offset, heights, 0.38, color=colour, label=f"{name} (total {scores.total:.1f})")
        axes.bar_label(bars, fmt="%.0f", fontsize=7, padding=1)
        axes.axhline(scores.total, color=colour, linewidth=1, linestyle=":")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(places, [_spoken(joint) for joint in _BODY_ORDER], rotation=40, ha="right")
    axes.set(title="AP and MOTA per joint", ylabel="%")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncol=2, frameon=False)
    return figure


def switches_figure(result: EvaluationResult) -> Figure:
    """Plot when identities switch: a row per sequence, a dot per frame, larger for more switches.

    At most 40 sequences are shown, those with the most switches.
    """
    times: dict[str, dict[int, int]] = {name: {} for name in result.sequences}
    for run in result.errors:
        if run.kind == "switch":
            frames = times[run.sequence]
            frames[run.first_frame] = frames.get(run.first_frame, 0) + 1
    most = sorted(times, key=lambda name: -sum(times[name].values()))[:_MOST_SEQUENCES]
    names = [name for name in times if name in most]
    figure, axes = _figure(11, 1.8 + 0.32 * len(names))
    for row, name in enumerate(names):
        moments, counts = list(times[name]), np.array(list(times[name].values()))
        axes.scatter(
            moments, np.full(len(moments), row), s=14 + 5 * counts, color="#d62728", alpha=0.6, linewidths=0
        )
    labels = [f"{printable(name)}  ({sum(times[name].values())})" for name in names]
    axes.set_yticks(range(len(names)), labels, fontsize=9)
    axes.set(
        title="Identity switches over time (dots grow with the joints that switch)",
        xlabel="Frame",
        ylim=(len(names) - 0.4, -0.6),
    )
    axes.set_xlim(left=0)
    axes.grid(visible=True, axis="y", alpha=0.25)
    return figure


PLOTS: dict[str, Callable[[EvaluationResult], Figure]] = {
    "precision_recall.png": precision_recall_figure,
    "joints.png": joints_figure,
    "switches.png": switches_figure,
}
"""File name -> function that draws the plot."""


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # needs no screen
    axes = figure.add_subplot()
    axes.grid(visible=True, alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _spoken(joint: str) -> str:
    return joint.replace("_", " ")
