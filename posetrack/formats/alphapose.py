"""AlphaPose JSON: a list of people, for MotionBERT, VideoPose3D and other lifters to 3-D.

Each has ``image_id`` ("12.jpg": the frame), ``category_id``, ``keypoints`` (x, y, score of COCO's 17 joints, or of
Halpe's 26, which MotionBERT needs), ``score``, ``box`` (x, y, width, height) and ``idx`` (the person). Source:
AlphaPose's docs/output.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import Annotations
from posetrack.formats.checks import boxes_of, check_unique_ids, number_or_nan, rows_of_numbers, track_ids
from posetrack.formats.coco_results import result_rows
from posetrack.formats.joints import joints_of_triples, person_boxes
from posetrack.formats.naming import LARGEST_FRAME, frame_numbers
from posetrack.formats.posetrack18_rows import xywh
from posetrack.formats.results import images_up_to, results_video
from posetrack.skeletons import COCO, HALPE_26, Skeleton

_NUMBER = re.compile(r"(?:.*\D)?(\d{1,9})(?:\.\w+)?", re.DOTALL)


def is_alphapose(people: list[Any]) -> bool:
    """Whether a JSON list is AlphaPose's: COCO results have neither ``idx`` nor ``box``."""
    return bool(people) and all(
        isinstance(person, dict) and ("idx" in person or "box" in person) for person in people
    )


def alphapose_rows(video: Annotations, skeleton: Skeleton) -> Iterator[dict[str, Any]]:
    """One object per person.

    Args:
        video: The people.
        skeleton: ``COCO`` or ``HALPE_26``; joints are converted, those that cannot be are missing.

    Raises:
        DataFormatError: a coordinate is too large to compute with.
    """
    numbers = frame_numbers(video.images)
    boxes = xywh(person_boxes(video)).tolist()
    for row, person in enumerate(result_rows(video, skeleton)):
        yield {
            "image_id": f"{numbers[video.frames[row]]}.jpg",
            "category_id": person["category_id"],
            "keypoints": person["keypoints"],
            "score": person["score"],
            "box": boxes[row],
            "idx": person["track_id"],
        }


def parse_alphapose(path: Path, people: list[Any]) -> Annotations:
    """The people of a file as one video. AlphaPose's scores may exceed 1 (they add up several); they are kept.

    Raises:
        DataFormatError: names the frame: no number in ``image_id``, another number of joints, no ids, an id twice.
    """
    numbers = np.array([_frame(path, place, person) for place, person in enumerate(people)], dtype=np.int64)
    order = np.argsort(numbers, kind="stable")
    numbers, people = numbers[order], [people[place] for place in order]

    def where(row: int) -> str:
        return f"frame {numbers[row]}"

    rows = [person.get("keypoints") for person in people]
    many = any(isinstance(row, list) and len(row) == 3 * len(HALPE_26) for row in rows)
    skeleton = HALPE_26 if many else COCO
    width = len(skeleton)
    triples = rows_of_numbers(path, "keypoints", rows, 3 * width, where).reshape(-1, width, 3)
    ids = track_ids(path, [_id(person.get("idx")) for person in people], where, "idx")
    check_unique_ids(path, numbers, ids, where)
    boxes = boxes_of(path, "box", people, where)
    joints = joints_of_triples(skeleton, triples)
    scores = np.array([number_or_nan(person.get("score")) for person in people], dtype=np.float64)
    images = images_up_to(path.stem, int(numbers.max(initial=-1)))
    return results_video(path, images, (numbers, ids), joints, scores, boxes)


def _id(value: Any) -> Any:
    """Some versions write ids as decimals or as lists of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _frame(path: Path, place: int, person: dict[str, Any]) -> int:
    match = _NUMBER.fullmatch(str(person.get("image_id")))
    if match is None or int(match[1]) >= LARGEST_FRAME:
        raise DataFormatError(
            f"{path}: the 'image_id' of person {place} of the list, {person.get('image_id')!r}, names no frame "
            "below "
            f"{LARGEST_FRAME}; correct it."
        )
    return int(match[1])


def lost_in_alphapose(people: list[Any]) -> list[str]:
    """What a file holds that is not read."""
    known = {"image_id", "category_id", "keypoints", "score", "box", "idx"}
    others = sorted({key for person in people if isinstance(person, dict) for key in person} - known)
    return [f"Fields of people: {', '.join(others)}."] if others else []
