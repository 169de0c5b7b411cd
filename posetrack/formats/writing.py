"""Writes whole videos of annotations, keeping all that a format has room for. (Sinks write frame by frame.)"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from posetrack.errors import DataFormatError
from posetrack.files.pending import write_file
from posetrack.formats.annotations import EVALUATION_SLOTS, MISSING_SCORE, VISIBLE, Annotations, Doubles
from posetrack.formats.json_sinks import PERSON_CATEGORY, PLAIN_PERSON
from posetrack.formats.mot import mot_corners, mot_frames, mot_ids
from posetrack.formats.posetrack17 import SEEN
from posetrack.pixels import from_centre
from posetrack.skeleton_conversion import conversion_matrix
from posetrack.skeletons import POSETRACK, Skeleton
from posetrack.types import BoolArray

_MOST_NUMBERED = 100
_LARGEST_NUMBERED = 10**16


def write_posetrack18(path: Path, videos: Sequence[Annotations]) -> None:
    """One PoseTrack18 file of all videos, with what COCO's tools need.

    Raises:
        DataFormatError: a number is too large for JSON.
        OutputError: the file cannot be written.
    """
    ids = iter(_annotation_ids(videos))
    data = {
        "images": [image for video in videos for image in _images(video)],
        "annotations": [{"id": next(ids), **person} for video in videos for person in _people(video)],
        "categories": [PERSON_CATEGORY],
    }
    _write_json(path, data)


def write_posetrack17(path: Path, videos: Sequence[Annotations]) -> None:
    """One PoseTrack17 file; the format has one list of frames, so that several videos run together.

    Raises:
        OutputError: the file cannot be written.
    """
    _write_json(path, {"annolist": [frame for video in videos for frame in _annolist(video)]})


def write_coco_results(path: Path, videos: Sequence[Annotations], skeleton: Skeleton) -> None:
    """COCO keypoint results with the joints of ``skeleton`` (COCO's or PoseTrack's).

    A person's score is that of the file, else the mean of the joints' scores, else 1.

    Raises:
        OutputError: the file cannot be written.
    """
    _write_json(path, [person for video in videos for person in _results(video, skeleton)])


def write_mot(path: Path, videos: Sequence[Annotations]) -> None:
    """MOTChallenge text of at most one video. People without a box get the extent of their joints.

    Raises:
        OutputError: the file cannot be written.
    """
    write_file(path, "".join(line for video in videos for line in _mot_lines(video)).encode())


def _mot_lines(video: Annotations) -> Iterator[str]:
    boxes = person_boxes(video)
    scores = np.where(np.isnan(video.person_scores), 1.0, video.person_scores)
    columns = (
        mot_frames(video.frames),
        mot_ids(video.track_ids),
        mot_corners(boxes[:, :2]),
        _finite(video, boxes[:, 2:] - boxes[:, :2]),
        scores,
    )
    return (
        f"{frame},{track_id},{_short(left)},{_short(top)},{_short(width)},{_short(height)},{_short(score)},-1,-1,-1\n"
        for frame, track_id, (left, top), (width, height), score in zip(
            *(column.tolist() for column in columns), strict=True
        )
    )


def person_boxes(video: Annotations) -> Doubles:
    """float64 [M, 4], x1 y1 x2 y2 from the image's corner; where the file has none, the joints' extent, or 0."""
    there = video.present[..., None]
    low = np.where(there, video.keypoints, np.inf).min(axis=1)
    high = np.where(there, video.keypoints, -np.inf).max(axis=1)
    extent = from_centre(np.concatenate([low, high], axis=1))
    extent[~video.present.any(axis=1)] = 0
    return np.where(np.isnan(video.boxes), extent, video.boxes)


def flags(video: Annotations) -> Doubles:
    """float64 [M, K]: PoseTrack18's third number; ``VISIBLE`` for joints whose file does not say."""
    return np.where(video.present, np.where(np.isnan(video.visibility), VISIBLE, video.visibility), 0)


def are_numbered(image_ids: Iterable[Any], most_people: int) -> bool:
    """Whether PoseTrack's numbers of annotations, 100 x the image's and the person's, tell them apart.

    They do not in crowds, and COCO's tools take 0 for nobody.
    """
    return most_people <= _MOST_NUMBERED and all(
        isinstance(image_id, int) and 0 < image_id < _LARGEST_NUMBERED for image_id in image_ids
    )


def _images(video: Annotations) -> Iterator[dict[str, Any]]:
    for frame, image in enumerate(video.images):
        regions = video.ignore_regions.get(frame, [])
        yield {
            "frame_id": image["id"],
            "vid_id": video.video,
            "nframes": len(video.images),
            "is_labeled": True,
            "ignore_regions_x": [region[:, 0].tolist() for region in regions],
            "ignore_regions_y": [region[:, 1].tolist() for region in regions],
            **image,
        }


def _annotation_ids(videos: Sequence[Annotations]) -> Iterable[int]:
    """As PoseTrack numbers them; if that is not possible, from 1."""
    image_ids = [image["id"] for video in videos for image in video.images]
    counts = np.concatenate([[0], *(video.people_per_frame() for video in videos)]).astype(int)[1:].tolist()
    if not are_numbered(image_ids, max(counts, default=0)):
        return range(1, sum(counts) + 1)
    return (
        _MOST_NUMBERED * image_id + number
        for image_id, people in zip(image_ids, counts, strict=True)
        for number in range(people)
    )


