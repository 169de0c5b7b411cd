"""``posetrack measure``: angles, lengths, speeds, steps and distances of the people of a clip."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from posetrack.cli.output import tell

_output = partial(typer.Option, rich_help_panel="Output")


def measure(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Tracks written by `posetrack run` or `refine`: .tracks, .parquet, .csv or .json."
        ),
    ],
    output: Annotated[
        Path | None,
        _output("--output", "-o", help="Table to write, .csv or .parquet. Defaults to NAME_measures.csv."),
    ] = None,
    person: Annotated[list[int] | None, typer.Option(help="Measure this person, by number (repeatable).")] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            help="Measure this, such as left_knee_flexion (repeatable). Defaults to all that can be measured."
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            help="Metres per pixel (0.005), a known length (1.8m=350px), a person's height (3=1.75m), or points "
            "on the "
            "floor (floor.csv with the columns x, y in pixels and X, Y in metres)."
        ),
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frame rate. Needed for JSON without times.")] = None,
    plots: Annotated[
        bool, _output("--plots", help="Also write plots of each person (PNG, HTML) and a contact sheet.")
    ] = False,
    video: Annotated[Path | None, _output(help="The tracked video, to show behind the plotted paths.")] = None,
    wide: Annotated[bool, _output("--wide", help="Write one column per measure instead of one row.")] = False,
    overwrite: Annotated[bool, _output("--overwrite", help="Replace existing files, but never FILE.")] = False,
) -> None:
    """Write a table of joint angles, segments, speeds, steps and distances; optionally also plots."""
    from posetrack.measures.files import MeasureOutputs, measure_file
    from posetrack.measures.measuring import MeasureConfig

    people, files = measure_file(
        source,
        output,
        MeasureConfig(people=tuple(person or ()), measures=tuple(measure or ())),
        MeasureOutputs(plots=plots, video=video, wide=wide, overwrite=overwrite),
        scale=scale,
        fps=fps,
    )
    for one in people:
        tell(f"{one.sentence()}")
    for path in files:
        tell(str(path))
