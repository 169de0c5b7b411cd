"""COCO keypoint annotations with tracks, as CVAT, Label Studio's converter and FiftyOne import them.

A dataset of images, people and one category with the joints' names and limbs, in any skeleton. A joint's third
number is 2 (seen) or 0 (missing). CVAT makes tracks of ``attributes.track_id``; FiftyOne reads ``track_id`` and
``score`` as attributes. Sizes of images are given where they are known: FiftyOne needs them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from posetrack import __version__
from posetrack.errors import DataFormatError
from posetrack.formats.annotations import EVALUATION_JOINTS, VISIBLE, Annotations, Joints
from posetrack.formats.checks import boxes_of, check_unique_ids, member, number_or_nan, rows_of_numbers, track_ids
from posetrack.formats.joints import finite, own_joints, person_boxes
from posetrack.formats.names import names_by_id
from posetrack.formats.posetrack18_rows import xywh
from posetrack.formats.results import order_by_frame, results_video
from posetrack.skeletons import POSETRACK, Skeleton, skeleton_with
from posetrack.types import IntArray


def is_coco_tracks(data: dict[str, Any]) -> bool:
    """Whether a JSON object is such a dataset: people have CVAT's ``attributes``, or joints are another
    skeleton's."""
    people, categories = data.get("annotations"), data.get("categories")
    if not isinstance(people, list) or not isinstance(categories, list) or "images" not in data:
        return False
    names = categories[0].get("keypoints") if categories and isinstance(categories[0], dict) else None
    joints = set(map(str, names)) if isinstance(names, list) else set()
    others = bool(joints) and skeleton_with(joints) is not None and not joints.issuperset(EVALUATION_JOINTS)
    return others or any(isinstance(one, dict) and isinstance(one.get("attributes"), dict) for one in people)


def dataset_head(video: Annotations) -> dict[str, Any]:
    """Everything but images and people."""
    skeleton = own_joints(video).skeleton
    slots = skeleton.in_use
    names = [skeleton.joints[slot] for slot in slots]
    limbs = [[names.index(a) + 1, names.index(b) + 1] for a, b in skeleton.limbs if a in names and b in names]
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": names, "skeleton": limbs}
    info = {"description": f"Poses of {video.path.stem}", "version": __version__, "contributor": "posetrack"}
    return {"info": info, "licenses": [], "categories": [category]}


def image_rows(video: Annotations) -> Iterator[dict[str, Any]]:
    """One object per image."""
    for frame, image in enumerate(video.images):
        known = {key: image[key] for key in ("width", "height", "time_s") if image.get(key) is not None}
        yield {"id": image["id"], "file_name": image["file_name"], "frame_id": frame, **known}


def person_rows(video: Annotations) -> Iterator[dict[str, Any]]:
    """One object per person, with the joints in use of the video's own skeleton.

    Raises:
        DataFormatError: a box is too large to compute its area.
    """
    joints = own_joints(video)
    slots = joints.skeleton.in_use
    there = joints.present[:, slots]
    flags = np.where(there, VISIBLE, 0.0)
    triples = (
        np.concatenate([joints.xy[:, slots], flags[..., None]], axis=2)
        .round(3)
        .reshape(len(video), 3 * len(slots))
    )
    scores = np.where(there, joints.scores[:, slots], 0).round(4)
    boxes = xywh(person_boxes(video))
    areas = finite(video.path, boxes[:, 2:].prod(axis=1)).round(3)
    for row, frame in enumerate(video.frames.tolist()):
        track_id = int(video.track_ids[row])
        yield {
            "id": row + 1,
            "image_id": video.images[frame]["id"],
            "category_id": 1,
            "keypoints": triples[row].tolist(),
            "num_keypoints": int(there[row].sum()),
            "keypoint_scores": [None if score != score else score for score in scores[row].tolist()],
            "bbox": boxes[row].tolist(),
            "area": float(areas[row]),
            "segmentation": [],
            "iscrowd": 0,
            "score": number_or_none(video.person_scores[row]),
            "track_id": track_id,
            "attributes": {"track_id": track_id, "occluded": False, "keyframe": True, **_named(video, track_id)},
        }


