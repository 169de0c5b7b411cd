"""What is lost when a file of poses becomes one of another format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from posetrack.formats.annotations import VISIBLE, Annotations
from posetrack.formats.checks import number_or_nan
from posetrack.formats.mot import COLUMNS
from posetrack.formats.naming import unpacked_id
from posetrack.formats.writing import are_numbered, flags
from posetrack.skeletons import COCO

_FACE = ("left_eye", "right_eye", "left_ear", "right_ear")
_EARS = ("left_ear", "right_ear")
_ANY = 1.0  # the flag of every joint in PoseTrack's own files
_CLOSE = 0.01  # in pixels squared: files round sizes and areas
_KEPT = {
    "images": {
        "file_name", "id", "frame_id", "vid_id", "nframes", "is_labeled", "ignore_regions_x", "ignore_regions_y",
    },
    "annotations": {
        "id", "image_id", "category_id", "track_id", "keypoints", "scores", "bbox", "bbox_head", "score",
        "area", "iscrowd", "num_keypoints", "segmentation",
    },
    "annolist": {"image", "imgnum", "is_labeled", "annorect", "ignore_regions"},
    "annorect": {"track_id", "annopoints", "x1", "y1", "x2", "y2", "score"},
    "coco": {"image_id", "category_id", "track_id", "keypoints", "score"},
}  # fmt: skip
"""Fields of each list that are read; those of PoseTrack18's images are all kept in PoseTrack18."""


def lost_in_reading(content: Any, to: str, coco_joints: str) -> list[str]:
    """What a file holds that is not read, in sentences.

    Args:
        content: JSON of PoseTrack17, PoseTrack18 or COCO results (a list), or MOTChallenge text; not checked yet.
        to: The target format.
        coco_joints: What the joints of COCO results are: ``coco`` or ``posetrack``.
    """
    if isinstance(content, str):
        further = (value for line in content.splitlines() for value in line.split(",")[COLUMNS:])
        return ["Columns behind the confidence."] if any(value.strip() != "-1" for value in further) else []
    if isinstance(content, list):
        people = _objects(content)
        faces = _coco_faces(people, to) if coco_joints == "coco" and to != "mot" else []
        return [*_fields("people", people, "coco"), *faces]
    if not isinstance(content, dict):
        return []
    if "annolist" in content:
        frames = _objects_of(content["annolist"])
        people = _objects(chain.from_iterable(_objects_of(frame.get("annorect")) for frame in frames))
        return [*_fields("frames", frames, "annolist"), *_fields("people", people, "annorect")]
    people = _objects_of(content.get("annotations"))
    return [
        *_fields("people", people, "annotations"),
        *_ids(people),
        *_shapes(people),
        *_ears(content, people),
        *_nobodys(content, people),
    ]


def lost_in_writing(
    video: Annotations, official_ids: Sequence[int], to: str, coco_joints: str, named: bool
) -> list[str]:
    """What the target format has no room for, of what a video has, in sentences.

    Args:
        video: With an ``id`` for every image.
        official_ids: [F] the ids that the images' names stand for.
        to: The target format.
        coco_joints: Joints of COCO results, if they are the target.
        named: The images' names are the source's, and not made up.
    """
    has_boxes, has_heads = ~np.isnan(video.boxes).all(), ~np.isnan(video.head_boxes).all()
    has_joints, has_regions = bool(video.present.any()), bool(video.ignore_regions)
    unscored = video.present & np.isnan(video.scores)
    some_unscored = (unscored & ~np.isnan(video.scores).all(axis=1, keepdims=True)).any()
    kinds = set(np.unique(flags(video)[video.present]).tolist())
    empty_frames = bool((video.people_per_frame() == 0).any())
    no_truth = to in ("coco", "mot")
    losses = {
        "Boxes of people.": has_boxes and to in ("posetrack17", "coco"),
        "Boxes of heads, so that it is no ground truth.": has_heads and no_truth,
        "Ignore regions.": has_regions and no_truth,
        "Names of images; frames without people, of which only the numbers of others tell.": no_truth
        and named
        and empty_frames,
        "Names of images.": no_truth and named and not empty_frames,
        "Numbers of frames: each image is the next frame, though others lie between.": to == "mot"
        and named
        and _has_gaps(official_ids),
        "Ids of images.": to == "posetrack17"
        and named
        and [image["id"] for image in video.images] != list(official_ids),
        "Joints and their scores.": to == "mot" and has_joints,
        "Flags of visibility.": to == "coco" and not (kinds <= {_ANY} or kinds <= {VISIBLE}),
        "Flags of visibility: PoseTrack17 does not tell 1 from 2.": (
            to == "posetrack17" and {_ANY, VISIBLE} <= kinds
        ),
        "head_bottom and head_top, which COCO does not have.": (
            to == "coco" and coco_joints == "coco" and has_joints and named
        ),
        "Whether a joint has a score: those without get -9999, as the official evaluator reads them.": (
            to == "posetrack18" and bool(some_unscored)
        ),
        "Whether a joint has a score: those without get 1.": to == "coco" and bool(unscored.any()),
        "Whether a person has a score: those without get 1.": to == "mot"
        and bool(np.isnan(video.person_scores).any()),
        "Joints at (0, 0) that are not visible: they are absent now.": (
            to == "posetrack18"
            and bool((video.present & (video.keypoints == 0).all(axis=2) & (flags(video) == 0)).any())
        ),
        "That people without a list of joints have none: their list is empty now.": (
            to == "posetrack18" and not video.listed.all()
        ),
    }
    fields = _fields("images", video.images, "images") if to != "posetrack18" else []
    return [*(sentence for sentence, applies in losses.items() if applies), *fields]


