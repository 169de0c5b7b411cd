"""Poses of one video as dense arrays, whatever format they are read from or written to.

Coordinates are those of the files: pixels, x right, y down. Joints are measured from the centre of the top-left
pixel, as ours are; boxes from the image's corner, half a pixel up and left of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.files.text import printable
from posetrack.formats.found import Found
from posetrack.formats.naming import clip_of
from posetrack.skeletons import POSETRACK, Skeleton
from posetrack.types import BoolArray, Doubles, IntArray

EVALUATION_JOINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
    "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    "head_bottom", "nose", "head_top",
)  # fmt: skip
"""PoseTrack17's 15 joints; a joint's id is its index here. The official evaluator uses this order."""

EVALUATION_SLOTS: IntArray = np.array([POSETRACK.index(joint) for joint in EVALUATION_JOINTS])
"""Slots of these joints in PoseTrack's skeleton."""

VISIBLE = 2.0
"""COCO's flag of a visible joint. 1 is an occluded joint in COCO, and any joint in PoseTrack's own files."""

MISSING_SCORE = -9999.0
"""The official evaluator's score of a joint without one."""

Polygon = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Joints:
    """Joints of M people in a skeleton of K joints.

    Attributes:
        skeleton: Names and order of the joints.
        xy: float64 [M, K, 2]; 0 where a joint is absent.
        scores: float64 [M, K]; NaN where the file gives none.
        present: bool [M, K].
    """

    skeleton: Skeleton
    xy: Doubles
    scores: Doubles
    present: BoolArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Annotations:
    """M people in the F frames of one video, K = 15 joints in the order of ``EVALUATION_JOINTS``.

    Attributes:
        path: The file they come from or go to.
        video: Name of the video within the file (six digits in PoseTrack's own files).
        images: [F] what the file says about each image; always ``file_name``. ``time_s`` is its time in seconds.
        frames: int64 [M], ascending: each person's frame, an index of ``images``.
        track_ids: int64 [M].
        keypoints: float64 [M, K, 2]; 0 where a joint is absent.
        visibility: float64 [M, K]: PoseTrack18's third number; NaN where the file gives none.
        present: bool [M, K]: the file gives this joint.
        scores: float64 [M, K]: joint scores; NaN where the file gives none.
        listed: bool [M]: the person has a list of joints, which may be empty. Only PoseTrack17 can omit it.
        head_boxes: float64 [M, 4], x1 y1 x2 y2; NaN where the file gives none.
        boxes: float64 [M, 4], x1 y1 x2 y2; NaN where the file gives none.
        person_scores: float64 [M]; NaN where the file gives none.
        ignore_regions: Frame -> polygons, float64 [V, 2] each; frames without a list of regions are left out.
        joints: The same people's joints in the file's own skeleton, if that is not PoseTrack's.
        names: Track id -> the name given to the person; others are left out.
        found: How the same people's joints were found, in the file's own skeleton. ``None`` if the file does not
            say.
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
    joints: Joints | None = None
    names: dict[int, str] = field(default_factory=dict)
    found: Found | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def frame_name(self, frame: int) -> str:
        """How messages name a frame: its number, from 0, and its image."""
        return f"frame {frame} ({self.images[frame]['file_name']})"

    @property
    def clip(self) -> str:
        """Name of the clip: that of its images' folder, or else of the file."""
        folder = clip_of(self.images[0]["file_name"]) if self.images else ""
        return folder or printable(self.path.stem)

    def people_per_frame(self) -> IntArray:
        """int64 [F]."""
        return np.bincount(self.frames, minlength=len(self.images))
