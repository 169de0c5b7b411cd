"""posetrack finds the people in videos, estimates their body joints, and gives each person one number.

In short (more in the README)::

    import posetrack

    tracker = posetrack.PoseTracker()
    for frame, poses in tracker.track("video.mp4"):
        print(frame.index, poses.track_ids, poses.keypoints.shape)

    posetrack.run("video.mp4", "results")             # annotated video and JSON, like the command line
    result = posetrack.evaluate("truth/", "results/")  # the official PoseTrack evaluator's figures
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posetrack.evaluation import evaluate as evaluate
    from posetrack.pose_tracker import PoseTracker as PoseTracker
    from posetrack.runner import run as run
    from posetrack.skeletons import POSETRACK as POSETRACK
    from posetrack.types import Boxes as Boxes
    from posetrack.types import Frame as Frame
    from posetrack.types import Poses as Poses
    from posetrack.types import Sighting as Sighting

__version__ = "0.1.0"

_HOMES = {
    "Boxes": "posetrack.types",
    "Frame": "posetrack.types",
    "POSETRACK": "posetrack.skeletons",
    "PoseTracker": "posetrack.pose_tracker",
    "Poses": "posetrack.types",
    "Sighting": "posetrack.types",
    "evaluate": "posetrack.evaluation",
    "run": "posetrack.runner",
}
"""Where the public names live: they are imported on first use, so that ``import posetrack`` is fast."""

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'posetrack' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
