"""COCO keypoint results: a JSON list of people, each with its image's id, joints and scores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import Annotations
from posetrack.formats.checks import check_unique_ids, number_or_nan, rows_of_numbers, track_ids
from posetrack.formats.joints import joints_in, joints_of_triples, own_joints
from posetrack.formats.posetrack18_rows import PERSON_CATEGORY
from posetrack.formats.results import images_of_ids, order_by_frame, results_video
from posetrack.skeletons import Skeleton


def parse_coco_results(
    path: Path, people: list[Any], skeleton: Skeleton, images: list[dict[str, Any]] | None
) -> Annotations:
    """COCO keypoint results as one video.

    Args:
        path: For messages and the video's name.
        people: The file's content.
        skeleton: What the joints are.
        images: The video's images. ``None`` makes them up: ids that are the frame numbers of one video
            (``are_frame_numbers``) give all frames up to the last; other ids give one frame each.

    Joints are present where their third number is positive; that number is their score.

    Raises:
        DataFormatError: no image, wrong number of joints, people without track ids, images not in ``images``.
    """
    for number, person in enumerate(people):
        if not isinstance(person, dict) or not isinstance(person.get("image_id"), int | float | str):
            raise DataFormatError(
                f"{path}: COCO results are a list of objects with 'image_id', which number {number} lacks; "
                "correct it."
            )
    ids = [person["image_id"] for person in people]
    images = images_of_ids(path, ids) if images is None else images
    frames, order = order_by_frame(path, [image["id"] for image in images], ids)
    people = [people[n] for n in order]

    def where(number: int) -> str:
        return f"frame {frames[number]} ({images[frames[number]]['file_name']})"

    width = len(skeleton)
    rows = [person.get("keypoints") for person in people]
    triples = rows_of_numbers(path, "keypoints", rows, 3 * width, where).reshape(-1, width, 3)
    tracks = track_ids(path, [person.get("track_id") for person in people], where)
    check_unique_ids(path, frames, tracks, where)
    joints = joints_of_triples(skeleton, triples)
    scores = np.array([number_or_nan(person.get("score")) for person in people], dtype=np.float64)
    return results_video(path, images, (frames, tracks), joints, scores)


def result_rows(video: Annotations, skeleton: Skeleton) -> Iterator[dict[str, Any]]:
    """One object per person, with the joints of ``skeleton``.

    A joint without a score gets 1; a person without one gets the mean of their joints' scores.

    Raises:
        DataFormatError: a coordinate is too large to compute with.
    """
    joints, own = joints_in(video, skeleton), own_joints(video)
    scores = np.where(np.isnan(joints.scores), 1.0, joints.scores)
    triples = np.where(joints.present[..., None], np.concatenate([joints.xy, scores[..., None]], axis=2), 0)
    given = np.where(own.present, np.where(np.isnan(own.scores), 1.0, own.scores), 0)
    means = given.sum(axis=1) / np.maximum(own.present.sum(axis=1), 1)
    person_scores = np.where(np.isnan(video.person_scores), means, video.person_scores)
    for row, frame in enumerate(video.frames.tolist()):
        yield {
            "image_id": video.images[frame]["id"],
            "category_id": PERSON_CATEGORY["id"],
            "keypoints": triples[row].ravel().tolist(),
            "score": float(person_scores[row]),
            "track_id": int(video.track_ids[row]),
        }
