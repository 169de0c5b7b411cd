"""``posetrack run``: track one video, folder of images, camera or stream."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker
    from posetrack.runner import RunSummary

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it; the files hold what was tracked until then."""

BROKEN_OFF = 2
"""Exit status if the source broke off before its end; the files hold what could be read."""

_reading = partial(typer.Option, rich_help_panel="What is read")
_output = partial(typer.Option, rich_help_panel="What is written")
_drawing = partial(typer.Option, rich_help_panel="What is drawn")
_tracking = partial(typer.Option, rich_help_panel="How it is tracked")


def run(
    source: Annotated[
        str, typer.Argument(help="Video file, folder or glob of images, camera index, or stream URL.")
    ],
    output: Annotated[Path, _output("--output", "-o", help="Folder of the results.")] = Path(),
    formats: Annotated[
        list[str] | None,
        _output(
            "--format",
            "-f",
            help="Also write csv, parquet, mot, coco or posetrack17 (may be given several times).",
        ),
    ] = None,
    video: Annotated[bool, _output(help="Write the annotated video.")] = True,
    show: Annotated[bool, _output("--show", help="Show the annotated frames in a window; q closes it.")] = False,
    overwrite: Annotated[bool, _output("--overwrite", help="Replace results of earlier runs.")] = False,
    start: Annotated[float | None, _reading(help="Begin at this time, in seconds.")] = None,
    end: Annotated[float | None, _reading(help="Stop before this time, in seconds.")] = None,
    stride: Annotated[int, _reading(help="Take every n-th frame.")] = 1,
    max_frames: Annotated[int | None, _reading(help="Take at most so many frames.")] = None,
    image_fps: Annotated[float, _reading(help="Frames per second of a folder or glob of images.")] = 25.0,
    boxes: Annotated[bool, _drawing("--boxes", help="Draw the boxes.")] = False,
    trails: Annotated[bool, _drawing("--trails", help="Draw where people have been.")] = False,
    blur_faces: Annotated[bool, _drawing("--blur-faces", help="Make faces unrecognisable.")] = False,
    preset: Annotated[str, _tracking(help="Networks and settings that go together.")] = "lite",
    device: Annotated[str, _tracking(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    detect_every: Annotated[
        str | None, _tracking(help="Look for people in every n-th frame, or auto (five times a second).")
    ] = None,
    score_threshold: Annotated[float | None, _tracking(help="Detected boxes below it are dropped.")] = None,
    min_joint_score: Annotated[float | None, _tracking(help="Joints below it are missing in the output.")] = None,
    max_oks: Annotated[float | None, _tracking(help="Of two poses more alike than this, one is dropped.")] = None,
    flip_test: Annotated[
        bool | None,
        _tracking("--flip-test/--no-flip-test", help="Average with the mirrored image: slower, more accurate."),
    ] = None,
    flow: Annotated[str | None, _tracking(help="dis, lk, farneback or none.")] = None,
    propagation: Annotated[
        bool | None,
        _tracking(
            "--propagation/--no-propagation", help="Carry people into the next frame (or rely on the detector)."
        ),
    ] = None,
    similarity: Annotated[str | None, _tracking(help="bbox, pose, flow or multi-flow.")] = None,
    matching: Annotated[str | None, _tracking(help="greedy or hungarian.")] = None,
    queue_frames: Annotated[int | None, _tracking(help="Past frames that poses are compared with.")] = None,
    max_gap_frames: Annotated[
        int | None, _tracking(help="Frames after which somebody unseen is forgotten.")
    ] = None,
    min_similarity: Annotated[float | None, _tracking(help="Poses less alike than this are not linked.")] = None,
    threads: Annotated[
        int, _tracking(help="Processor threads of each network; 0 takes half of the processors.")
    ] = 0,
    seed: Annotated[int, _tracking(help="Of all random numbers.")] = 0,
) -> None:
    """Track the people of a video: NAME_tracked.mp4 and NAME.json (PoseTrack18)."""
    from posetrack.cli.progress import FrameProgress
    from posetrack.presets import Changes, customised, get_preset
    from posetrack.runner import Outputs
    from posetrack.runner import run as run_source
    from posetrack.video import AnnotatorConfig, ReadOptions

    changes = Changes(
        flow=flow, detect_every=_interval(detect_every), propagation=propagation, similarity=similarity,
        matching=matching, queue_frames=queue_frames, max_gap_frames=max_gap_frames,
        min_similarity=min_similarity, score_threshold=score_threshold, min_joint_score=min_joint_score,
        max_oks=max_oks, flip_test=flip_test,
    )  # fmt: skip
    chosen = customised(get_preset(preset), changes)

    def tracker() -> PoseTracker:
        from posetrack.pose_tracker import PoseTracker

        return PoseTracker(chosen, device=device, threads=threads, seed=seed)

    outputs = Outputs(
        video=video,
        formats=tuple(dict.fromkeys(["posetrack18", *(formats or [])])),
        overwrite=overwrite,
        show=show,
        drawing=AnnotatorConfig(boxes=boxes, trails=trails, blur_faces=blur_faces),
    )
    reading = ReadOptions(
        start_s=start, end_s=end, stride=stride, max_frames=max_frames, images_per_second=image_fps
    )
    with FrameProgress() as progress:
        summary = run_source(source, output, tracker=tracker, outputs=outputs, reading=reading, observer=progress)
    _finish(summary)


def _interval(text: str | None) -> int | Literal["auto"] | None:
    if text is None or text == "auto":
        return text  # type: ignore[return-value]
    if not text.isdigit():
        raise ConfigError(f"--detect-every is {text!r}; give a number of frames, or auto.")
    return int(text)


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
