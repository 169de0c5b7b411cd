"""From boxes and poses to people with identities: propagation, merging, duplicates, linking."""

from posetrack.tracker.config import (
    ConfirmationConfig,
    EvidenceConfig,
    LinkerConfig,
    MergeConfig,
    MotionConfig,
    PropagationConfig,
    RefreshConfig,
)
from posetrack.tracker.confirmation import Confirmation
from posetrack.tracker.evidence import Evidence
from posetrack.tracker.limb_colours import LimbColours
from posetrack.tracker.linker import FlowLinker
from posetrack.tracker.matching import MATCHINGS
from posetrack.tracker.merge import Merged, merge
from posetrack.tracker.oks import iou_matrix, oks_matrix, oks_nms
from posetrack.tracker.pose_nms import ParametricConfig, parametric_nms
from posetrack.tracker.propagation import propagate
from posetrack.tracker.refresh import Refresh
from posetrack.tracker.search import Search, SearchConfig
from posetrack.tracker.selection import (
    POSE_NMS,
    SelectionConfig,
    people_among,
    select_joints,
)
from posetrack.tracker.similarity import SIMILARITIES

__all__ = [
    "MATCHINGS",
    "POSE_NMS",
    "SIMILARITIES",
    "Confirmation",
    "ConfirmationConfig",
    "Evidence",
    "EvidenceConfig",
    "FlowLinker",
    "LimbColours",
    "LinkerConfig",
    "MergeConfig",
    "Merged",
    "MotionConfig",
    "ParametricConfig",
    "PropagationConfig",
    "Refresh",
    "RefreshConfig",
    "Search",
    "SearchConfig",
    "SelectionConfig",
    "iou_matrix",
    "merge",
    "oks_matrix",
    "oks_nms",
    "parametric_nms",
    "people_among",
    "propagate",
    "select_joints",
]
