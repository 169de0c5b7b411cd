"""Presets: detector, pose network, flow and tracker settings that go well together.

A preset is plain data; ``posetrack.changes.customised`` returns a copy with individual fields changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

from posetrack.errors import ConfigError
from posetrack.flow import FLOWS
from posetrack.models.detector import DetectorConfig
from posetrack.models.file_format import FileFormat
from posetrack.models.pose import PoseConfig
from posetrack.pipeline import PipelineConfig
from posetrack.ranges import require_above, require_kinds, require_whole
from posetrack.schedule import EveryNth
from posetrack.tracker import (
    ConfirmationConfig,
    EvidenceConfig,
    LinkerConfig,
    MergeConfig,
    PropagationConfig,
    SearchConfig,
    SelectionConfig,
)
from posetrack.zoo import read_entries

WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".pth.tar", ".onnx")
"""Suffixes of files of weights: those that ``posetrack train`` writes, PyTorch's, and ONNX networks."""

AUTO_LOOKS_PER_S = 5
"""``auto`` detects people, and estimates the joints of carried people, about this often per second of footage."""

AUTO_DETECTION_FRAMES = 5
"""Maximum number of frames between two detections with ``auto``. In frames, not in seconds, because each flow
field adds its error: of two people, one behind the other, at 60 frames per second, 12 % of the sightings were lost
with 12 frames (0.2 s), and 9 % with 5."""

AUTO_SURE_SCORE = 0.9
"""With ``auto``, the more people score below this, the more frames get a detection."""

AUTO_SKIPPING_MIN_FPS = 14
"""In slower footage people move too far between frames, so ``auto`` detects them in every frame. (Every second
frame of 29.97 per second is just fast enough.)"""

_USUAL_FPS = 25
"""Of sources that do not say how many frames per second they have."""

REPORT_DELAY_S = 0.2
"""Tracks are confirmed, or not, after a few frames; their first frames wait for it. Not in real time."""

Interval = int | Literal["auto"]

Propagation = Literal["evidence", "paper", "off"]
"""Carried people are kept if the frame confirms them, or always, as in the paper; or nobody is carried. Appearance
is used with the first alone."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a tracker is made of.

    Attributes:
        name: As on the command line.
        summary: What it is good for, in one line.
        detector: Weights of the person detector: a name in the table of weights (``posetrack models list``), or
            a file.
        pose: Weights of the pose network, likewise. The same name as ``detector`` for a network that does both.
        detector_format: What a file of weights for ``detector`` does not say of itself; not needed if ``posetrack
            train`` wrote it.
        pose_format: The same for ``pose``.
        flow: Flow estimator: a key of ``posetrack.flow.FLOWS``, or the name of a flow network's weights.
        detect_every: Frames from one detection to the next. ``auto`` detects about five times per second, at least
            every fifth frame, and more often the less sure the detector is (see ``schedule.EveryNth``); below 14
            frames per second, in every frame.
        detect_every_s: The same in seconds of footage, rounded to frames; replaces ``detect_every``.
        sure_score: Detections below this score are unsure and cause more of them (see ``schedule.EveryNth``).
            Defaults to 0.9 with ``auto``; otherwise ``None`` disables it.
        pose_every: Frames from one estimate of a carried person's joints to the next, unless the posture changes
            or people overlap; in between, flow carries the joints. In frames with a detection everybody is
            estimated. ``auto`` estimates about five times per second. Defaults to ``pipeline.refresh.every``.
        pose_every_s: The same in seconds of footage; replaces ``pose_every``.
        pipeline: How the stages are put together.
        detector_config: How the detector is used.
        pose_config: How the pose network is used.
        linker: How identities are linked.
        limb_colours: Give the linker the colours of people's limbs (``tracker.limb_colours``).

    Raises:
        ConfigError: there is no such flow, or a number is out of its range.
    """

    name: str
    summary: str
    detector: str
    pose: str
    detector_format: FileFormat | None = None
    pose_format: FileFormat | None = None
    flow: str = "dis"
    detect_every: Interval = 1
    detect_every_s: float | None = None
    sure_score: float | None = None
    pose_every: Interval | None = None
    pose_every_s: float | None = None
    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    detector_config: DetectorConfig = field(default_factory=DetectorConfig)
    pose_config: PoseConfig = field(default_factory=PoseConfig)
    linker: LinkerConfig = field(default_factory=LinkerConfig)
    limb_colours: bool = False

    def __post_init__(self) -> None:
        require_kinds(self)
        networks = [entry.name for entry in read_entries().values() if entry.task == "flow"]
        if self.flow not in (*FLOWS, *networks):
            raise ConfigError(f"there is no flow {self.flow!r}; choose one of {', '.join([*FLOWS, *networks])}.")
        for name in ("detect_every", "pose_every"):
            value = getattr(self, name)
            if value not in ("auto", None):
                require_whole(1, **{name: value})
            seconds = getattr(self, f"{name}_s")
            if seconds is not None:
                require_above(0, **{f"{name}_s": seconds})
        self.schedule(None)

    def schedule(self, fps: Fraction | None) -> EveryNth:
        """In which frames people are detected, for a source of that many frames per second (None: 25)."""
        if self.detect_every_s is not None:
            frames = max(1, round(self.detect_every_s * float(fps or _USUAL_FPS)))
            return EveryNth(interval=frames, sure_score=self.sure_score)
        if self.detect_every != "auto":
            return EveryNth(interval=self.detect_every, sure_score=self.sure_score)
        too_slow = fps and fps < AUTO_SKIPPING_MIN_FPS
        interval = 1 if too_slow else min(_auto_interval(fps), AUTO_DETECTION_FRAMES)
        return EveryNth(
            interval=interval, sure_score=AUTO_SURE_SCORE if self.sure_score is None else self.sure_score
        )

    def pipeline_config(self, fps: Fraction | None) -> PipelineConfig:
        """How the stages are put together for a source of that many frames per second (None: 25)."""
        refresh = self.pipeline.refresh
        if self.pose_every_s is not None:
            refresh = replace(refresh, every_s=self.pose_every_s)
        elif self.pose_every is not None:
            every = _auto_interval(fps) if self.pose_every == "auto" else self.pose_every
            refresh = replace(refresh, every=every, every_s=None)
        faint_below = self.detector_config.score_threshold if self.pipeline.evidence else 0.0
        return replace(self.pipeline, refresh=refresh, faint_below=faint_below)

    @property
    def lowest_detector_config(self) -> DetectorConfig:
        """How the detector is used: with faint detections where evidence wants them."""
        if self.pipeline.evidence is None:
            return self.detector_config
        lowest = min(self.detector_config.score_threshold, self.pipeline.evidence.min_faint_score)
        return replace(self.detector_config, score_threshold=lowest)