def _has_gaps(official_ids: Sequence[int]) -> bool:
    """Whether some of a sequence's frames have no image."""
    numbers = [unpacked_id(image_id)[1] for image_id in official_ids]
    return any(after - before != 1 for before, after in zip(numbers, numbers[1:], strict=False))


def _objects(items: Iterable[Any]) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)]


def _objects_of(items: Any) -> list[dict[str, Any]]:
    return _objects(items) if isinstance(items, list) else []


def _fields(what: str, items: list[dict[str, Any]], kind: str) -> list[str]:
    """Fields that some objects have and that have no place."""
    others = sorted(set(chain.from_iterable(items)) - _KEPT[kind])
    return [f"Fields of {what}: {', '.join(others)}."] if others else []


def _coco_faces(people: list[dict[str, Any]], to: str) -> list[str]:
    """Results with COCO's joints: what PoseTrack does not have, and what is estimated instead."""
    slots = [COCO.index(joint) for joint in _FACE]
    losses = {
        "Eyes and ears, which PoseTrack does not have.": any(
            _flag(person.get("keypoints"), slot) for person in people for slot in slots
        ),
        "That head_bottom and head_top are no findings: they are estimated from nose and shoulders.": (
            bool(people) and to != "coco"
        ),
    }
    return [sentence for sentence, applies in losses.items() if applies]


def _ears(content: dict[str, Any], people: list[dict[str, Any]]) -> list[str]:
    categories = _objects_of(content.get("categories"))
    names = categories[0].get("keypoints") if categories else None
    slots = [names.index(ear) for ear in _EARS if ear in names] if isinstance(names, list) else []
    flagged = any(_flag(person.get("keypoints"), slot) for person in people for slot in slots)
    return ["Ears, which PoseTrack's files have a place for and no use."] if flagged else []


def _flag(keypoints: Any, slot: int) -> bool:
    """The joint of that slot is there."""
    return isinstance(keypoints, list) and any(keypoints[3 * slot : 3 * slot + 3])


def _ids(people: list[dict[str, Any]]) -> list[str]:
    """Annotations are numbered anew, officially: the image's id and two digits more."""
    seen: Counter[str] = Counter()
    for person in people:
        image_id: Any = person.get("image_id")
        number = seen[str(image_id)]
        expected = 100 * image_id + number if are_numbered([image_id], number + 1) else None
        if "id" in person and person["id"] != expected:
            return ["Ids of annotations."]
        seen[str(image_id)] += 1
    return []


def _shapes(people: list[dict[str, Any]]) -> list[str]:
    """What COCO's files may say of people beyond a box."""
    losses = {
        "Outlines of people (segmentation).": any(person.get("segmentation") for person in people),
        "That some of the people are crowds (iscrowd).": any(person.get("iscrowd") for person in people),
        "Areas of people: those of their boxes stand for them.": any(map(_has_area_of_its_own, people)),
    }
    return [sentence for sentence, applies in losses.items() if applies]


def _has_area_of_its_own(person: dict[str, Any]) -> bool:
    area, box = person.get("area"), person.get("bbox")
    if area is None:
        return False
    if not isinstance(box, list) or len(box) != 4:
        return True
    return not abs(number_or_nan(area) - number_or_nan(box[2]) * number_or_nan(box[3])) <= _CLOSE


def _nobodys(content: dict[str, Any], people: list[dict[str, Any]]) -> list[str]:
    known = {str(image.get("id")) for image in _objects_of(content.get("images"))}
    lost = any(str(person.get("image_id")) not in known for person in people)
    return ["People of images that the file does not list."] if lost else []
