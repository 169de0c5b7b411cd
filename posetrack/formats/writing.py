"""Writes whole videos of annotations, keeping all that a format has room for. (Sinks write frame by frame.)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import EVALUATION_SLOTS, MISSING_SCORE, Annotations, Doubles
from posetrack.formats.json_sinks import PERSON_CATEGORY
from posetrack.formats.pending import write_file
from posetrack.skeleton_conversion import conversion_matrix
from posetrack.skeletons import POSETRACK, Skeleton
from posetrack.types import BoolArray

_ALL_PRESENT = 1.0


def write_posetrack18(path: Path, videos: Sequence[Annotations]) -> None:
    """One PoseTrack18 file of all videos.

    Raises:
        OutputError: the file cannot be written.
    """
    data = {
        "images": [image for video in videos for image in _images(video)],
        "annotations": [person for video in videos for person in _people(video)],
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


def write_mot(path: Path, video: Annotations) -> None:
    """MOTChallenge text of one video: frames and the image's corner count from 1.

    Raises:
        OutputError: the file cannot be written.
    """
    boxes = person_boxes(video)
    scores = np.where(np.isnan(video.person_scores), 1.0, video.person_scores)
    lines = (
        f"{frame + 1},{track_id},{_short(x1 + 1)},{_short(y1 + 1)},{_short(x2 - x1)},{_short(y2 - y1)},"
        f"{_short(score)},-1,-1,-1\n"
        for frame, track_id, (x1, y1, x2, y2), score in zip(
            video.frames.tolist(), video.track_ids.tolist(), boxes.tolist(), scores.tolist(), strict=True
        )
    )
    write_file(path, "".join(lines).encode())


def person_boxes(video: Annotations) -> Doubles:
    """float64 [M, 4]: the boxes of the file; where it has none, the extent of the joints (0 without joints)."""
    there = video.present[..., None]
    low = np.where(there, video.keypoints, np.inf).min(axis=1)
    high = np.where(there, video.keypoints, -np.inf).max(axis=1)
    extent = np.concatenate([low, high], axis=1)
    extent[~video.present.any(axis=1)] = 0
    return np.where(np.isnan(video.boxes), extent, video.boxes)


def flags(video: Annotations) -> Doubles:
    """float64 [M, K]: PoseTrack18's third number; 1 for joints whose file does not say."""
    return np.where(video.present, np.where(np.isnan(video.visibility), _ALL_PRESENT, video.visibility), 0)


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
    numbers = np.arange(len(video)) - np.searchsorted(video.frames, video.frames)
    for row, (frame, number) in enumerate(zip(video.frames.tolist(), numbers.tolist(), strict=True)):
        image_id = video.images[frame]["id"]
        person = {
            "id": image_id * 100 + number if isinstance(image_id, int) else row,
            "image_id": image_id,
            "category_id": PERSON_CATEGORY["id"],
            "track_id": int(video.track_ids[row]),
            "keypoints": triples[row].ravel().tolist(),
            "scores": [] if unscored[row] else scores[row].tolist(),
        }
        for key, box in (("bbox", video.boxes[row]), ("bbox_head", video.head_boxes[row])):
            if not np.isnan(box).any():
                person[key] = [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]
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
    if not np.isnan(video.visibility[row, joint]):
        point["is_visible"] = [video.visibility[row, joint].item()]
    if not np.isnan(video.scores[row, joint]):
        point["score"] = [video.scores[row, joint].item()]
    return point


def _results(video: Annotations, skeleton: Skeleton) -> Iterator[dict[str, Any]]:
    weights = conversion_matrix(POSETRACK, skeleton).astype(np.float64)[:, EVALUATION_SLOTS]
    made_of = weights != 0
    there = _all_present(video.present, made_of)
    xy = np.einsum("tk,nkc->ntc", weights, np.where(video.present[..., None], video.keypoints, 0))
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
        raise DataFormatError(
            f"{path} cannot be written: a number of the source has no place in JSON ({error}); correct it."
        ) from error
    write_file(path, content)
