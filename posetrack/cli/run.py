"""``posetrack run``: track one video, folder of images, camera or stream."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.cli.options import TrackOptions, takes_track_options
from posetrack.cli.output import complain
from posetrack.cli.start import INTERRUPTED
from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker
    from posetrack.runner import RunSummary

BROKEN_OFF = 2
"""Exit status if the source broke off before its end; the files hold what could be read."""

_output = partial(typer.Option, rich_help_panel="What is written")
_tracking = partial(typer.Option, rich_help_panel="How it is tracked")


@takes_track_options
def run(
    source: Annotated[
        str, typer.Argument(help="Video file, folder or glob of images, camera index, or stream URL.")
    ],
    output: Annotated[Path, _output("--output", "-o", help="Folder of the results.")] = Path(),
    show: Annotated[bool, _output("--show", help="Show the annotated frames in a window; q closes it.")] = False,
    overwrite: Annotated[bool, _output("--overwrite", help="Replace results of earlier runs.")] = False,
    realtime: Annotated[
        bool,
        _tracking(
            "--realtime",
            help="Keep up with a live source (a file is taken as one): look for people as often as there is time "
            "for, drop frames only if that does not suffice, and say so. Goes with every preset. What comes out "
            "depends on how fast the computer is; without it, the same input gives the same output.",
        ),
    ] = False,
    *,
    options: TrackOptions,
) -> None:
    """Track the people of a video: NAME_tracked.mp4 and NAME.json (PoseTrack18)."""
    from posetrack.cli.progress import FrameProgress
    from posetrack.runner import run as run_source

    preset, engine = options.customised_preset(), options.check_engine()
    if realtime:
        _check_realtime(options)

    def tracker() -> PoseTracker:
        from posetrack.pose_tracker import PoseTracker

        options.fetch_weights(preset)
        return PoseTracker(
            preset, device=options.device, precision=options.precision, compile=options.compile,
            models_dir=options.models_dir, threads=options.threads, seed=options.seed, engine=engine,
        )  # fmt: skip

    outputs, reading = options.outputs(overwrite=overwrite, show=show), options.reading()
    with FrameProgress() as progress:
        summary = run_source(
            source, output, tracker=tracker, outputs=outputs, reading=reading, realtime=realtime, observer=progress
        )
    finish(summary)


def _check_realtime(options: TrackOptions) -> None:
    """Whether the other flags leave it something to choose."""
    if options.detect_every is not None:
        raise ConfigError("--realtime chooses the detection interval itself: leave out --detect-every.")
    if options.chosen_propagation() == "off":
        raise ConfigError("--realtime carries people between detections: leave out --no-propagation.")


def finish(summary: RunSummary) -> None:
    """Say what has been done, and end with the status that tells how it went."""
    from posetrack.cli.summary import print_summary

    print_summary(summary)
    if summary.warning:
        complain(summary.warning)
    if summary.incomplete:
        told = _what_there_is(summary)
        complain(f"{summary.incomplete} {told[0].upper()}{told[1:]}.")
        raise typer.Exit(BROKEN_OFF)
    if summary.interrupted:
        complain(f"interrupted; {_what_there_is(summary)}.")
        raise typer.Exit(INTERRUPTED)
    if summary.beside:
        complain(f"another program has written results of that name meanwhile; these are in {_files(summary)}.")


def _what_there_is(summary: RunSummary) -> str:
    """Of a run that has not come to its end."""
    if not summary.beside:
        return f"the results hold {summary.frames} frames"
    return (
        f"earlier results stay as they were, and the {summary.frames} frames tracked now are in {_files(summary)}"
    )


def _files(summary: RunSummary) -> str:
    return ", ".join(map(str, summary.files))
