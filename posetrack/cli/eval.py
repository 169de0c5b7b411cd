"""``posetrack eval``: figures as the official PoseTrack evaluator computes them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_WIDTH_OF_FILES = 140


def evaluate(
    ground_truth: Annotated[
        Path, typer.Argument(help="PoseTrack18 or PoseTrack17 JSON, or a folder of them (or COCO keypoints JSON).")
    ],
    predictions: Annotated[
        Path, typer.Argument(help="The same for the predictions, files of the same names (or COCO results JSON).")
    ],
    joints: Annotated[bool, typer.Option("--joints", help="Show every joint, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead of tables.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write every sequence and joint to this CSV file.")] = None,
    errors: Annotated[
        Path | None,
        typer.Option(help="Write every switch, miss and false positive, dearest first, to this CSV file."),
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Draw curves, bars and switches into this folder.")] = None,
    hota: Annotated[bool, typer.Option(help="Compute HOTA, too.")] = True,
    workers: Annotated[int, typer.Option(help="Processes that share the sequences.")] = 1,
) -> None:
    """Compare predictions with a ground truth: AP, MOTA, IDF1, HOTA."""
    from rich.console import Console

    from posetrack import evaluation
    from posetrack.evaluation.error_runs import write_errors
    from posetrack.evaluation.report import group_table, joint_table, sequence_table, write_csv

    result = evaluation.evaluate(
        ground_truth, predictions, hota=hota, errors=errors is not None or plots is not None, workers=workers
    )
    if csv is not None:
        write_csv(csv, result)
    if errors is not None:
        write_errors(errors, result.errors)
    if plots is not None:
        from posetrack.evaluation.plots import write_plots

        write_plots(plots, result)
    if json:
        print(result.to_json().decode())
        return
    # a pipe or a file has no width: take one that fits the table
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_FILES)
    console.print(sequence_table(result))
    if joints:
        console.print(group_table(result.total))
        console.print(joint_table(result.total))
    if result.unlabelled:
        console.print(f"Without labelled people, and left out: {', '.join(result.unlabelled)}.")
