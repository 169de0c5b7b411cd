"""``posetrack run``: track one video, folder of images, camera or stream."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.cli.options import TrackOptions
from posetrack.cli.output import complain
from posetrack.cli.refine_options import RefineOptions
from posetrack.cli.shared_options import takes
from posetrack.cli.start import INTERRUPTED
from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker
    from posetrack.runner import RunSummary

BROKEN_OFF = 2
"""Exit status if the source ended early; the files hold what could be read."""

_output = partial(typer.Option, rich_help_panel="Output")
_tracking = partial(typer.Option, rich_help_panel="Tracking")


@takes(options=TrackOptions, refining=RefineOptions)
def run(
    source: Annotated[
        str, typer.Argument(help="Video file, folder or glob of images, camera index, or stream URL.")
    ],
    output: Annotated[Path, _output("--output", "-o", help="Folder for the results.")] = Path(),
    show: Annotated[bool, _output("--show", help="Show the annotated frames in a window; q closes it.")] = False,
    overwrite: Annotated[bool, _output("--overwrite", help="Replace existing results.")] = False,
    realtime: Annotated[
        bool,
        _tracking(
            "--realtime",
            help="Keep up with a live source, or play a file as one: detect as often as time allows, and drop "
            "frames only if that is not enough. Works with every preset. Results then depend on the computer's "
            "speed; without it, the same input gives the same output.",
        ),
    ] = False,
    online: Annotated[
        bool,
        _tracking(
            "--online", help="Track frame by frame only, without the second pass, as with cameras and streams."
        ),
    ] = False,
    *,
    options: TrackOptions,
    refining: RefineOptions,
) -> None:
    """Track the people in a video.

    Writes NAME_tracked.mp4 (the video with skeletons), NAME.json (poses, PoseTrack18), NAME.tracks (for `refine`)
    and NAME.meta.json (how they were made, for `verify`).
    """
    if realtime:
        _check_realtime(options)
    live = realtime and not online and bool(refining.given) and refining.config().for_streams is not None
    if (online or realtime) and refining.given and not live:
        raise ConfigError(_needs_second_pass(refining, online=online))
    second = refining if live or not (online or realtime) else None
    summary = track(source, output, options, second, show=show, overwrite=overwrite, realtime=realtime)
    finish(summary)


def track(
    source: str,
    output: Path,
    options: TrackOptions,
    refining: RefineOptions | None,
    *,
    name: str | None = None,
    source_name: str | None = None,
    show: bool = False,
    overwrite: bool = False,
    realtime: bool = False,
) -> RunSummary:
    """Track a source with a progress bar, and write its files.

    There is no second pass without ``refining`` or with ``realtime``. ``name`` is the name of the files, and
    ``source_name`` that of the source in them; both default to the source's own name.
    """
    from posetrack.cli.progress import FrameProgress
    from posetrack.cli.recorded import given_options
    from posetrack.provenance.meta import Repetition
    from posetrack.runner import run as run_source

    preset, engine = options.customised_preset(), options.check_engine()
    config = refining.config() if refining is not None and refining.given else None

    def tracker() -> PoseTracker:
        from posetrack.pose_tracker import PoseTracker

        options.fetch_weights(preset)
        return PoseTracker(
            preset, device=options.device, precision=options.precision, compile=options.compile,
            models_dir=options.models_dir, threads=options.threads, seed=options.seed, engine=engine,
        )  # fmt: skip

    outputs, reading = options.outputs(overwrite=overwrite, show=show), options.reading()
    repetition = Repetition(options=given_options(options, refining))
    with FrameProgress() as progress:
        return run_source(
            source, output, name=name, source_name=source_name, tracker=tracker, outputs=outputs, reading=reading,
            realtime=realtime, online=refining is None, refine=config, repetition=repetition, observer=progress,
            second_observer=progress.second_pass,
        )  # fmt: skip


def _needs_second_pass(refining: RefineOptions, *, online: bool) -> str:
    """Which options need the second pass that is left out, as a sentence."""
    given = refining.given
    if not online and refining.config().smoothing.name == "one-euro":
        given.remove("--smooth")
    switch = "--online" if online else "--realtime"
    otherwise = "" if online or "--smooth" not in given else ", smooth with one-euro"
    needless = " and ".join(given)
    return f"{switch} skips the second pass: leave out {needless}{otherwise}, or refine NAME.tracks later."


def _check_realtime(options: TrackOptions) -> None:
    """Refuse options that contradict ``--realtime``."""
    if options.detect_every is not None:
        raise ConfigError("--realtime chooses the detection interval itself: leave out --detect-every.")
    if options.chosen_propagation() == "off":
        raise ConfigError("--realtime carries people between detections: leave out --no-propagation.")


def finish(summary: RunSummary) -> None:
    """Print what was done, and exit with the status of the run."""
    from posetrack.cli.summary import print_summary

    print_summary(summary)
    if summary.warning:
        complain(summary.warning)
    if summary.incomplete:
        sentence = _what_there_is(summary)
        complain(f"{summary.incomplete} {sentence[0].upper()}{sentence[1:]}.")
        raise typer.Exit(BROKEN_OFF)
    if summary.unrefined:
        complain(f"interrupted in the second pass. {_how_to_go_on(summary)}")
        raise typer.Exit(INTERRUPTED)
    if summary.interrupted:
        complain(f"interrupted; {_what_there_is(summary)}.")
        raise typer.Exit(INTERRUPTED)
    if summary.beside:
        complain(f"another program wrote results of that name in the meantime; these are in {_files(summary)}.")


def _how_to_go_on(summary: RunSummary) -> str:
    from posetrack.runner.summary import goes_on_from

    return "" if summary.observations is None else goes_on_from(summary.observations)


def _what_there_is(summary: RunSummary) -> str:
    """Describe the results of an unfinished run."""
    if not summary.beside:
        return f"the results hold {summary.frames} frames"
    return f"earlier results are unchanged, and the {summary.frames} frames tracked now are in {_files(summary)}"


def _files(summary: RunSummary) -> str:
    return ", ".join(map(str, summary.files))
