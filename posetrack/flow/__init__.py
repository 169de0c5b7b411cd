"""Optical flow between consecutive frames, and detection of shot cuts."""

from collections.abc import Callable

from posetrack.flow.dense import DenseFlow
from posetrack.flow.dis import DisConfig, DisFlow
from posetrack.flow.farneback import FarnebackConfig, FarnebackFlow
from posetrack.flow.lucas_kanade import LucasKanadeConfig, LucasKanadeFlow
from posetrack.flow.shots import ShotConfig, ShotDetector
from posetrack.flow.zero import StillFlow, ZeroFlow
from posetrack.stages import FlowEstimator

FLOWS: dict[str, Callable[[], FlowEstimator]] = {
    "dis": lambda: DisFlow(DisConfig()),
    "lk": lambda: LucasKanadeFlow(LucasKanadeConfig()),
    "farneback": lambda: FarnebackFlow(FarnebackConfig()),
    "none": ZeroFlow,
}
"""Flow estimators by name, with default settings."""

__all__ = [
    "FLOWS",
    "DenseFlow",
    "DisConfig",
    "DisFlow",
    "FarnebackConfig",
    "FarnebackFlow",
    "LucasKanadeConfig",
    "LucasKanadeFlow",
    "ShotConfig",
    "ShotDetector",
    "StillFlow",
    "ZeroFlow",
]
