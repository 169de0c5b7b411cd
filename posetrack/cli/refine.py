"""``posetrack refine``: a second pass over the tracks of a whole clip."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from posetrack.cli.drawing_options import DrawingOptions
from posetrack.cli.output import complain, tell
from posetrack.cli.refine_options import RefineOptions
from posetrack.cli.shared_options import changed, takes
from posetrack.cli.summary import print_lost
from posetrack.errors import ConfigError
from posetrack.files.descriptions import description_path
from posetrack.files.pending import check_outputs
from posetrack.observations.names import is_observations

_people = partial(typer.Option, rich_help_panel="What you know about the people")
_output = partial(typer.Option, rich_help_panel="Output")


@takes(drawn=DrawingOptions, refining=RefineOptions)
def refine(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Tracks written by `posetrack run`: .tracks, .parquet, .csv or .json."
        ),
    ],
    output: Annotated[
        Path | None,
        _output(
            "--output",
            "-o",
            help="File to write: .parquet, .csv, .json, .txt (MOTChallenge), .trc, .c3d, _wide.csv or any other "
            "ending in docs/formats.md. Or a folder: it gets the files that `run` writes if FILE is .tracks, "
            "otherwise NAME_refined. Defaults to the folder of FILE.",
        ),
    ] = None,
    edits: Annotated[Path | None, _people(help="Repairs made in `posetrack review`: NAME.edits.json.")] = None,
    formats: Annotated[
        list[str] | None,
        _output("--format", "-f", help="With .tracks: formats to write, as in `run` (repeatable)."),
    ] = None,
    video: Annotated[
        str | None, _output(help="With .tracks: the tracked source; also draws NAME_tracked.mp4 again.")
    ] = None,
    look_again: Annotated[
        bool,
        typer.Option("--look-again", help="With --video: run the pose network again where joints were filled in."),
    ] = False,
    overwrite: Annotated[bool, _output("--overwrite", help="Replace existing files, but never FILE.")] = False,
    fps: Annotated[float | None, typer.Option(help="Frame rate. Needed for JSON without times.")] = None,
    *,
    drawn: DrawingOptions,
    refining: RefineOptions,
) -> None:
    """Run the second pass again: correct identities, drop false tracks, fill gaps and smooth joints."""
    drawing = next((f"--{name.replace('_', '-')}" for name in changed(drawn, DrawingOptions())), "")
    if is_observations(source) and (output is None or _is_folder(output)):
        if fps is not None:
            raise ConfigError(f"{source} has the times of its frames: leave out --fps.")
        if drawing and video is None:
            raise ConfigError(f"{drawing} applies to the video: give --video, or leave out {drawing}.")
        _refine_observations(source, output, formats, (video, look_again, drawn), edits, overwrite, refining)
        return
    if formats or video is not None or look_again or drawing:
        raise ConfigError(
            "--format, --video, --look-again and drawing options are for .tracks, without -o FILE: leave them out."
        )
    _refine_file(source, output, edits, fps, overwrite, refining)


def _is_folder(output: Path) -> bool:
    """Whether an output names a folder: there is one, or the name has no ending."""
    return os.path.isdir(output) or not output.suffix


def _refine_observations(
    source: Path,
    folder: Path | None,
    formats: list[str] | None,
    seeing: tuple[str | None, bool, DrawingOptions],
    edits: Path | None,
    overwrite: bool,
    refining: RefineOptions,
) -> None:
    from posetrack.cli.people import print_people
    from posetrack.cli.progress import FrameProgress
    from posetrack.provenance.derived import describe_derived
    from posetrack.runner.refining import refine_observations

    video, look_again, drawn = seeing
    with FrameProgress() as progress:
        summary = refine_observations(
            source, refining.config(), formats=tuple(dict.fromkeys(formats or ())), video=video, edits=edits,
            output=folder, look_again=look_again, drawing=drawn.drawing(),
            overwrite=overwrite, observer=progress.second_pass,
        )  # fmt: skip
    given = changed(refining, RefineOptions()) | changed(drawn, DrawingOptions())
    given |= {"look_again": True} if look_again else {}
    inputs = [source] if edits is None else [source, edits]
    describe_derived({path: {path: _lost(path, summary.lost)} for path in summary.files}, "refine", given, inputs)
    print_people(summary.people, summary.appearance)
    for path in summary.files:
        tell(str(path))
    print_lost(summary.lost)
    if summary.warning:
        complain(summary.warning)


def _refine_file(
    source: Path,
    output: Path | None,
    edits: Path | None,
    fps: float | None,
    overwrite: bool,
    refining: RefineOptions,
) -> None:
    from posetrack.cli.people import print_people
    from posetrack.formats.joint_losses import joints_lost_by_format
    from posetrack.formats.whole_clips import format_of
    from posetrack.provenance.derived import describe_derived
    from posetrack.refine.refining import refine_file, refined_path
    from posetrack.refine.summary import appearance_sentence, summarise

    default = refined_path(source)
    target = default if output is None else output / default.name if _is_folder(output) else output
    inputs = [source] if edits is None else [source, edits]
    check_outputs([target, description_path(target)], overwrite=overwrite, inputs=inputs)
    refined = refine_file(source, target, refining.config(), edits=edits, fps=fps, overwrite=overwrite)
    given = changed(refining, RefineOptions()) | ({} if fps is None else {"fps": fps})
    form = format_of(target, None, False)
    lost = joints_lost_by_format(refined.skeleton, form)
    describe_derived({target: {target: lost}}, "refine", given, inputs)
    print_people(summarise(refined), appearance_sentence(refined))
    tell(str(target))
    print_lost({form: lost} if lost else {})


def _lost(path: Path, lost: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """What the format of a file lost; nothing of a video."""
    from posetrack.formats.whole_clips import format_of

    return () if path.suffix == ".mp4" else lost.get(format_of(path, None, False), ())
