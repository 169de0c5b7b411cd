"""Presets: detector, pose network, flow and tracker settings that go well together.

A preset is plain data; ``customised`` gives a copy with single fields changed, as the command line does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal, TypeVar

from posetrack.errors import ConfigError
from posetrack.flow import FLOWS
from posetrack.models.detector import DetectorConfig
from posetrack.models.pose import PoseConfig
from posetrack.pipeline import PipelineConfig
from posetrack.tracker import EvidenceConfig, LinkerConfig, MergeConfig, PropagationConfig, SelectionConfig
from posetrack.zoo import get_entry, read_entries

Config = TypeVar("Config", DetectorConfig, SelectionConfig, PoseConfig, LinkerConfig)

WEIGHTS_SUFFIX = ".safetensors"
"""Ending of the files that ``posetrack train`` writes."""

AUTO_LOOKS_PER_S = 5
"""``auto`` looks for people, and for a carried person's joints, about this often in a second of footage."""

AUTO_DETECTION_FRAMES = 5
"""For people at least every so many frames."""

AUTO_SURE_SCORE = 0.9
"""And up to every frame the fewer of them have a score above."""

AUTO_SKIPPING_MIN_FPS = 14
"""In slower footage people move too far from one frame to the next, and are looked for in each. (Every second
frame of 29.97 a second is just fast enough.)"""

Interval = int | Literal["auto"]

Propagation = Literal["evidence", "paper", "off"]
"""Carried people are believed if the frame bears them out; always, as in the paper; or nobody is carried."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a tracker is made of.

    Attributes:
        name: As on the command line.
        summary: What it is good for, in a line.
        detector: Weights of the person detector: a name in the table of weights (``posetrack models list``), or
            a file that ``posetrack train detector`` wrote.
        pose: Weights of the pose network, likewise; the detector's own where that brings poses.
        flow: Flow estimator: a key of ``posetrack.flow.FLOWS``, or the name of a flow network's weights.
        detect_every: Frames from one detection to the next; ``auto`` looks for people about five times a second,
            every fifth frame at least, and the more often the less sure it is of them (see
            ``schedule.EveryNth``); in every frame where there are fewer than 14 a second.
        pose_every: Frames from one estimate of a carried person's joints to the next, unless they have moved or
            lie on another; in between the flow carries them. Where people are looked for, everybody's are
            estimated. ``auto`` estimates them about five times a second at least.
        pipeline: How the stages are put together (``detect_every`` and ``pose_every`` above override its fields
            ``detect_every``, ``sure_score`` and ``refresh.every``).
        detector_config: How the detector is used.
        pose_config: How the pose network is used.
        linker: How identities are linked.

    Raises:
        ConfigError: there is no such flow.
    """

    name: str
    summary: str
    detector: str
    pose: str
    flow: str = "dis"
    detect_every: Interval = 1
    pose_every: Interval = 1
    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    detector_config: DetectorConfig = field(default_factory=DetectorConfig)
    pose_config: PoseConfig = field(default_factory=PoseConfig)
    linker: LinkerConfig = field(default_factory=LinkerConfig)

    def __post_init__(self) -> None:
        networks = [entry.name for entry in read_entries().values() if entry.task == "flow"]
        if self.flow not in (*FLOWS, *networks):
            raise ConfigError(f"there is no flow {self.flow!r}; choose one of {', '.join([*FLOWS, *networks])}.")

    def detection_interval(self, fps: Fraction | None) -> int:
        """Frames from one detection to the next, at most, for a source of that many frames a second (None: 25)."""
        if self.detect_every != "auto":
            return self.detect_every
        too_slow = fps and fps < AUTO_SKIPPING_MIN_FPS
        return 1 if too_slow else min(_auto_interval(fps), AUTO_DETECTION_FRAMES)

    def pose_interval(self, fps: Fraction | None) -> int:
        """The same for the joints of a carried person."""
        return _auto_interval(fps) if self.pose_every == "auto" else self.pose_every

    def pipeline_config(self, fps: Fraction | None) -> PipelineConfig:
        """How the stages are put together for a source of that many frames a second."""
        refresh = replace(self.pipeline.refresh, every=self.pose_interval(fps))
        sure_score = AUTO_SURE_SCORE if self.detect_every == "auto" else None
        return replace(
            self.pipeline,
            detect_every=self.detection_interval(fps),
            sure_score=sure_score,
            refresh=refresh,
            faint_below=self.detector_config.score_threshold if self.pipeline.evidence else 0.0,
        )

    @property
    def lowest_detector_config(self) -> DetectorConfig:
        """How the detector is used when faint detections are wanted as well."""
        if self.pipeline.evidence is None:
            return self.detector_config
        lowest = min(self.detector_config.score_threshold, self.pipeline.evidence.min_faint_score)
        return replace(self.detector_config, score_threshold=lowest)


def _auto_interval(fps: Fraction | None) -> int:
    return max(1, round(float(fps or 25) / AUTO_LOOKS_PER_S))


