"""``posetrack run``: track one video, folder of images, camera or stream."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.cli.options import TrackOptions, takes_track_options

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker
    from posetrack.runner import RunSummary

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it; the files hold what was tracked until then."""

BROKEN_OFF = 2
"""Exit status if the source broke off before its end; the files hold what could be read."""

_output = partial(typer.Option, rich_help_panel="What is written")


@takes_track_options
def run(
    source: Annotated[
        str, typer.Argument(help="Video file, folder or glob of images, camera index, or stream URL.")
    ],
    output: Annotated[Path, _output("--output", "-o", help="Folder of the results.")] = Path(),
    show: Annotated[bool, _output("--show", help="Show the annotated frames in a window; q closes it.")] = False,
    overwrite: Annotated[bool, _output("--overwrite", help="Replace results of earlier runs.")] = False,
    *,
    options: TrackOptions,
) -> None:
    """Track the people of a video: NAME_tracked.mp4 and NAME.json (PoseTrack18)."""
    from posetrack.cli.progress import FrameProgress
    from posetrack.runner import run as run_source

    preset = options.customised_preset()

    def tracker() -> PoseTracker:
        from posetrack.pose_tracker import PoseTracker

        options.fetch_weights(preset)
        return PoseTracker(
            preset, device=options.device, precision=options.precision, compile=options.compile,
            models_dir=options.models_dir, threads=options.threads, seed=options.seed,
        )  # fmt: skip

    outputs, reading = options.outputs(overwrite=overwrite, show=show), options.reading()
    with FrameProgress() as progress:
        summary = run_source(source, output, tracker=tracker, outputs=outputs, reading=reading, observer=progress)
    _finish(summary)


def _finish(summary: RunSummary) -> None:
    """Say what has been done, and end with the status that tells how it went."""
    from posetrack.cli.summary import print_summary

    print_summary(summary)
    if summary.warning:
        print(f"posetrack: {summary.warning}", file=sys.stderr)
    if summary.incomplete:
        print(f"posetrack: {summary.incomplete} The results hold {summary.frames} frames.", file=sys.stderr)
        raise typer.Exit(BROKEN_OFF)
    if summary.interrupted:
        print(f"posetrack: interrupted; the results hold {summary.frames} frames.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)
