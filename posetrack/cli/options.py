"""The options that ``run`` and ``batch`` share, each defined once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.cli.drawing_options import DrawingOptions
from posetrack.cli.lengths import interval, length, searching
from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.models.engines import Engine
    from posetrack.presets import Preset, Propagation
    from posetrack.runner import Outputs
    from posetrack.video import ReadOptions

_reading = partial(typer.Option, rich_help_panel="Input")
_output = partial(typer.Option, rich_help_panel="Output")
_tracking = partial(typer.Option, rich_help_panel="Tracking")
_weights = partial(typer.Option, rich_help_panel="Your own weights")
_computing = partial(typer.Option, rich_help_panel="Computing")


@dataclass(frozen=True, kw_only=True)
class TrackOptions(DrawingOptions):
    """What to read, write and draw, and how to track. Each field is a Typer option."""

    formats: Annotated[
        list[str] | None,
        _output(
            "--format",
            "-f",
            help="Also write csv, parquet, wide, wide-parquet, mot, coco, posetrack17, trc, c3d, openpose, "
            "openpose18, alphapose, alphapose26, coco-tracks, bvh, slp, nwb or deeplabcut (repeatable).",
        ),
    ] = None
    video: Annotated[bool, _output("--video/--no-video", help="Write the annotated video.")] = True
    start: Annotated[float | None, _reading(help="Start at this time, in seconds.")] = None
    end: Annotated[float | None, _reading(help="Stop before this time, in seconds.")] = None
    stride: Annotated[int, _reading(help="Take every n-th frame.")] = 1
    max_frames: Annotated[int | None, _reading(help="Maximum number of frames.")] = None
    image_fps: Annotated[float, _reading(help="Frame rate of a folder or glob of images.")] = 25.0
    preset: Annotated[
        str, _tracking(help="Networks and settings that go together: lite, balanced, fast, accurate or posetrack.")
    ] = "lite"
    detector: Annotated[
        str | None,
        _tracking(help="Detector weights: a name from `posetrack models list`, or a file."),
    ] = None
    pose: Annotated[
        str | None, _tracking(help="Pose weights: a name from `posetrack models list`, or a file.")
    ] = None
    architecture: Annotated[
        list[str] | None,
        _weights(help="Network that a checkpoint file is for, such as hrnet_w32. Repeat for the detector's."),
    ] = None
    input_size: Annotated[
        str | None, _weights("--input", help="Input size of the pose network: WIDTHxHEIGHT, such as 192x256.")
    ] = None
    detector_input: Annotated[
        str | None, _weights(help="Input size of the detector: WIDTHxHEIGHT, such as 640x640.")
    ] = None
    convention: Annotated[
        str | None, _weights(help="Input preprocessing of the checkpoint: mmpose, udp, official or own.")
    ] = None
    skeleton: Annotated[
        str | None, _weights(help="Joints that the pose network outputs: coco, posetrack or another skeleton.")
    ] = None
    onnx_kind: Annotated[
        list[str] | None,
        _weights(help="Outputs of an ONNX file: simcc, heatmap, rtmdet, yolox or rtmo (repeatable)."),
    ] = None
    detect_every: Annotated[
        str | None,
        _tracking(
            help="Detect people every n-th frame (5), every so many seconds (0.2s), or auto (5 per second; up to "
            "every frame in crowds)."
        ),
    ] = None
    pose_every: Annotated[
        str | None,
        _tracking(
            help="Re-estimate tracked people every n-th frame (5), every so many seconds (0.2s), or auto (5 per "
            "second; more if they move)."
        ),
    ] = None
    score_threshold: Annotated[float | None, _tracking(help="Minimum score of detected boxes.")] = None
    min_joint_score: Annotated[float | None, _tracking(help="Leave out joints whose heatmap peak is lower.")] = (
        None
    )
    min_person_score: Annotated[
        float | None, _tracking(help="Report people whose mean joint score over time is at least this.")
    ] = None
    min_track_seconds: Annotated[
        float | None, _tracking(help="Report people once they have been tracked for this many seconds.")
    ] = None
    nms: Annotated[
        str | None, _tracking(help="How duplicate poses are found: oks, or parametric (AlphaPose).")
    ] = None
    max_oks: Annotated[
        float | None, _tracking(help="Of two poses with a higher similarity (OKS) than this, drop one.")
    ] = None
    flip_test: Annotated[
        bool | None,
        _tracking(
            "--flip-test/--no-flip-test",
            help="Average the pose network's outputs for each crop and its mirror image: slower, more accurate.",
        ),
    ] = None
    codec: Annotated[
        str | None,
        _tracking(help="How heatmaps are decoded: argmax, quarter, dark, dark-udp, soft-argmax or integral."),
    ] = None
    rescore: Annotated[
        bool | None,
        _tracking("--rescore/--no-rescore", help="Report box score x mean joint score instead of the box score."),
    ] = None
    flow: Annotated[
        str | None,
        _tracking(help="Optical flow: dis, lk, farneback or none; or a network: raft_small, raft_large."),
    ] = None
    propagation: Annotated[
        str | None,
        _tracking(
            help="Carry people into the next frame by optical flow: evidence keeps those that the frame confirms, "
            "paper keeps all, off carries nobody."
        ),
    ] = None
    no_propagation: Annotated[
        bool, _tracking("--no-propagation", help="Same as --propagation off: rely on the detector alone.")
    ] = False
    search_every: Annotated[
        str | None,
        _tracking(help="How often to look for hidden people where they are expected (0.4s), or off."),
    ] = None
    similarity: Annotated[
        str | None, _tracking(help="Similarity used for linking: bbox, pose, flow or multi-flow.")
    ] = None
    matching: Annotated[str | None, _tracking(help="Assignment used for linking: greedy or hungarian.")] = None
    queue: Annotated[
        str | None, _tracking(help="How far back poses are compared for linking: seconds (0.4s) or frames (10f).")
    ] = None
    queue_frames: Annotated[int | None, _tracking(help="Same as --queue, in frames.")] = None
    max_gap: Annotated[
        str | None, _tracking(help="How long an unseen person is remembered: seconds (2.4s) or frames (60f).")
    ] = None
    max_gap_frames: Annotated[int | None, _tracking(help="Same as --max-gap, in frames.")] = None
    min_similarity: Annotated[float | None, _tracking(help="Minimum similarity of linked poses.")] = None
    device: Annotated[str, _computing(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto"
    precision: Annotated[
        str, _computing(help="fp32, fp16 or bf16; auto is fp16 on CUDA GPUs with tensor cores, otherwise fp32.")
    ] = "auto"
    compile: Annotated[
        bool, _computing("--compile", help="Compile the networks with torch.compile; takes a minute or more.")
    ] = False
    engine: Annotated[str, _computing(help="Inference engine: torch; or onnxruntime or openvino (CPU only).")] = (
        "torch"
    )
    models_dir: Annotated[
        Path | None, _computing(help="Folder of downloaded weights. Defaults to $POSETRACK_HOME/models.")
    ] = None
    threads: Annotated[int, _computing(help="CPU threads per network; 0 uses half of the cores.")] = 0
    seed: Annotated[int, _computing(help="Random seed.")] = 0

    def customised_preset(self) -> Preset:
        """The preset with the options applied."""
        from posetrack.changes import Changes, customised
        from posetrack.cli.given_files import file_formats
        from posetrack.presets import get_preset
        from posetrack.tracker import FlowLinker

        names = {field.name for field in fields(Changes)} & {field.name for field in fields(self)}
        given = {name: getattr(self, name) for name in names - {"detect_every", "pose_every", "propagation"}}
        given |= length("queue", self.queue, self.queue_frames) | length(
            "max_gap", self.max_gap, self.max_gap_frames
        )
        pose_format, detector_format = file_formats(self)
        changes = Changes(
            propagation=self.chosen_propagation(),
            **interval("detect_every", self.detect_every),
            **interval("pose_every", self.pose_every),
            search_every_s=searching(self.search_every),
            pose_format=pose_format,
            detector_format=detector_format,
            **given,
        )
        preset = customised(get_preset(self.preset), changes)
        FlowLinker(preset.linker)  # refuses unknown values before anything is loaded or written
        return preset

    def chosen_propagation(self) -> Propagation | None:
        """The propagation chosen by either option."""
        if self.no_propagation and self.propagation not in (None, "off"):
            raise ConfigError(f"--no-propagation contradicts --propagation {self.propagation}: leave one out.")
        return "off" if self.no_propagation else self.propagation  # type: ignore[return-value] # checked by presets

    def check_engine(self) -> Engine:
        """The engine. Refuses conflicting settings before anything is downloaded or loaded."""
        from posetrack.models.engines import check_engine

        return check_engine(self.engine, self.device, self.precision, self.compile)

    def fetch_weights(self, preset: Preset) -> None:
        """Download the preset's missing weights, with a progress bar."""
        from posetrack.cli.download_progress import DownloadProgress
        from posetrack.models.onnx_reading import require_runtime
        from posetrack.presets import weights_of
        from posetrack.zoo import ModelStore, download, get_entry

        store, entries = ModelStore(self.models_dir), [get_entry(name) for name in weights_of(preset)]
        for entry in entries:
            if entry.file.endswith(".onnx"):
                require_runtime(entry.name, self.check_engine())
        missing = [entry for entry in entries if store.find(entry) is None]
        if missing:
            with DownloadProgress() as progress:
                for entry in missing:
                    progress.ended(entry, str(download(entry, store, observer=progress)))

    def reading(self) -> ReadOptions:
        """The part of a source to read."""
        from posetrack.video import ReadOptions

        return ReadOptions(
            start_s=self.start, end_s=self.end, stride=self.stride, max_frames=self.max_frames,
            images_per_second=self.image_fps,
        )  # fmt: skip

    def outputs(self, *, overwrite: bool, show: bool = False) -> Outputs:
        """The files to write, always including PoseTrack18."""
        from posetrack.formats.whole_clips import check_formats
        from posetrack.runner import Outputs

        check_formats(self.formats or [])
        return Outputs(
            video=self.video,
            formats=tuple(dict.fromkeys(["posetrack18", *(self.formats or [])])),
            overwrite=overwrite,
            show=show,
            drawing=self.drawing(),
        )
