"""The flags that ``run`` and ``batch`` share: each is defined here, once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.models.engines import Engine
    from posetrack.presets import Preset, Propagation
    from posetrack.runner import Outputs
    from posetrack.video import ReadOptions

_reading = partial(typer.Option, rich_help_panel="What is read")
_output = partial(typer.Option, rich_help_panel="What is written")
_drawing = partial(typer.Option, rich_help_panel="What is drawn")
_tracking = partial(typer.Option, rich_help_panel="How it is tracked")
_computing = partial(typer.Option, rich_help_panel="How it is computed")


@dataclass(frozen=True, kw_only=True)
class TrackOptions:
    """What is read, written and drawn, and how it is tracked. A field is a flag, as Typer takes it."""

    formats: Annotated[
        list[str] | None,
        _output(
            "--format",
            "-f",
            help="Also write csv, parquet, mot, coco or posetrack17 (may be given several times).",
        ),
    ] = None
    video: Annotated[bool, _output("--video/--no-video", help="Write the annotated video.")] = True
    start: Annotated[float | None, _reading(help="Begin at this time, in seconds.")] = None
    end: Annotated[float | None, _reading(help="Stop before this time, in seconds.")] = None
    stride: Annotated[int, _reading(help="Take every n-th frame.")] = 1
    max_frames: Annotated[int | None, _reading(help="Take at most so many frames.")] = None
    image_fps: Annotated[float, _reading(help="Frames per second of a folder or glob of images.")] = 25.0
    boxes: Annotated[bool, _drawing("--boxes", help="Draw the boxes.")] = False
    trails: Annotated[bool, _drawing("--trails", help="Draw where people have been.")] = False
    blur_faces: Annotated[bool, _drawing("--blur-faces", help="Make faces unrecognisable.")] = False
    preset: Annotated[
        str, _tracking(help="Networks and settings that go together: lite, accurate or posetrack.")
    ] = "lite"
    detector: Annotated[
        str | None,
        _tracking(help="Another detector: a name that `posetrack models list` shows, or a file that you trained."),
    ] = None
    pose: Annotated[str | None, _tracking(help="Another pose network, likewise.")] = None
    detect_every: Annotated[
        str | None,
        _tracking(help="Look for people in every n-th frame, or auto (five a second, up to all in crowds)."),
    ] = None
    pose_every: Annotated[
        str | None,
        _tracking(help="Estimate carried people's joints every n-th frame, or auto (five a second; movers more)."),
    ] = None
    score_threshold: Annotated[float | None, _tracking(help="Detected boxes below it are dropped.")] = None
    min_joint_score: Annotated[float | None, _tracking(help="Joints below it are missing in the output.")] = None
    nms: Annotated[
        str | None, _tracking(help="How one person's second pose is found: oks, or AlphaPose's parametric.")
    ] = None
    max_oks: Annotated[float | None, _tracking(help="Of two poses more alike than this, one is dropped.")] = None
    flip_test: Annotated[
        bool | None,
        _tracking("--flip-test/--no-flip-test", help="Average with the mirrored image: slower, more accurate."),
    ] = None
    codec: Annotated[
        str | None, _tracking(help="How heatmaps become joints: argmax, quarter, dark or soft-argmax.")
    ] = None
    rescore: Annotated[
        bool | None,
        _tracking("--rescore/--no-rescore", help="Report box score x mean joint score, rather than the box's."),
    ] = None
    flow: Annotated[
        str | None, _tracking(help="dis, lk, farneback or none; or a network: raft_small, raft_large.")
    ] = None
    propagation: Annotated[
        str | None,
        _tracking(
            help="Whether people carried into the next frame are believed: as far as the frame bears them out "
            "(evidence), or always (paper); off carries nobody."
        ),
    ] = None
    no_propagation: Annotated[
        bool, _tracking("--no-propagation", help="The same as --propagation off: rely on the detector alone.")
    ] = False
    similarity: Annotated[str | None, _tracking(help="bbox, pose, flow or multi-flow.")] = None
    matching: Annotated[str | None, _tracking(help="greedy or hungarian.")] = None
    queue: Annotated[
        str | None, _tracking(help="How far back poses are compared: seconds (0.4s) or frames (10f).")
    ] = None
    queue_frames: Annotated[int | None, _tracking(help="The same as --queue in frames.")] = None
    max_gap: Annotated[
        str | None, _tracking(help="People unseen for longer are forgotten: seconds (2.4s) or frames (60f).")
    ] = None
    max_gap_frames: Annotated[int | None, _tracking(help="The same as --max-gap in frames.")] = None
    min_similarity: Annotated[float | None, _tracking(help="Poses less alike than this are not linked.")] = None
    device: Annotated[str, _computing(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto"
    precision: Annotated[
        str, _computing(help="fp32, fp16 or bf16; auto is fp32 on processors, and less on GPUs.")
    ] = "auto"
    compile: Annotated[
        bool, _computing("--compile", help="Have torch.compile make the networks faster, after a minute's work.")
    ] = False
    engine: Annotated[str, _computing(help="What networks run in: torch, or onnxruntime (processors only).")] = (
        "torch"
    )
    models_dir: Annotated[
        Path | None, _computing(help="Folder of downloaded weights; by default $POSETRACK_HOME/models.")
    ] = None
    threads: Annotated[
        int, _computing(help="Processor threads of each network; 0 shares out what processors there are.")
    ] = 0
    seed: Annotated[int, _computing(help="Of all random numbers.")] = 0

    def customised_preset(self) -> Preset:
        """The preset with what the flags change."""
        from posetrack.presets import Changes, customised, get_preset
        from posetrack.tracker import FlowLinker

        names = {field.name for field in fields(Changes)} & {field.name for field in fields(self)}
        given = {name: getattr(self, name) for name in names - {"detect_every", "pose_every", "propagation"}}
        given |= _length("queue", self.queue, self.queue_frames) | _length(
            "max_gap", self.max_gap, self.max_gap_frames
        )
        changes = Changes(
            propagation=self.chosen_propagation(),
            detect_every=_interval("--detect-every", self.detect_every),
            pose_every=_interval("--pose-every", self.pose_every),
            **given,
        )
        preset = customised(get_preset(self.preset), changes)
        FlowLinker(preset.linker)  # which refuses what it does not know, here before anything is loaded or written
        return preset

    def chosen_propagation(self) -> Propagation | None:
        """Of either flag."""
        if self.no_propagation and self.propagation not in (None, "off"):
            raise ConfigError(f"--no-propagation contradicts --propagation {self.propagation}: leave one out.")
        return "off" if self.no_propagation else self.propagation  # type: ignore[return-value] # checked by presets

    def check_engine(self) -> Engine:
        """The engine; refused before anything is fetched or loaded if other settings do not go with it."""
        from posetrack.models.engines import check_engine

        return check_engine(self.engine, self.device, self.precision, self.compile)

    def fetch_weights(self, preset: Preset) -> None:
        """Download what the preset needs and is not here yet, with a progress bar."""
        from posetrack.cli.download_progress import DownloadProgress
        from posetrack.presets import weights_of
        from posetrack.zoo import ModelStore, download, get_entry

        store = ModelStore(self.models_dir)
        missing = [entry for entry in map(get_entry, weights_of(preset)) if store.find(entry) is None]
        if missing:
            with DownloadProgress() as progress:
                for entry in missing:
                    progress.ended(entry, str(download(entry, store, observer=progress)))

    def reading(self) -> ReadOptions:
        """Which part of a source is read."""
        from posetrack.video import ReadOptions

        return ReadOptions(
            start_s=self.start, end_s=self.end, stride=self.stride, max_frames=self.max_frames,
            images_per_second=self.image_fps,
        )  # fmt: skip

    def outputs(self, *, overwrite: bool, show: bool = False) -> Outputs:
        """What is written: PoseTrack18 always."""
        from posetrack.runner import Outputs
        from posetrack.video import AnnotatorConfig

        return Outputs(
            video=self.video,
            formats=tuple(dict.fromkeys(["posetrack18", *(self.formats or [])])),
            overwrite=overwrite,
            show=show,
            drawing=AnnotatorConfig(boxes=self.boxes, trails=self.trails, blur_faces=self.blur_faces),
        )


def takes_track_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the shared flags behind its own; it receives them as ``options``."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    hints = get_type_hints(TrackOptions, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(TrackOptions)
    ]

    @wraps(command)
    def wrapper(**values: Any) -> None:
        options = TrackOptions(**{parameter.name: values.pop(parameter.name) for parameter in shared})
        command(**values, options=options)

    parameters = [parameter for parameter in own if parameter.name != "options"] + shared
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def _interval(flag: str, text: str | None) -> int | Literal["auto"] | None:
    if text is None or text == "auto":
        return text  # type: ignore[return-value]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ConfigError(f"{flag} is {text!r}; give a number of frames, or auto.")
    return int(text)


def _length(option: str, text: str | None, frames: int | None) -> dict[str, float | int | None]:
    """A length of time, as the settings ``OPTION_s`` and ``OPTION_frames``."""
    flag = f"--{option.replace('_', '-')}"
    if text is None:
        return {f"{option}_s": None, f"{option}_frames": frames}
    if frames is not None:
        raise ConfigError(f"{flag} and {flag}-frames are the same setting: leave one out.")
    number, unit = text[:-1], text[-1:]
    try:
        if unit == "s":
            return {f"{option}_s": float(number), f"{option}_frames": None}
        if unit == "f":
            return {f"{option}_s": None, f"{option}_frames": int(number)}
    except ValueError:
        pass
    raise ConfigError(f"{flag} is {text!r}; give seconds, such as 2.4s, or frames, such as 60f.")
