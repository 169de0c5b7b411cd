"""The frames of PoseTrack17's ``annolist``: every number in a list of one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from posetrack.formats.annotations import VISIBLE, Annotations

SEEN = 1.0
"""``is_visible`` of a visible joint; 0 is a hidden one, as in PoseTrack18's own files."""


def frame_rows(video: Annotations, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    """One object per frame with its people. ``numbers`` [F] are the frames' ``imgnum``, from 1."""
    starts = np.searchsorted(video.frames, np.arange(len(video.images) + 1)).tolist()
    for frame, (image, number) in enumerate(zip(video.images, numbers, strict=True)):
        entry: dict[str, Any] = {
            "image": [{"name": image["file_name"]}],
            "imgnum": [number],
            "is_labeled": [int(bool(image.get("is_labeled", True)))],
            "annorect": [_person(video, row) for row in range(starts[frame], starts[frame + 1])],
        }
        if frame in video.ignore_regions:
            entry["ignore_regions"] = [
                {"point": [{"x": [x], "y": [y]} for x, y in region.tolist()]}
                for region in video.ignore_regions[frame]
            ]
        yield entry


def _person(video: Annotations, row: int) -> dict[str, Any]:
    person: dict[str, Any] = {"track_id": [int(video.track_ids[row])]}
    if not np.isnan(video.person_scores[row]):
        person["score"] = [float(video.person_scores[row])]
    if video.listed[row]:
        columns = (video.present, video.keypoints, video.visibility, video.scores)
        joints = enumerate(zip(*(column[row].tolist() for column in columns), strict=True))
        person["annopoints"] = [{"point": [_point(joint, *values) for joint, (there, *values) in joints if there]}]
    if not np.isnan(video.head_boxes[row]).any():
        x1, y1, x2, y2 = video.head_boxes[row].tolist()
        person |= {"x1": [x1], "y1": [y1], "x2": [x2], "y2": [y2]}
    return person


def _point(joint: int, position: list[float], flag: float, score: float) -> dict[str, Any]:
    x, y = position
    point: dict[str, Any] = {"id": [joint], "x": [x], "y": [y]}
    if not math.isnan(flag):
        point["is_visible"] = [SEEN if flag == VISIBLE else flag]
    if not math.isnan(score):
        point["score"] = [score]
    return point
