"""``posetrack refine``: a second pass over the tracks of a whole clip."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.cli.output import tell
from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.refine.priors import Priors

_output = partial(typer.Option, rich_help_panel="Output")
_people = partial(typer.Option, rich_help_panel="What you know of the people")


def refine(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `posetrack run` wrote: .parquet, .csv or .json.")
    ],
    output: Annotated[
        Path | None,
        _output(
            "--output",
            "-o",
            help="File to write: .parquet, .csv, .json, .txt (MOTChallenge), .trc, .c3d, _wide.csv or any other "
            "ending of docs/formats.md. Defaults to NAME_refined.",
        ),
    ] = None,
    overwrite: Annotated[bool, _output("--overwrite", help="Replace an existing file, but never FILE.")] = False,
    fps: Annotated[float | None, typer.Option(help="Frame rate. Needed for JSON without times.")] = None,
    smooth: Annotated[
        str,
        typer.Option(
            help="kalman, butterworth:6Hz, savgol:0.3s, one-euro or none; a strength may follow each name."
        ),
    ] = "kalman",
    max_fill: Annotated[str, typer.Option(help="Fill gaps up to this long.")] = "1s",
    edits: Annotated[Path | None, _people(help="Repairs made with `posetrack review`: NAME.edits.json.")] = None,
    people: Annotated[
        str | None, _people(help="How many people there are: 3, or 2-4. Everything else is dropped.")
    ] = None,
    subject: Annotated[
        list[str] | None,
        _people(
            help="Keep only this person: largest, central, longest, or who is at x,y or x,y@time (repeatable)."
        ),
    ] = None,
    same: Annotated[list[str] | None, _people(help="Ids of one person, such as 3=7 (repeatable).")] = None,
    different: Annotated[
        list[str] | None, _people(help="Ids of different people, such as 2,5 (repeatable).")
    ] = None,
    drop: Annotated[list[str] | None, _people(help="Ids to drop, such as 4 (repeatable).")] = None,
    swap_sides: Annotated[
        list[str] | None, _people(help="Exchange left and right of a person, such as 3@10-14s (repeatable).")
    ] = None,
) -> None:
    """Refine tracks with the whole clip in view: one id per person, gaps filled, no ghosts, smooth joints."""
    from posetrack.refine.refining import refine_file, refined_path
    from posetrack.refine.second_pass import RefineConfig
    from posetrack.refine.smoothing import Smoothing
    from posetrack.refine.summary import appearance_sentence, summarise

    config = RefineConfig(
        max_fill_s=_seconds("--max-fill", max_fill),
        smoothing=Smoothing.parse(smooth),
        priors=_priors(people, subject or [], same or [], different or [], drop or [], swap_sides or []),
    )
    target = refined_path(source) if output is None else output
    refined = refine_file(source, target, config, edits=edits, fps=fps, overwrite=overwrite)
    people_found = summarise(refined)
    tell(f"{len(people_found)} {'person' if len(people_found) == 1 else 'people'}:")
    for one in people_found:
        tell(f"  {one.sentence()}")
    appearance = appearance_sentence(refined)
    if appearance is not None:
        tell(appearance)
    tell(str(target))


def _priors(
    people: str | None,
    subject: list[str],
    same: list[str],
    different: list[str],
    drop: list[str],
    swap_sides: list[str],
) -> Priors:
    from posetrack.refine import priors

    least, most = (None, None) if people is None else priors.parse_people(people)
    return priors.Priors(
        least=least,
        most=most,
        subjects=tuple(map(priors.parse_subject, subject)),
        same=tuple(map(priors.parse_same, same)),
        different=tuple(pair for text in different for pair in priors.parse_different(text)),
        drop=tuple(number for text in drop for number in priors.parse_drop(text)),
        swaps=tuple(map(priors.parse_swap, swap_sides)),
    )


def _seconds(option: str, text: str) -> float:
    try:
        return float(text.strip().lower().removesuffix("s"))
    except ValueError:
        raise ConfigError(f"{option} {text}: give a time in seconds, such as 1s or 0.5.") from None
