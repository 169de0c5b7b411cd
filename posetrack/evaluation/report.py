"""Tables of results: for the terminal, and as CSV."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from posetrack.evaluation.fitting_table import FittingTable
from posetrack.evaluation.joint_names import JOINT_NAMES
from posetrack.evaluation.results import EvaluationResult, JointFigures, Scores
from posetrack.files.pending import write_file
from posetrack.files.text import csv_table
from posetrack.types import IntArray

_GROUPS = (
    ("Head", ("head_top", "neck", "nose")),
    ("Shoulders", ("right_shoulder", "left_shoulder")),
    ("Elbows", ("right_elbow", "left_elbow")),
    ("Wrists", ("right_wrist", "left_wrist")),
    ("Hips", ("right_hip", "left_hip")),
    ("Knees", ("right_knee", "left_knee")),
    ("Ankles", ("right_ankle", "left_ankle")),
)
"""Joints grouped and ordered as in the papers' tables."""


def figures_of(scores: Scores) -> dict[str, JointFigures]:
    """Name -> figures, as in ``EvaluationResult.as_dict``."""
    figures = {
        "AP": scores.ap,
        "MOTA": scores.mota,
        "MOTP": scores.motp,
        "MOTP_clean": scores.motp_clean,
        "MOT_precision": scores.mot_precision,
        "MOT_recall": scores.mot_recall,
        "IDF1": scores.idf1,
    }
    return figures | {name: scores.hota[name] for name in ("HOTA", "DetA", "AssA", "LocA") if name in scores.hota}


def counts_of(scores: Scores) -> dict[str, IntArray]:
    """Name -> counts per joint, int64 [K]."""
    mot = scores.mot
    return {
        "objects": mot.objects,
        "matches": mot.detections,
        "misses": mot.misses,
        "false_positives": mot.false_positives,
        "switches": mot.switches,
    }


_HEADINGS = {
    "MOTP_clean": "MOTP*",
    "MOT_precision": "Prec.",
    "MOT_recall": "Rec.",
    "objects": "Joints",
    "matches": "Matches",
    "misses": "Missed",
    "false_positives": "False",
    "switches": "Switches",
}
TOTAL_HEADINGS = {**_HEADINGS, "AP": "mAP"}
"""Headings in tables of totals, where they differ from the names in files."""

_SEQUENCE_FIGURES = ("AP", "MOTA", "MOTP", "MOT_precision", "MOT_recall", "IDF1", "HOTA")
_SEQUENCE_COUNTS = ("misses", "false_positives", "switches")


def sequence_table(result: EvaluationResult) -> FittingTable:
    """Make a table with a row per sequence, the total last. MOTP is the official evaluator's."""
    names = [name for name in _SEQUENCE_FIGURES if name in figures_of(result.total)]
    rows = []
    for scores in (*result.sequences.values(), result.total):
        figures, counts = figures_of(scores), counts_of(scores)
        cells = [percent(figures[name].total) for name in names]
        rows.append(
            [scores.name, str(scores.frames), *cells, *(f"{counts[name].sum():,}" for name in _SEQUENCE_COUNTS)]
        )
    headings = [TOTAL_HEADINGS.get(name, name) for name in (*names, *_SEQUENCE_COUNTS)]
    return FittingTable(labels=["Sequence"], headings=["Frames", *headings], rows=rows, total=True)


def joint_table(scores: Scores) -> FittingTable:
    """Make a table with a row per joint, the total last. MOTP* counts matches and switches only."""
    figures, counts = figures_of(scores), counts_of(scores)
    rows = []
    for joint in (joint for _, joints in _GROUPS for joint in joints):
        number = JOINT_NAMES.index(joint)
        cells = [percent(figure.joints[number]) for figure in figures.values()]
        rows.append([joint, *cells, *(f"{count[number]:,}" for count in counts.values())])
    totals = [percent(figure.total) for figure in figures.values()]
    rows.append(["total", *totals, *(f"{count.sum():,}" for count in counts.values())])
    return FittingTable(
        title=f"{scores.name}: by joint",
        labels=["Joint"],
        headings=[_HEADINGS.get(name, name) for name in (*figures, *counts)],
        rows=rows,
        total=True,
    )


def group_table(scores: Scores) -> Table:
    """Make a table of AP and MOTA per body part, as in papers: the mean of the part's joints."""
    table = Table(title=f"{scores.name}: by body part", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("")
    for name, _ in _GROUPS:
        table.add_column(name, justify="right")
    table.add_column("Total", justify="right", style="bold")
    for name in ("AP", "MOTA"):
        figure = figures_of(scores)[name]
        means = [sum(figure[joint] for joint in joints) / len(joints) for _, joints in _GROUPS]
        table.add_row(name, *map(percent, means), percent(figure.total))
    return table


def oks_table(figures: dict[str, float]) -> Table:
    """Make a table with a row per COCO figure."""
    table = Table(title="OKS, by pycocotools", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("Figure", no_wrap=True)
    table.add_column("%", justify="right")
    for name, value in figures.items():
        table.add_row(name, percent(value))
    return table


def write_csv(path: Path, result: EvaluationResult) -> None:
    """Write a CSV line per sequence and joint, and per sequence in total. NaN is left empty.

    Raises:
        OutputError: the file cannot be written.
    """
    heading = ["sequence", "joint", "frames", *figures_of(result.total), *counts_of(result.total)]
    everything = (*result.sequences.values(), result.total)
    write_file(path, csv_table([heading, *(row for scores in everything for row in _csv_rows(scores))]))


def _csv_rows(scores: Scores) -> Iterator[list[str | int | float | None]]:
    figures, counts = figures_of(scores).values(), counts_of(scores).values()
    for number, joint in enumerate(JOINT_NAMES):
        cells = [_exact(figure.joints[number]) for figure in figures]
        yield [scores.name, joint, scores.frames, *cells, *(int(count[number]) for count in counts)]
    totals = [_exact(figure.total) for figure in figures]
    yield [scores.name, "total", scores.frames, *totals, *(int(count.sum()) for count in counts)]


def percent(value: float) -> str:
    """Format with one decimal; NaN is a dash."""
    return "-" if math.isnan(value) else f"{value:.1f}"


def _exact(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
