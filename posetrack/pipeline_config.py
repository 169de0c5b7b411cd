"""How the stages are put together."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

from posetrack.errors import ConfigError
from posetrack.ranges import require_fraction
from posetrack.tracker import EvidenceConfig, MergeConfig, PropagationConfig, RefreshConfig, SelectionConfig


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """How the stages are put together.

    Attributes:
        detect_every: Frames from one detection to the next; in between people live from carried boxes alone.
        sure_score: People whom the detector gives a lower score are unsure; the more of those, the more often it
            looks, up to every frame (see ``schedule.EveryNth``). None: every ``detect_every`` frames, no more.
        detect_batch: Frames whose people are looked for in one batch (worth it on GPUs).
        flow_batch: Frames whose motion is estimated in one batch (worth it on GPUs, with flow networks).
        pose_batch: Frames in which the poses of detected people are estimated in one batch, ahead of tracking
            (worth it on GPUs); 1: each frame's poses in its turn, those alone that are needed.
        faint_below: Detections with a lower score confirm people who are expected there, and start nobody.
        propagation: How poses are carried to the next frame; None: boxes come from the detector alone.
        refresh: For whom the carried joints will do.
        evidence: Whom to believe of those carried into a frame in which the detector did not find them; None:
            everybody, as in the paper.
        merge: How detected and carried boxes become one set.
        selection: Which poses and joints are kept.
        frames_ahead: Frames that each part may be ahead of the next one.
    """

    detect_every: int = 1
    sure_score: float | None = None
    detect_batch: int = 1
    flow_batch: int = 1
    pose_batch: int = 1
    faint_below: float = 0.0
    propagation: PropagationConfig | None = PropagationConfig()
    evidence: EvidenceConfig | None = None
    refresh: RefreshConfig = RefreshConfig()
    merge: MergeConfig = MergeConfig()
    selection: SelectionConfig = SelectionConfig()
    frames_ahead: int = 4

    @property
    def detections_in_flight(self) -> int:
        """Most frames with detections that wait for tracking: in the making, ready, in either side's hands."""
        additional = self.sure_score is not None
        group = 1 + (self.detect_batch - 1) * self.detect_every if additional else self.detect_batch
        return group + self.frames_ahead + 2

    def __post_init__(self) -> None:
        for name in ("detect_every", "detect_batch", "flow_batch", "pose_batch", "frames_ahead"):
            value = getattr(self, name)
            if not (isinstance(value, Integral) and int(value) >= 1):
                raise ConfigError(f"{name} is {value!r}; give a whole number, at least 1.")
        require_fraction(faint_below=self.faint_below)
        if self.sure_score is not None:
            require_fraction(sure_score=self.sure_score)
        if self.detect_every > 1 and self.propagation is None:
            raise ConfigError(
                "detect_every above 1 needs propagation: between detections people live from carried boxes."
            )
