"""Tracked poses as annotations of a video whose images have names of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.formats.annotations import EVALUATION_SLOTS, VISIBLE, Annotations
from posetrack.pixels import from_centre
from posetrack.skeleton_conversion import convert_poses
from posetrack.skeletons import POSETRACK
from posetrack.types import Poses

_COORDINATE_DIGITS, _SCORE_DIGITS = 3, 4


def annotations_of(path: Path, video: str, images: list[dict[str, Any]], poses: Sequence[Poses]) -> Annotations:
    """The people of all frames of one video.

    Args:
        path: The file they are meant for.
        video: Name of the video within the file.
        images: [F] what the file shall say of each image; ``file_name`` always.
        poses: [F] the people of each, of any skeleton, with track ids.

    Raises:
        ValueError: not one ``Poses`` for every image.
    """
    if len(images) != len(poses):
        raise ValueError(f"{len(images)} images but poses of {len(poses)} frames")
    everybody = [Poses.empty(POSETRACK), *(convert_poses(frame, POSETRACK) for frame in poses)]
    present = np.concatenate([frame.present for frame in everybody])[:, EVALUATION_SLOTS]
    keypoints = np.concatenate([frame.keypoints for frame in everybody])[:, EVALUATION_SLOTS]
    scores = np.concatenate([frame.keypoint_scores for frame in everybody])[:, EVALUATION_SLOTS]
    boxes = from_centre(np.concatenate([frame.boxes for frame in everybody]).astype(np.float64))
    person_scores = np.concatenate([frame.scores for frame in everybody]).astype(np.float64)
    count = len(present)
    return Annotations(
        path=path,
        video=video,
        images=images,
        frames=np.repeat(np.arange(len(poses)), [len(frame) for frame in poses]),
        track_ids=np.concatenate([frame.track_ids for frame in everybody]),
        keypoints=np.where(present[..., None], keypoints.astype(np.float64).round(_COORDINATE_DIGITS), 0),
        visibility=np.where(present, VISIBLE, np.nan),
        present=present,
        scores=np.where(present, scores.astype(np.float64).round(_SCORE_DIGITS), np.nan),
        listed=np.ones(count, dtype=bool),
        head_boxes=np.full((count, 4), np.nan),
        boxes=boxes.round(_COORDINATE_DIGITS),
        person_scores=person_scores.round(_SCORE_DIGITS),
    )
