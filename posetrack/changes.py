"""Changes to single settings of a preset, as the command line makes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from posetrack.errors import ConfigError
from posetrack.models.detector import DetectorConfig
from posetrack.models.file_format import FileFormat
from posetrack.models.pose import PoseConfig
from posetrack.models.published_pose import PUBLISHED_POSES
from posetrack.pipeline import PipelineConfig
from posetrack.presets import Interval, Preset, Propagation, is_file
from posetrack.ranges import require_kinds
from posetrack.tracker import (
    ConfirmationConfig,
    EvidenceConfig,
    LinkerConfig,
    PropagationConfig,
    SearchConfig,
    SelectionConfig,
)
from posetrack.zoo import get_entry

Config = TypeVar("Config", DetectorConfig, SelectionConfig, PoseConfig, LinkerConfig, ConfirmationConfig)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Changes to single fields of a preset, for the command line; None keeps the preset's value.

    Another pose network brings the codec it was published with, unless one is given. Without propagation people
    are detected in every frame, unless an interval is given. With a ``search_every_s`` of 0 hidden people are not
    looked for.
    """

    detector: str | None = None
    pose: str | None = None
    detector_format: FileFormat | None = None
    pose_format: FileFormat | None = None
    flow: str | None = None
    detect_every: Interval | None = None
    detect_every_s: float | None = None
    pose_every: Interval | None = None
    pose_every_s: float | None = None
    propagation: Propagation | None = None
    search_every_s: float | None = None
    similarity: str | None = None
    matching: str | None = None
    queue_s: float | None = None
    queue_frames: int | None = None
    max_gap_s: float | None = None
    max_gap_frames: int | None = None
    min_similarity: float | None = None
    score_threshold: float | None = None
    min_joint_score: float | None = None
    min_track_seconds: float | None = None
    min_person_score: float | None = None
    nms: str | None = None
    max_oks: float | None = None
    rescore: bool | None = None
    flip_test: bool | None = None
    codec: str | None = None

    def __post_init__(self) -> None:
        require_kinds(self)


def customised(preset: Preset, changes: Changes) -> Preset:
    """A copy of a preset with some fields changed.

    Raises:
        ConfigError: a value is out of its range.
    """
    pipeline = preset.pipeline
    if changes.pose is not None and changes.codec is None:
        changes = replace(changes, codec=_published_codec(changes.pose, changes.pose_format))
    if changes.propagation == "off" and changes.detect_every is None and changes.detect_every_s is None:
        changes = replace(changes, detect_every=1)
    return replace(
        preset,
        detector=changes.detector or preset.detector,
        pose=changes.pose or preset.pose,
        detector_format=changes.detector_format if changes.detector else preset.detector_format,
        pose_format=changes.pose_format if changes.pose else preset.pose_format,
        flow=changes.flow or preset.flow,
        **_every("detect_every", preset, changes),
        **_every("pose_every", preset, changes),
        pipeline=replace(
            pipeline,
            selection=_changed(pipeline.selection, changes, "nms", "min_joint_score", "max_oks", "rescore"),
            **_propagation(pipeline, changes.propagation),
            search=_search(pipeline, changes),
            **_confirmation(pipeline, changes),
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
        limb_colours=preset.limb_colours if changes.propagation is None else changes.propagation == "evidence",
    )


def _every(name: str, preset: Preset, changes: Changes) -> dict[str, Any]:
    """An interval of the preset, in frames or in seconds: as it is, or changed to either."""
    given = changes if (getattr(changes, name), getattr(changes, f"{name}_s")) != (None, None) else preset
    frames = getattr(given, name)
    return {name: getattr(preset, name) if frames is None else frames, f"{name}_s": getattr(given, f"{name}_s")}


def _confirmation(pipeline: PipelineConfig, changes: Changes) -> dict[str, Any]:
    """The pipeline's fields that say who is reported: everybody, with other kinds of propagation than evidence."""
    config, delay_s = pipeline.confirmation, pipeline.report_delay_s
    if changes.propagation in ("paper", "off"):
        config, delay_s = None, 0.0
    if changes.min_track_seconds is not None or changes.min_person_score is not None:
        config = _changed(config or ConfirmationConfig(), changes, "min_track_seconds", "min_person_score")
    return {"confirmation": config, "report_delay_s": delay_s}


def _search(pipeline: PipelineConfig, changes: Changes) -> SearchConfig | None:
    """How hidden people are looked for: not at all, with other kinds of propagation than evidence."""
    config = None if changes.propagation in ("paper", "off") else pipeline.search
    if changes.propagation == "evidence":
        config = config or SearchConfig()
    if changes.search_every_s is None:
        return config
    return replace(config or SearchConfig(), every_s=changes.search_every_s) if changes.search_every_s else None


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


def _published_codec(pose: str, form: FileFormat | None) -> str:
    """The codec that belongs to a pose network's weights."""
    if not is_file(pose):
        published = get_entry(pose).codec
    else:
        published = None if form is None else _codec_of_file(form)
    return published or PoseConfig().codec


def _codec_of_file(form: FileFormat) -> str | None:
    """The codec that the publishers of such a network use; ``None`` if it may be any."""
    return PUBLISHED_POSES.get(form.architecture or "", "dark-udp" if form.convention == "udp" else None)


def _changed(config: Config, changes: Changes, *names: str) -> Config:
    """The configuration with the named fields changed, where ``changes`` has a value."""
    values = {name: value for name in names if (value := getattr(changes, name)) is not None}
    return replace(config, **values)