_ON_GPUS = PipelineConfig(detect_batch=4, flow_batch=4, pose_batch=4)
"""A GPU is busy only with several frames at once."""

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="lite",
            summary="bundled small networks: offline, fits a laptop without a GPU",
            detector="detector_lite",
            pose="pose_lite",
            detect_every="auto",
            pose_every="auto",
            # Looks at every fifth frame come in bursts: with a longer lead the pose network seldom waits for them.
            pipeline=PipelineConfig(
                propagation=PropagationConfig(box_inertia=0.9),
                evidence=EvidenceConfig(),
                merge=MergeConfig(detections_first=True),
                frames_ahead=8,
            ),
            pose_config=PoseConfig(flip_test=True, codec="dark"),
        ),
        Preset(
            name="accurate",
            summary="the best published networks trained on COCO: for a GPU; 0.4 GB to download",
            detector="fasterrcnn_resnet50_fpn_v2",
            pose="hrnet_w48_dark_coco_384x288",
            pipeline=replace(_ON_GPUS, evidence=EvidenceConfig(), merge=MergeConfig(detections_first=True)),
            pose_config=PoseConfig(flip_test=True, codec="dark"),
        ),
        Preset(
            name="posetrack",
            summary="a pose network trained on PoseTrack18, for its benchmark: for a GPU; 0.4 GB to download",
            detector="fasterrcnn_resnet50_fpn_v2",
            pose="hrnet_w48_posetrack18_384x288",
            pipeline=replace(_ON_GPUS, selection=SelectionConfig(min_joint_score=0.4)),
            pose_config=PoseConfig(flip_test=True),
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Single fields of a preset, for the command line; None leaves the preset's own value.

    With another pose network comes the codec that it was published with, unless one is given. Without propagation
    people are looked for in every frame, unless an interval is given.
    """

    detector: str | None = None
    pose: str | None = None
    flow: str | None = None
    detect_every: Interval | None = None
    pose_every: Interval | None = None
    propagation: Propagation | None = None
    similarity: str | None = None
    matching: str | None = None
    queue_s: float | None = None
    queue_frames: int | None = None
    max_gap_s: float | None = None
    max_gap_frames: int | None = None
    min_similarity: float | None = None
    score_threshold: float | None = None
    min_joint_score: float | None = None
    nms: str | None = None
    max_oks: float | None = None
    rescore: bool | None = None
    flip_test: bool | None = None
    codec: str | None = None


def get_preset(name: str) -> Preset:
    """The preset of a name; ``ConfigError`` if there is none."""
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def in_every_frame(preset: Preset) -> Preset:
    """A copy that looks for people, and for their joints, in every frame where the preset says ``auto``."""
    return replace(
        preset,
        detect_every=1 if preset.detect_every == "auto" else preset.detect_every,
        pose_every=1 if preset.pose_every == "auto" else preset.pose_every,
    )


def weights_of(preset: Preset) -> tuple[str, ...]:
    """Names of the weights that a preset needs, as ``posetrack models`` knows them; files are not among them."""
    names = dict.fromkeys((preset.detector, preset.pose, preset.flow))
    return tuple(name for name in names if not is_file(name) and name not in FLOWS)


def is_file(weights: str) -> bool:
    """Whether a preset's weights are a file, rather than a name in the table of weights."""
    return weights.endswith(WEIGHTS_SUFFIX)


def customised(preset: Preset, changes: Changes) -> Preset:
    """A copy of a preset with some fields changed.

    Raises:
        ConfigError: a value is out of its range.
    """
    pipeline = preset.pipeline
    if changes.pose is not None and changes.codec is None:
        changes = replace(changes, codec=_published_codec(changes.pose))
    if changes.propagation == "off" and changes.detect_every is None:
        changes = replace(changes, detect_every=1)
    return replace(
        preset,
        detector=changes.detector or preset.detector,
        pose=changes.pose or preset.pose,
        flow=changes.flow or preset.flow,
        detect_every=preset.detect_every if changes.detect_every is None else changes.detect_every,
        pose_every=preset.pose_every if changes.pose_every is None else changes.pose_every,
        pipeline=replace(
            pipeline,
            selection=_changed(pipeline.selection, changes, "nms", "min_joint_score", "max_oks", "rescore"),
            **_propagation(pipeline, changes.propagation),
        ),
        detector_config=_changed(preset.detector_config, changes, "score_threshold"),
        pose_config=_changed(preset.pose_config, changes, "flip_test", "codec"),
        linker=_changed(
            preset.linker,
            changes,
            "similarity",
            "matching",
            "queue_s",
            "queue_frames",
            "max_gap_s",
            "max_gap_frames",
            "min_similarity",
        ),
    )


def _propagation(pipeline: PipelineConfig, kind: Propagation | None) -> dict[str, Any]:
    """The pipeline's fields that a kind of propagation changes."""
    if kind is None:
        return {}
    if kind not in ("off", "paper", "evidence"):
        raise ConfigError(f"propagation is {kind!r}; choose evidence, paper or off.")
    believing = kind == "evidence"
    return {
        "propagation": None if kind == "off" else pipeline.propagation or PropagationConfig(),
        "evidence": (pipeline.evidence or EvidenceConfig()) if believing else None,
        "merge": replace(pipeline.merge, detections_first=believing),
    }


def _published_codec(pose: str) -> str:
    """The codec that belongs to a pose network's weights."""
    published = None if is_file(pose) else get_entry(pose).codec
    return published or PoseConfig().codec


def _changed(config: Config, changes: Changes, *names: str) -> Config:
    """The configuration with those of the named fields changed that ``changes`` gives a value."""
    values = {name: value for name in names if (value := getattr(changes, name)) is not None}
    return replace(config, **values)
