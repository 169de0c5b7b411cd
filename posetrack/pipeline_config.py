"""How the stages are put together."""

from __future__ import annotations

from dataclasses import dataclass

from posetrack.ranges import require_at_least, require_fraction, require_kinds, require_whole
from posetrack.tracker import (
    ConfirmationConfig,
    EvidenceConfig,
    MergeConfig,
    PropagationConfig,
    RefreshConfig,
    SearchConfig,
    SelectionConfig,
)


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """How the stages are put together.

    Attributes:
        detect_batch: Frames in a batch for detection (above 1 pays on GPUs).
        flow_batch: Frames in a batch for flow (above 1 pays on GPUs, with flow networks).
        pose_batch: Frames with detections in a batch for the joints of detected people, which are then estimated
            ahead of tracking (above 1 pays on GPUs). 1 estimates frame by frame, and only the joints needed.
        faint_below: Detections with a lower score confirm people who are expected there, and start no track.
        propagation: How poses are carried to the next frame. ``None`` disables it: all boxes are detected ones.
        refresh: When carried joints are estimated again.
        evidence: When to keep carried people that the detector missed. ``None`` keeps all, as in the paper.
        search: How hidden people are searched for where they are expected. ``None`` disables it.
        merge: How detected and carried boxes become one set.
        selection: Which poses and joints are kept.
        confirmation: Which tracks are reported. ``None`` reports all, as in the paper.
        report_delay_s: Delay of the output in seconds of footage (at most 12 frames), so that the first frames of
            a track that is confirmed meanwhile are reported too.
        frames_ahead: Maximum number of frames by which each part of the pipeline runs ahead of the next.

    Raises:
        ConfigError: a number is out of its range.
    """

    detect_batch: int = 1
    flow_batch: int = 1
    pose_batch: int = 1
    faint_below: float = 0.0
    propagation: PropagationConfig | None = PropagationConfig()
    evidence: EvidenceConfig | None = None
    refresh: RefreshConfig = RefreshConfig()
    search: SearchConfig | None = None
    merge: MergeConfig = MergeConfig()
    selection: SelectionConfig = SelectionConfig()
    confirmation: ConfirmationConfig | None = None
    report_delay_s: float = 0.0
    frames_ahead: int = 4

    def __post_init__(self) -> None:
        require_kinds(self)
        require_whole(
            1,
            detect_batch=self.detect_batch,
            flow_batch=self.flow_batch,
            pose_batch=self.pose_batch,
            frames_ahead=self.frames_ahead,
        )
        require_fraction(faint_below=self.faint_below)
        require_at_least(0, report_delay_s=self.report_delay_s)