def _named(video: Annotations, track_id: int) -> dict[str, str]:
    return {"name": video.names[track_id]} if track_id in video.names else {}


def number_or_none(value: float) -> float | None:
    """NaN, which JSON does not have, becomes null."""
    return None if value != value else float(value)


def parse_coco_tracks(path: Path, data: dict[str, Any]) -> Annotations:
    """The people of a dataset as one video.

    Joints with the flag 0 are absent. Ids are those of ``attributes.track_id``, or else ``track_id``.

    Raises:
        DataFormatError: names the frame and what is wrong.
    """
    skeleton, slots = _skeleton(path, data)
    images = member(path, data, "images", list)
    for place, image in enumerate(images):
        named = isinstance(image, dict) and isinstance(image.get("file_name"), str)
        if not named or not isinstance(image.get("id"), int | float | str):
            raise DataFormatError(f"{path}: image {place} needs 'file_name' and 'id'; add them.")
    people = [person for person in member(path, data, "annotations", list) if isinstance(person, dict)]
    frames, order = order_by_frame(
        path, [image["id"] for image in images], [person.get("image_id") for person in people]
    )
    people = [people[place] for place in order]

    def where(row: int) -> str:
        return f"frame {frames[row]} ({images[frames[row]]['file_name']})"

    triples = rows_of_numbers(path, "keypoints", [p.get("keypoints") for p in people], 3 * len(slots), where)
    triples = triples.reshape(-1, len(slots), 3)
    ids = track_ids(path, [_track_id(person) for person in people], where)
    check_unique_ids(path, frames, ids, where)
    shape = (len(people), len(skeleton))
    joints = Joints(
        skeleton=skeleton, xy=np.zeros((*shape, 2)), scores=np.full(shape, np.nan), present=np.zeros(shape, bool)
    )
    joints.present[:, slots] = triples[..., 2] > 0
    joints.xy[:, slots] = np.where(triples[..., 2:] > 0, triples[..., :2], 0)
    joints.scores[:, slots] = np.where(triples[..., 2] > 0, _scores(people, len(slots)), np.nan)
    boxes = boxes_of(path, "bbox", people, where)
    scores = np.array([number_or_nan(person.get("score")) for person in people], dtype=np.float64)
    video = results_video(path, images, (frames, ids), joints, scores, boxes)
    names = [_attributes(person).get("name") for person in people]
    return replace(video, names=names_by_id(path, zip(ids.tolist(), names, strict=True)))


def _skeleton(path: Path, data: dict[str, Any]) -> tuple[Skeleton, IntArray]:
    categories = member(path, data, "categories", list)
    names = categories[0].get("keypoints") if categories and isinstance(categories[0], dict) else None
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        raise DataFormatError(f"{path}: the first category must list its 'keypoints', each once; correct it.")
    skeleton = skeleton_with(names)
    if skeleton is None and set(names) <= set(POSETRACK.joints):  # PoseTrack's files have slots for ears
        skeleton = POSETRACK
    if skeleton is None:
        raise DataFormatError(
            f"{path}: no known skeleton has all of the joints {', '.join(map(str, names))}; rename them."
        )
    return skeleton, np.array([skeleton.index(name) for name in names], dtype=np.int64)


def _track_id(person: dict[str, Any]) -> Any:
    own = _attributes(person).get("track_id")
    return person.get("track_id") if own is None else own


def _attributes(person: dict[str, Any]) -> dict[str, Any]:
    attributes = person.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _scores(people: list[dict[str, Any]], width: int) -> Any:
    """float64 [N, J]; NaN where a person has no list of that length."""
    lists = [person.get("keypoint_scores") for person in people]
    rows = [one if isinstance(one, list) and len(one) == width else [None] * width for one in lists]
    return np.array([[number_or_nan(value) for value in row] for row in rows]).reshape(len(people), width)