def _auto_interval(fps: Fraction | None) -> int:
    return max(1, round(float(fps or _USUAL_FPS) / AUTO_LOOKS_PER_S))


_ON_GPUS = PipelineConfig(detect_batch=4, flow_batch=4, pose_batch=4)
"""One frame at a time does not keep a GPU busy."""

_LITE = Preset(
    name="lite",
    summary="bundled small networks: offline, fits a laptop without a GPU",
    detector="detector_lite",
    pose="pose_lite",
    detect_every="auto",
    pose_every="auto",
    # Every fifth frame has a detection and takes longer: with a longer lead tracking seldom waits for it.
    pipeline=PipelineConfig(
        propagation=PropagationConfig(box_inertia=0.9),
        evidence=EvidenceConfig(),
        search=SearchConfig(),
        confirmation=ConfirmationConfig(),
        report_delay_s=REPORT_DELAY_S,
        merge=MergeConfig(detections_first=True),
        frames_ahead=8,
    ),
    pose_config=PoseConfig(flip_test=True, codec="dark"),
    limb_colours=True,
)

PRESETS = {
    preset.name: preset
    for preset in (
        _LITE,
        replace(
            _LITE,
            name="balanced",
            summary="bundled, a larger pose network: offline, for a workstation or a laptop with time",
            pose="pose_medium",
        ),
        Preset(
            name="fast",
            summary="RTMPose-m and RTMDet-nano in ONNX Runtime: for a laptop; 0.06 GB to download",
            detector="rtmdet_nano_person_onnx",
            pose="rtmpose_m_body7_256x192_onnx",
            detect_every="auto",
            # RTMDet's scores are lower than those that the default is made for.
            sure_score=0.6,
            pose_every="auto",
            pipeline=PipelineConfig(
                evidence=EvidenceConfig(),
                search=SearchConfig(),
                merge=MergeConfig(detections_first=True),
                frames_ahead=8,
            ),
            detector_config=DetectorConfig(score_threshold=0.3),
            pose_config=PoseConfig(codec="simcc"),
            limb_colours=True,
        ),
        Preset(
            name="accurate",
            summary="the most accurate published networks for one GPU; 0.3 GB to download",
            detector="fasterrcnn_resnet50_fpn_v2",
            pose="rtmpose_l_body7_384x288",
            pipeline=replace(
                _ON_GPUS,
                evidence=EvidenceConfig(),
                search=SearchConfig(),
                merge=MergeConfig(detections_first=True),
            ),
            pose_config=PoseConfig(flip_test=True, codec="simcc"),
            limb_colours=True,
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


def get_preset(name: str) -> Preset:
    """The preset of a name; ``ConfigError`` if there is none."""
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def in_every_frame(preset: Preset) -> Preset:
    """A copy that detects people and estimates their joints in every frame where the preset says ``auto``."""
    return replace(
        preset,
        detect_every=1 if preset.detect_every == "auto" else preset.detect_every,
        pose_every=1 if preset.pose_every == "auto" else preset.pose_every,
    )


def weights_of(preset: Preset) -> tuple[str, ...]:
    """Names, as in ``posetrack models``, of the weights that a preset needs; without those given as files."""
    names = dict.fromkeys((preset.detector, preset.pose, preset.flow))
    return tuple(name for name in names if not is_file(name) and name not in FLOWS)


def is_file(weights: str) -> bool:
    """Whether a preset's weights are a file, rather than a name in the table of weights."""
    return weights.lower().endswith(WEIGHTS_SUFFIXES)
