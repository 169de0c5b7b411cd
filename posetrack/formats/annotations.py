"""Poses of one video as dense arrays: what PoseTrack's files hold, whichever of them it came from.

Coordinates are those of the files: pixels, x right, y down. Joints agree with ours (the top-left pixel's
centre is (0, 0)); boxes are measured from the image's corner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.skeletons import POSETRACK
from posetrack.types import BoolArray, IntArray

EVALUATION_JOINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
    "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    "head_bottom", "nose", "head_top",
)  # fmt: skip
"""PoseTrack17's 15 joints: a joint's id is its place here. The official evaluator keeps this order."""

EVALUATION_SLOTS: IntArray = np.array([POSETRACK.index(joint) for joint in EVALUATION_JOINTS])
"""Slots of these joints in PoseTrack's skeleton."""

VISIBLE = 2.0
"""COCO's flag of a joint that is seen; 1 is a hidden one to COCO, and any to PoseTrack's own files."""

MISSING_SCORE = -9999.0
"""What the official evaluator takes for the score of a joint that has none."""

Polygon = NDArray[np.float64]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Annotations:
    """M people in the F frames of one video, K = 15 joints in the order of ``EVALUATION_JOINTS``.

    Attributes:
        path: The file they came from.
        video: Name of the video within the file (six digits in PoseTrack's own files).
        images: [F] what the file says of each image; ``file_name`` always.
        frames: int64 [M], ascending: each person's frame, by position in ``images``.
        track_ids: int64 [M].
        keypoints: float64 [M, K, 2]; 0 where a joint is absent.
        visibility: float64 [M, K]: PoseTrack18's third number, NaN where the file gives none.
        present: bool [M, K]: the file gives this joint.
        scores: float64 [M, K]: joint scores, NaN where the file gives none.
        listed: bool [M]: the person has a list of joints, be it empty. False is possible in PoseTrack17 only.
        head_boxes: float64 [M, 4], x1 y1 x2 y2; NaN where the file gives none.
        boxes: float64 [M, 4], x1 y1 x2 y2; NaN where the file gives none.
        person_scores: float64 [M], NaN where the file gives none.
        ignore_regions: Frame -> polygons, float64 [V, 2] each; frames without a list of regions are left out.
    """

    path: Path
    video: str
    images: list[dict[str, Any]]
    frames: IntArray
    track_ids: IntArray
    keypoints: Doubles
    visibility: Doubles
    present: BoolArray
    scores: Doubles
    listed: BoolArray
    head_boxes: Doubles
    boxes: Doubles
    person_scores: Doubles
    ignore_regions: dict[int, list[Polygon]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frames)

    def frame_name(self, frame: int) -> str:
        """What messages call a frame: its number, from 0, and its image."""
        return f"frame {frame} ({self.images[frame]['file_name']})"

    def people_per_frame(self) -> IntArray:
        """int64 [F]."""
        return np.bincount(self.frames, minlength=len(self.images))