def _people(video: Annotations) -> Iterator[dict[str, Any]]:
    width = len(POSETRACK)
    triples = np.zeros((len(video), width, 3))
    triples[:, EVALUATION_SLOTS, :2] = np.where(video.present[..., None], video.keypoints, 0)
    triples[:, EVALUATION_SLOTS, 2] = flags(video)
    scores = np.zeros((len(video), width))
    scores[:, EVALUATION_SLOTS] = np.where(
        video.present, np.where(np.isnan(video.scores), MISSING_SCORE, video.scores), 0
    )
    unscored: BoolArray = np.all(np.isnan(video.scores), axis=1)
    seen = (triples[..., 2] > 0).sum(axis=1)
    corners = person_boxes(video)
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    areas = _finite(video, boxes[:, 2:].prod(axis=1)).round(3)
    for row, frame in enumerate(video.frames.tolist()):
        person = {
            "image_id": video.images[frame]["id"],
            "category_id": PERSON_CATEGORY["id"],
            "track_id": int(video.track_ids[row]),
            "bbox": boxes[row].tolist(),
            "area": float(areas[row]),
            "keypoints": triples[row].ravel().tolist(),
            "num_keypoints": int(seen[row]),
            "scores": [] if unscored[row] else scores[row].tolist(),
            **PLAIN_PERSON,
        }
        head = video.head_boxes[row]
        if not np.isnan(head).any():
            person["bbox_head"] = [*head[:2].tolist(), *(head[2:] - head[:2]).tolist()]
        if not np.isnan(video.person_scores[row]):
            person["score"] = float(video.person_scores[row])
        yield person


def _annolist(video: Annotations) -> Iterator[dict[str, Any]]:
    starts = np.searchsorted(video.frames, np.arange(len(video.images) + 1)).tolist()
    for frame, image in enumerate(video.images):
        entry: dict[str, Any] = {
            "image": [{"name": image["file_name"]}],
            "imgnum": [frame + 1],
            "is_labeled": [int(bool(image.get("is_labeled", True)))],
            "annorect": [_annorect(video, row) for row in range(starts[frame], starts[frame + 1])],
        }
        if frame in video.ignore_regions:
            entry["ignore_regions"] = [
                {"point": [{"x": [x], "y": [y]} for x, y in region.tolist()]}
                for region in video.ignore_regions[frame]
            ]
        yield entry


def _annorect(video: Annotations, row: int) -> dict[str, Any]:
    person: dict[str, Any] = {"track_id": [int(video.track_ids[row])]}
    if video.listed[row]:
        person["annopoints"] = [
            {"point": [_point(video, row, joint) for joint in np.flatnonzero(video.present[row]).tolist()]}
        ]
    if not np.isnan(video.head_boxes[row]).any():
        x1, y1, x2, y2 = video.head_boxes[row].tolist()
        person |= {"x1": [x1], "y1": [y1], "x2": [x2], "y2": [y2]}
    if not np.isnan(video.person_scores[row]):
        person["score"] = [float(video.person_scores[row])]
    return person


def _point(video: Annotations, row: int, joint: int) -> dict[str, Any]:
    x, y = video.keypoints[row, joint].tolist()
    point: dict[str, Any] = {"id": [joint], "x": [x], "y": [y]}
    flag = video.visibility[row, joint].item()
    if not math.isnan(flag):
        point["is_visible"] = [SEEN if flag == VISIBLE else flag]
    if not np.isnan(video.scores[row, joint]):
        point["score"] = [video.scores[row, joint].item()]
    return point


def _results(video: Annotations, skeleton: Skeleton) -> Iterator[dict[str, Any]]:
    weights = conversion_matrix(POSETRACK, skeleton).astype(np.float64)[:, EVALUATION_SLOTS]
    made_of = weights != 0
    there = _all_present(video.present, made_of)
    xy = _finite(video, np.einsum("tk,nkc->ntc", weights, np.where(video.present[..., None], video.keypoints, 0)))
    scores = np.where(np.isnan(video.scores), 1.0, video.scores)
    least = np.where(made_of, scores[:, None], np.inf).min(axis=2, initial=np.inf)
    triples = np.where(there[..., None], np.concatenate([xy, least[..., None]], axis=2), 0)
    joints = np.maximum(video.present.sum(axis=1), 1)
    means = np.where(video.present, scores, 0).sum(axis=1) / joints
    person_scores = np.where(np.isnan(video.person_scores), means, video.person_scores)
    for row, frame in enumerate(video.frames.tolist()):
        yield {
            "image_id": video.images[frame]["id"],
            "category_id": PERSON_CATEGORY["id"],
            "keypoints": triples[row].ravel().tolist(),
            "score": float(person_scores[row]),
            "track_id": int(video.track_ids[row]),
        }


def _finite(video: Annotations, values: Doubles) -> Doubles:
    """The values, computed from a video's coordinates; JSON has no infinity."""
    if not np.isfinite(values).all():
        raise DataFormatError(f"{video.path}: a coordinate is too large to be computed with; correct it.")
    return values


def _all_present(present: BoolArray, made_of: BoolArray) -> BoolArray:
    """bool [N, T]: target joints whose every source joint is there, and which have any."""
    complete: BoolArray = np.all(present[:, None] | ~made_of, axis=2)
    complete &= made_of.any(axis=1)
    return complete


def _short(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _write_json(path: Path, data: Any) -> None:
    try:
        content = orjson.dumps(data)
    except orjson.JSONEncodeError as error:
        if "surrogates" in str(error):  # half of a pair, in a name: JSON holds it as an escape
            write_file(path, json.dumps(data).encode())
            return
        raise DataFormatError(
            f"{path} cannot be written: a number of the source has no place in JSON ({error}); correct it."
        ) from error
    write_file(path, content)
