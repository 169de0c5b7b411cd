"""Reads PoseTrack18 JSON, including PoseTrack21's.

A joint is absent if x, y and flag are all 0. The category's names give the order of the joints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import EVALUATION_JOINTS, Annotations, Polygon
from posetrack.formats.checks import (
    Where,
    boxes_of,
    check_unique_ids,
    member,
    number_or_nan,
    polygon,
    rows_of_numbers,
    track_ids,
)
from posetrack.formats.names import names_by_id
from posetrack.formats.naming import video_of
from posetrack.formats.posetrack18_found import found_of
from posetrack.types import Doubles, IntArray

_ALLOWED_JOINTS = (15, 17)


def parse_posetrack18(path: Path, data: dict[str, Any]) -> list[Annotations]:
    """The videos of a file, in order of their first images.

    Raises:
        DataFormatError: names the frame and the rule it breaks.
    """
    names = _joint_names(path, data)
    images = member(path, data, "images", list)
    people = member(path, data, "annotations", list)
    image_of_id = _image_ids(path, images)
    owners = _owners(path, people, image_of_id)
    order = np.argsort(owners, kind="stable")
    order = order[owners[order] >= 0]  # people of images that the file does not list are ignored
    table = _People(path, [people[n] for n in order], owners[order], images, names)
    videos: dict[str, list[int]] = {}
    for number, image in enumerate(images):
        videos.setdefault(video_of(image["file_name"]), []).append(number)
    return [table.video(video, np.array(numbers)) for video, numbers in videos.items()]


def _joint_names(path: Path, data: dict[str, Any]) -> list[str]:
    categories = member(path, data, "categories", list)
    if len(categories) != 1 or not isinstance(categories[0], dict) or categories[0].get("name") != "person":
        raise DataFormatError(
            f"{path}: there must be one category named 'person', and no other; correct 'categories'."
        )
    names = categories[0].get("keypoints")
    if not isinstance(names, list):
        raise DataFormatError(
            f"{path}: the category 'person' has no 'keypoints'; add the joints' names in the order of the lists."
        )
    if len(names) not in _ALLOWED_JOINTS:
        raise DataFormatError(
            f"{path}: the category names {len(names)} joints; PoseTrack has 15, or 17 with ears."
        )
    missing = [joint for joint in EVALUATION_JOINTS if joint not in names]
    if missing:
        unknown = sorted({str(name) for name in names} - {*EVALUATION_JOINTS, "left_ear", "right_ear"})
        also = f" (and has {', '.join(unknown)}, which are not PoseTrack's)" if unknown else ""
        raise DataFormatError(
            f"{path}: the category lacks the joints {', '.join(missing)}{also}; use PoseTrack's names."
        )
    return names


def _image_ids(path: Path, images: list[Any]) -> dict[Any, int]:
    positions: dict[Any, int] = {}
    for number, image in enumerate(images):
        if not isinstance(image, dict) or not isinstance(image.get("file_name"), str):
            raise DataFormatError(f"{path}: image {number} has no 'file_name'; every image needs one.")
        if not isinstance(image.get("id"), int | float | str):
            raise DataFormatError(f"{path}: image {number} ({image['file_name']}) has no 'id'; give it a number.")
        if positions.setdefault(image["id"], number) != number:
            raise DataFormatError(f"{path}: two images have the id {image['id']}; ids must differ.")
    return positions


def _owners(path: Path, people: list[Any], image_of_id: dict[Any, int]) -> IntArray:
    try:
        owners = np.array([image_of_id.get(person["image_id"], -1) for person in people], dtype=np.int64)
    except (KeyError, TypeError):
        owners = np.full(len(people), -1)  # the loop below finds the faulty one
    for number in np.flatnonzero(owners < 0).tolist():
        person = people[number]
        if not isinstance(person, dict) or not isinstance(person.get("image_id"), int | float | str):
            raise DataFormatError(f"{path}: annotation {number} has no 'image_id'; add the id of its image.")
    return owners


class _People:
    """The columns of all people of a file; ``video`` selects those of one video."""

    def __init__(
        self,
        path: Path,
        people: list[dict[str, Any]],
        owners: IntArray,
        images: list[dict[str, Any]],
        names: list[str],
    ) -> None:
        def where(number: int) -> str:
            image = int(owners[number])
            return f"frame {image} ({images[image]['file_name']})"

        self._path, self._images, self._owners, self._where = path, images, owners, where
        slots = [names.index(joint) for joint in EVALUATION_JOINTS]
        width = len(names)
        self._ids = track_ids(path, [person.get("track_id") for person in people], where)
        check_unique_ids(path, owners, self._ids, where)
        triples = rows_of_numbers(path, "keypoints", [p.get("keypoints") for p in people], 3 * width, where)
        self._triples = triples.reshape(-1, width, 3)[:, slots]
        self._scores = _joint_scores(path, [person.get("scores") for person in people], slots, where)
        self._head_boxes = boxes_of(path, "bbox_head", people, where)
        self._boxes = boxes_of(path, "bbox", people, where)
        self._person_scores = np.array([number_or_nan(person.get("score")) for person in people], dtype=np.float64)
        self._names = [person.get("name") for person in people]
        self._found = found_of(path, people, where)

    def video(self, video: str, numbers: IntArray) -> Annotations:
        """The people of one video; ``numbers`` are its images' positions in the file's list."""
        position = np.full(len(self._images), -1)
        position[numbers] = np.arange(len(numbers))
        frames = position[self._owners]
        chosen = np.flatnonzero(frames >= 0)
        chosen = chosen[np.argsort(frames[chosen], kind="stable")]
        triples = self._triples[chosen]
        images = [self._images[n] for n in numbers]
        return Annotations(
            path=self._path,
            video=video,
            images=images,
            frames=frames[chosen],
            track_ids=self._ids[chosen],
            keypoints=triples[..., :2],
            visibility=triples[..., 2],
            present=(triples != 0).any(axis=2),
            scores=self._scores[chosen],
            listed=np.ones(len(chosen), dtype=bool),
            head_boxes=self._head_boxes[chosen],
            boxes=self._boxes[chosen],
            person_scores=self._person_scores[chosen],
            ignore_regions=_ignore_regions(self._path, images),
            names=names_by_id(self._path, [(int(self._ids[row]), self._names[row]) for row in chosen.tolist()]),
            found=self._found and self._found[chosen],
        )


def _joint_scores(path: Path, lists: list[Any], slots: list[int], where: Where) -> Doubles:
    """float64 [N, K]; NaN for people without a list, or with an empty one."""
    given = [number for number, scores in enumerate(lists) if scores]
    needed = max(slots) + 1
    columns = np.full((len(lists), len(slots)), np.nan)
    rows = [lists[n][:needed] if isinstance(lists[n], list) else lists[n] for n in given]
    columns[given] = rows_of_numbers(path, "scores", rows, needed, lambda row: where(given[row]))[:, slots]
    return columns


def _ignore_regions(path: Path, images: list[dict[str, Any]]) -> dict[int, list[Polygon]]:
    regions: dict[int, list[Polygon]] = {}
    for frame, image in enumerate(images):
        all_x, all_y = image.get("ignore_regions_x"), image.get("ignore_regions_y")
        if not all_x or not all_y:
            continue
        try:
            regions[frame] = [polygon(list(zip(x, y, strict=False))) for x, y in zip(all_x, all_y, strict=False)]
        except (TypeError, ValueError, OverflowError) as error:
            raise DataFormatError(
                f"{path}, frame {frame} ({image['file_name']}): 'ignore_regions_x' and 'ignore_regions_y' must be "
                "lists of lists of numbers; correct them."
            ) from error
    return regions
