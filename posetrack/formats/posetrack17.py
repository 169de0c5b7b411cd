"""Reads PoseTrack17 ``annolist`` JSON. Every number is in a list of one, because the format comes from MATLAB."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import EVALUATION_JOINTS, VISIBLE, Annotations, Polygon
from posetrack.formats.checks import (
    Where,
    check_unique_ids,
    member,
    number_or_nan,
    polygon,
    rows_of_numbers,
    track_ids,
)
from posetrack.formats.naming import video_of
from posetrack.formats.posetrack17_rows import SEEN
from posetrack.types import BoolArray, Doubles, IntArray

_JOINTS = len(EVALUATION_JOINTS)
_JOINT_IDS = range(_JOINTS)
_CORNERS = ("x1", "y1", "x2", "y2")


def parse_posetrack17(path: Path, data: dict[str, Any]) -> list[Annotations]:
    """The one video of a file, as a list of one.

    Raises:
        DataFormatError: names the frame and the rule it breaks.
    """
    entries = member(path, data, "annolist", list)
    images = [_image(path, number, entry) for number, entry in enumerate(entries)]
    people = [_people(path, number, entry) for number, entry in enumerate(entries)]
    frames = np.repeat(np.arange(len(people)), [len(frame) for frame in people])
    everybody = list(chain.from_iterable(people))

    def where(number: int) -> str:
        frame = int(frames[number])
        return f"frame {frame} ({images[frame]['file_name']})"

    ids = track_ids(path, [_single(person.get("track_id")) for person in everybody], where)
    check_unique_ids(path, frames, ids, where)
    points = [_points(path, number, person, where) for number, person in enumerate(everybody)]
    keypoints, visibility, present, scores = _joints(path, points, where)
    return [
        Annotations(
            path=path,
            video=video_of(images[0]["file_name"]) if images else path.stem,
            images=images,
            frames=frames,
            track_ids=ids,
            keypoints=keypoints,
            visibility=visibility,
            present=present,
            scores=scores,
            listed=np.array([listing is not None for listing in points], dtype=bool),
            head_boxes=_head_boxes(path, everybody, where),
            boxes=np.full((len(everybody), 4), np.nan),
            person_scores=np.array([number_or_nan(_single(p.get("score"))) for p in everybody], dtype=np.float64),
            ignore_regions=_ignore_regions(path, entries, images),
        )
    ]


def _single(value: Any) -> Any:
    """The item of a list of one; None for anything else."""
    return value[0] if isinstance(value, list) and len(value) == 1 else None


def _image(path: Path, number: int, entry: Any) -> dict[str, Any]:
    image = entry.get("image") if isinstance(entry, dict) else None
    first = image[0] if isinstance(image, list) and image else None
    if not isinstance(first, dict) or not isinstance(first.get("name"), str):
        raise DataFormatError(
            f"{path}, frame {number}: there is no image name ('image': [{{'name': ...}}]); add it."
        )
    fields = {"file_name": first["name"]}
    labelled = _single(entry.get("is_labeled"))
    return fields if labelled is None else {**fields, "is_labeled": bool(labelled)}


def _people(path: Path, number: int, entry: dict[str, Any]) -> list[dict[str, Any]]:
    people = entry.get("annorect")
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise DataFormatError(
            f"{path}, frame {number}: 'annorect' must be a list of people; leave it empty if there are none."
        )
    return people


def _points(path: Path, number: int, person: dict[str, Any], where: Where) -> list[dict[str, Any]] | None:
    """The person's points; None without a list of them."""
    listings = person.get("annopoints")
    if not listings:
        return None
    listing = listings[0] if isinstance(listings, list) else None
    points = listing.get("point") if isinstance(listing, dict) else None
    if listing in ([], {}) or (isinstance(listing, dict) and "point" not in listing):
        return None
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise DataFormatError(
            f"{path}, {where(number)}: 'annopoints' must be [{{'point': [...]}}], a list of joints; correct it."
        )
    return points


def _joints(
    path: Path, points: list[list[dict[str, Any]] | None], where: Where
) -> tuple[Doubles, Doubles, BoolArray, Doubles]:
    """Keypoints [M, K, 2], visibility, presence and scores [M, K]. Of repeated joints, the first counts."""
    owners = np.repeat(np.arange(len(points)), [len(listing or ()) for listing in points])
    flat = [point for listing in points if listing for point in listing]

    def where_point(number: int) -> str:
        return where(int(owners[number]))

    joints = _joint_ids(path, flat, where_point)
    known = np.flatnonzero(joints >= 0)[::-1]  # assigned backwards, so that the first wins
    xy = rows_of_numbers(path, "x, y", [[_single(p.get("x")), _single(p.get("y"))] for p in flat], 2, where_point)
    keypoints = np.zeros((len(points), _JOINTS, 2))
    visibility = np.full((len(points), _JOINTS), np.nan)
    scores = np.full((len(points), _JOINTS), np.nan)
    present = np.zeros((len(points), _JOINTS), dtype=bool)
    place = (owners[known], joints[known])
    keypoints[place] = xy[known]
    present[place] = True
    flags = np.array([number_or_nan(_single(point.get("is_visible"))) for point in flat], dtype=np.float64)
    visibility[place] = np.where(flags == SEEN, VISIBLE, flags)[known]
    scores[place] = _scores(path, flat, where_point)[known]
    return keypoints, visibility, present, scores


def _joint_ids(path: Path, points: list[dict[str, Any]], where: Where) -> IntArray:
    """int64 [N], -1 for joints that are null or not PoseTrack's: the official evaluator skips them."""
    joints = np.full(len(points), -1)
    for number, point in enumerate(points):
        joint = _single(point.get("id"))
        if joint in _JOINT_IDS:  # 13.0 is 13
            joints[number] = joint
        elif not isinstance(joint, int | float) and point.get("id", "missing") is not None:
            raise DataFormatError(
                f"{path}, {where(number)}: the 'id' of a joint is not a number; use 0 to {_JOINTS - 1}."
            )
    return joints


def _scores(path: Path, flat: list[dict[str, Any]], where: Where) -> Doubles:
    given = [number for number, point in enumerate(flat) if "score" in point]
    scores = np.full(len(flat), np.nan)
    rows = [[_single(flat[number]["score"])] for number in given]
    scores[given] = rows_of_numbers(path, "score", rows, 1, lambda row: where(given[row]))[:, 0]
    return scores


def _head_boxes(path: Path, people: list[dict[str, Any]], where: Where) -> Doubles:
    given = [number for number, person in enumerate(people) if all(corner in person for corner in _CORNERS)]
    boxes = np.full((len(people), 4), np.nan)
    rows = [[_single(people[number][corner]) for corner in _CORNERS] for number in given]
    boxes[given] = rows_of_numbers(path, "x1, y1, x2, y2", rows, 4, lambda row: where(given[row]))
    return boxes


def _ignore_regions(
    path: Path, entries: list[dict[str, Any]], images: list[dict[str, Any]]
) -> dict[int, list[Polygon]]:
    regions: dict[int, list[Polygon]] = {}
    for frame, entry in enumerate(entries):
        if not entry.get("ignore_regions"):
            continue
        try:
            regions[frame] = [
                polygon([(p["x"][0], p["y"][0]) for p in region["point"]]) for region in entry["ignore_regions"]
            ]
        except (TypeError, KeyError, IndexError, ValueError, OverflowError) as error:
            raise DataFormatError(
                f"{path}, frame {frame} ({images[frame]['file_name']}): 'ignore_regions' must be lists of points "
                "with x and y; correct them."
            ) from error
    return regions
