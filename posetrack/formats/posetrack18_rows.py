"""The objects of PoseTrack18 JSON: images, annotations and the category."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from posetrack.formats.annotations import EVALUATION_SLOTS, MISSING_SCORE, Annotations, Polygon
from posetrack.formats.joints import finite, flags, person_boxes
from posetrack.skeletons import POSETRACK
from posetrack.types import BoolArray, Doubles

PERSON_CATEGORY = {
    "supercategory": "person",
    "id": 1,
    "name": "person",
    "keypoints": POSETRACK.joints,
    "skeleton": (POSETRACK.limb_slots + 1).tolist(),
}
"""PoseTrack18's only category (``skeleton`` counts joints from 1, as COCO does)."""

_FOR_COCO_TOOLS: dict[str, Any] = {"iscrowd": 0, "segmentation": []}
"""Fields that COCO's tools need in every annotation; PoseTrack's own files omit them."""

_LARGEST_ROUNDED = 1e6
_NOISE_DIGITS = 9
_MOST_NUMBERED = 100
_LARGEST_NUMBERED = 10**16


def xywh(boxes: Doubles) -> Doubles:
    """Boxes [N, 4], x1 y1 x2 y2, as x, y, width, height. Sizes lose the noise of the subtraction.

    >>> xywh(np.array([[0.1, 0.2, 0.1 + 7.023, 0.2 + 20]])).tolist()
    [[0.1, 0.2, 7.023, 20.0]]
    """
    sizes = boxes[:, 2:] - boxes[:, :2]
    small = np.abs(sizes) < _LARGEST_ROUNDED
    sizes[small] = sizes[small].round(_NOISE_DIGITS)
    return np.concatenate([boxes[:, :2], sizes], axis=1)


def image_row(
    image: dict[str, Any], video: str, frame_count: int, regions: list[Polygon] | None = None
) -> dict[str, Any]:
    """One image, whose own fields take precedence. Without ``regions`` it says nothing about ignore regions."""
    row = {
        "file_name": image["file_name"],
        "id": image["id"],
        "frame_id": image["id"],
        "vid_id": video,
        "nframes": frame_count,
        "is_labeled": True,
    }
    if regions is not None:
        row["ignore_regions_x"] = [region[:, 0].tolist() for region in regions]
        row["ignore_regions_y"] = [region[:, 1].tolist() for region in regions]
    return {**row, **image}


def people_rows(video: Annotations) -> Iterator[dict[str, Any]]:
    """One annotation per person, still without its ``id``. Its numbers are arrays: orjson writes them as lists.

    Raises:
        DataFormatError: a box is too large to compute its area.
    """
    width = len(POSETRACK)
    triples = np.zeros((len(video), width, 3))
    triples[:, EVALUATION_SLOTS, :2] = np.where(video.present[..., None], video.keypoints, 0)
    triples[:, EVALUATION_SLOTS, 2] = flags(video)
    scores = np.zeros((len(video), width))
    given = np.where(np.isnan(video.scores), MISSING_SCORE, video.scores)
    scores[:, EVALUATION_SLOTS] = np.where(video.present, given, 0)
    has_scores: BoolArray = np.any(~np.isnan(video.scores), axis=1)
    boxes, head_boxes = xywh(person_boxes(video)), xywh(video.head_boxes)
    areas = finite(video.path, boxes[:, 2:].prod(axis=1)).round(3).tolist()
    counts, track_ids = (triples[:, :, 2] > 0).sum(axis=1).tolist(), video.track_ids.tolist()
    person_scores, is_scored = video.person_scores.tolist(), (~np.isnan(video.person_scores)).tolist()
    has_head: list[bool] = np.all(~np.isnan(head_boxes), axis=1).tolist()
    keypoints = triples.reshape(len(video), 3 * width)
    for row, frame in enumerate(video.frames.tolist()):
        person = {
            "image_id": video.images[frame]["id"],
            "category_id": PERSON_CATEGORY["id"],
            "track_id": track_ids[row],
            "bbox": boxes[row],
            "area": areas[row],
            "keypoints": keypoints[row],
            "num_keypoints": counts[row],
            "scores": scores[row] if has_scores[row] else [],
        }
        if is_scored[row]:
            person["score"] = person_scores[row]
        person |= _FOR_COCO_TOOLS
        if track_ids[row] in video.names:
            person["name"] = video.names[track_ids[row]]
        if has_head[row]:
            person["bbox_head"] = head_boxes[row]
        yield person


def annotation_ids(videos: Sequence[Annotations]) -> Iterable[int]:
    """The ids of all people, in order: numbered as PoseTrack does, or from 1 where that is impossible."""
    image_ids = [image["id"] for video in videos for image in video.images]
    counts = np.concatenate([[0], *(video.people_per_frame() for video in videos)]).astype(int)[1:].tolist()
    if not can_be_numbered(image_ids, max(counts, default=0)):
        return range(1, sum(counts) + 1)
    return (
        _MOST_NUMBERED * image_id + number
        for image_id, people in zip(image_ids, counts, strict=True)
        for number in range(people)
    )


def can_be_numbered(image_ids: Iterable[Any], most_people: int) -> bool:
    """Whether PoseTrack's numbers of annotations, 100 x the image's id + the person's number, are unique.

    They are not in crowds. COCO's tools take the number 0 for no annotation.
    """
    return most_people <= _MOST_NUMBERED and all(
        isinstance(image_id, int) and 0 < image_id < _LARGEST_NUMBERED for image_id in image_ids
    )
