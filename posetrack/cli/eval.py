"""``posetrack eval``: the official PoseTrack evaluator's metrics."""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.cli.output import answer_json, answered, console
from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.evaluation import EvaluationResult

_MOST_WORKERS = 4


def evaluate(
    ground_truth: Annotated[
        Path, typer.Argument(help="PoseTrack18 or PoseTrack17 JSON, or a folder of them (or COCO keypoints JSON).")
    ],
    predictions: Annotated[
        Path, typer.Argument(help="The same for predictions, in files of the same names (or COCO results JSON).")
    ],
    joints: Annotated[bool, typer.Option("--joints", help="Also show figures for every joint.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead of tables.")] = False,
    csv: Annotated[
        Path | None, typer.Option(help="Write the figures of every sequence and joint to this CSV file.")
    ] = None,
    errors: Annotated[
        Path | None,
        typer.Option(help="Write every switch, miss and false positive to this CSV file, most expensive first."),
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Write plots to this folder: precision and recall, AP and MOTA, switches.")
    ] = None,
    hota: Annotated[bool, typer.Option(help="Also compute HOTA.")] = True,
    workers: Annotated[
        int | None, typer.Option(help="Number of processes. Defaults to one per core, at most four.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing files, but never inputs.")
    ] = False,
) -> None:
    """Evaluate predictions: AP, MOTA, IDF1 and HOTA, or OKS-AP for COCO results."""
    from posetrack import evaluation
    from posetrack.evaluation.error_runs import write_errors
    from posetrack.evaluation.oks_ap import are_coco_results
    from posetrack.evaluation.report import write_csv
    from posetrack.files.pending import output_folder

    if are_coco_results(predictions):
        if csv or errors or plots:
            raise ConfigError(
                "--csv, --errors and --plots are for PoseTrack files; COCO results have OKS-AP only."
            )
        _print_oks(evaluation.evaluate_oks(ground_truth, predictions), json)
        return
    outputs = _outputs(csv, errors, plots)
    _refuse_unsafe(outputs, ground_truth, predictions, overwrite)
    with nullcontext() if plots is None else output_folder(plots):
        _refuse_unwritable(outputs)
        result = evaluation.evaluate(
            ground_truth,
            predictions,
            hota=hota,
            errors=errors is not None or plots is not None,
            workers=_cores() if workers is None else workers,
        )
        if csv is not None:
            write_csv(csv, result)
        if errors is not None:
            write_errors(errors, result.errors)
        if plots is not None:
            from posetrack.evaluation.plots import write_plots

            write_plots(plots, result)
    if json:
        answer_json(result.to_json())
    else:
        _print_tables(result, joints)


def _outputs(csv: Path | None, errors: Path | None, plots: Path | None) -> list[Path]:
    """All files to be written."""
    tables = [path for path in (csv, errors) if path is not None]
    if plots is None:
        return tables
    from posetrack.evaluation.plots import PLOTS

    return [*tables, *(plots / name for name in PLOTS)]


def _refuse_unsafe(outputs: list[Path], ground_truth: Path, predictions: Path, overwrite: bool) -> None:
    """Refuse outputs that would destroy something."""
    from posetrack.evaluation.pairing import pair_files
    from posetrack.files.pending import check_outputs

    inputs = [path for pair in pair_files(ground_truth, predictions) for path in pair]
    check_outputs(outputs, inputs=inputs, overwrite=overwrite)


def _refuse_unwritable(outputs: list[Path]) -> None:
    """Refuse outputs whose folder is missing or read-only, or whose name is too long."""
    from posetrack.files.pending import PendingFile, output_errors

    for path in outputs:
        PendingFile(path).discard()
        with output_errors(path), suppress(FileNotFoundError):
            path.lstat()  # the pending file's own name is short


def _print_tables(result: EvaluationResult, joints: bool) -> None:
    from posetrack.evaluation.report import group_table, joint_table, sequence_table

    out = console()
    out.print(sequence_table(result))
    if joints:
        out.print(group_table(result.total))
        out.print(joint_table(result.total))
    if result.unlabelled:
        out.print(f"Left out, as nobody is labelled: {', '.join(result.unlabelled)}.")
    answered()


def _print_oks(figures: dict[str, float], json: bool) -> None:
    if json:
        import orjson

        answer_json(orjson.dumps({"total": figures}, option=orjson.OPT_INDENT_2))
        return
    from posetrack.evaluation.report import oks_table

    console().print(oks_table(figures))
    answered()


def _cores() -> int:
    """Number of cores that this process may use, limited because processes take time to start."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, _MOST_WORKERS)
