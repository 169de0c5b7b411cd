"""What is lost when a file of poses is converted, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from posetrack.formats import mot, table_content
from posetrack.formats.annotations import VISIBLE, Annotations
from posetrack.formats.checks import is_number, number_or_nan
from posetrack.formats.ears import lost_ears
from posetrack.formats.joint_losses import joints_lost
from posetrack.formats.joints import flags, own_joints
from posetrack.formats.naming import frame_numbers, official_ids, unpacked_id
from posetrack.formats.posetrack18_found import FIELDS
from posetrack.formats.posetrack18_rows import can_be_numbered
from posetrack.pixels import from_corner
from posetrack.skeletons import POSETRACK, Skeleton

TABLES = ("csv", "parquet")
HOW_FOUND = "How joints were found: their origins, standard deviations, and places before smoothing."
_ANY = 1.0
"""The flag of every joint in PoseTrack's own files."""

_CLOSE = 0.01
"""Square pixels by which areas may differ: files round sizes and areas."""

_BOX_DIGITS = 10  # the noise of half a pixel less is no digit of the file's

_KEPT = {
    "images": {
        "file_name", "id", "frame_id", "vid_id", "nframes", "is_labeled", "ignore_regions_x", "ignore_regions_y",
    },
    "annotations": {
        "id", "image_id", "category_id", "track_id", "keypoints", "scores", "bbox", "bbox_head", "score",
        "area", "iscrowd", "num_keypoints", "segmentation", "name", *FIELDS,
    },
    "annolist": {"image", "imgnum", "is_labeled", "annorect", "ignore_regions"},
    "annorect": {"track_id", "annopoints", "x1", "y1", "x2", "y2", "score"},
    "coco": {"image_id", "category_id", "track_id", "keypoints", "score"},
}  # fmt: skip
"""Fields of each list that are read. PoseTrack18 keeps all fields of its images."""


def lost_in_reading(content: Any) -> list[str]:
    """What a file holds that is not read.

    Args:
        content: JSON of PoseTrack17, PoseTrack18 or COCO results (a list), MOTChallenge text, or a table; it need
            not be valid.
    """
    if isinstance(content, table_content.Table):
        others = sorted(set(content.columns) - set(table_content.COLUMNS))
        return [f"Columns: {', '.join(others)}."] if others else []
    if isinstance(content, str):
        further = (value for line in content.splitlines() for value in line.split(",")[mot.COLUMNS :])
        return ["Columns after the confidence."] if any(value.strip() != "-1" for value in further) else []
    if isinstance(content, list):
        return _fields("people", _objects(content), "coco")
    if "annolist" in content:
        frames = _objects_of(content["annolist"])
        people = _objects(chain.from_iterable(_objects_of(frame.get("annorect")) for frame in frames))
        return [*_fields("frames", frames, "annolist"), *_fields("people", people, "annorect")]
    people = _objects_of(content.get("annotations"))
    return [
        *_fields("people", people, "annotations"),
        *_ids(people),
        *_shapes(people),
        *lost_ears(content, people),
        *_unlisted(content, people),
    ]


def lost_in_writing(video: Annotations, to: str, skeleton: Skeleton, named: bool) -> list[str]:
    """What a video holds that the target format cannot hold.

    Args:
        video: With an ``id`` for every image.
        to: The target format.
        skeleton: Joints of COCO results, if they are the target.
        named: The images' names come from the source, and are not made up.
    """
    losses = {
        **_of_boxes_and_regions(video, to),
        **_of_images(video, to, named),
        **_of_skeletons(video, to, skeleton),
        **_of_joints(video, to),
        **_of_people(video, to),
    }
    fields = _fields("images", list(map(_without_time, video.images)), "images") if to != "posetrack18" else []
    return [*(sentence for sentence, applies in losses.items() if applies), *fields, *_time(video, to)]


def _of_boxes_and_regions(video: Annotations, to: str) -> dict[str, bool]:
    no_truth = to in ("coco", "mot", *TABLES)
    return {
        "Boxes of people.": not np.isnan(video.boxes).all() and to in ("posetrack17", "coco"),
        "Boxes of heads: the file is no longer a ground truth.": not np.isnan(video.head_boxes).all() and no_truth,
        "Ignore regions.": bool(video.ignore_regions) and no_truth,
    }


def _of_images(video: Annotations, to: str, named: bool) -> dict[str, bool]:
    if not named:
        return {}
    unnamed = to in ("coco", "mot", *TABLES)
    empty_frames = bool((video.people_per_frame() == 0).any())
    official = official_ids(video.images)
    return {
        "Names of images, and frames without people.": unnamed and empty_frames,
        "Names of images.": unnamed and not empty_frames,
        "Numbers of frames: images are numbered in order, without gaps.": (
            (to == "mot" and _has_gaps(official)) or (to in TABLES and _are_renumbered(video, official))
        ),
        "Ids of images.": to == "posetrack17" and [image["id"] for image in video.images] != official,
    }


def _of_skeletons(video: Annotations, to: str, skeleton: Skeleton) -> dict[str, bool]:
    """Joints that the target's skeleton lacks, and joints estimated because the source's lacks them."""
    own = own_joints(video)
    if to in ("mot", *TABLES) or not len(video):
        return {}
    seen = [own.skeleton.joints[slot] for slot in np.flatnonzero(own.present.any(axis=0))]
    return dict.fromkeys(joints_lost(own.skeleton, skeleton if to == "coco" else POSETRACK, seen), True)


def _of_joints(video: Annotations, to: str) -> dict[str, bool]:
    kinds = set(np.unique(flags(video)[video.present]).tolist())
    own = own_joints(video)
    unscored = video.present & np.isnan(video.scores)
    partly = (unscored & ~np.isnan(video.scores).all(axis=1, keepdims=True)).any()
    hidden_at_origin = video.present & (video.keypoints == 0).all(axis=2) & (flags(video) == 0)
    return {
        "Joints and their scores.": to == "mot" and bool(video.present.any()),
        "Flags of visibility.": to in ("coco", *TABLES) and not (kinds <= {_ANY} or kinds <= {VISIBLE}),
        "Flags of visibility: PoseTrack17 does not tell 1 from 2.": to == "posetrack17"
        and {_ANY, VISIBLE} <= kinds,
        "Which joints lack a score: they get -9999, as in the official evaluator.": (
            to == "posetrack18" and bool(partly)
        ),
        "Which joints lack a score: they get 1.": (
            to == "coco" and bool((own.present & np.isnan(own.scores)).any())
        ),
        "Joints at (0, 0) that are not visible: they become absent.": (
            to == "posetrack18" and bool(hidden_at_origin.any())
        ),
        "Digits of coordinates and scores: tables hold about seven.": to in TABLES and _has_more_digits(video),
    }


def _of_people(video: Annotations, to: str) -> dict[str, bool]:
    return {
        HOW_FOUND: video.found is not None and to not in ("posetrack18", *TABLES),
        "Standard deviations of joints.": (
            video.found is not None and to == "posetrack18" and not np.isnan(video.found.sds).all()
        ),
        "Names of people.": bool(video.names) and to in ("posetrack17", "coco", "mot"),
        "Which people lack a score: they get 1.": to == "mot" and bool(np.isnan(video.person_scores).any()),
        "Which people lack a score: they get the mean of their joints'.": (
            to == "coco" and bool(np.isnan(video.person_scores).any())
        ),
        "That people have no list of joints: they get an empty one.": (
            to in ("posetrack18", *TABLES) and not video.listed.all()
        ),
    }


def _without_time(image: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in image.items() if key != "time_s"}


def _time(video: Annotations, to: str) -> list[str]:
    times = [image["time_s"] for image in video.images if "time_s" in image]
    kept = to == "posetrack18" or (to in TABLES and all(map(is_number, times)))
    return [] if kept or not times else ["Times of frames."]


def _are_renumbered(video: Annotations, official: Sequence[int]) -> bool:
    return frame_numbers(video.images) != [unpacked_id(image_id)[1] for image_id in official]


def _has_more_digits(video: Annotations) -> bool:
    """Whether a number is not the shortest decimal of a 32-bit float."""
    joints = own_joints(video)
    values = np.concatenate(
        [
            joints.xy[joints.present].ravel(),
            joints.scores[joints.present],
            video.person_scores,
            from_corner(video.boxes).ravel().round(_BOX_DIGITS),
        ],
        dtype=np.float64,
    )
    values = values[~np.isnan(values)]
    with np.errstate(over="ignore"):
        return bool((values.astype(np.float32).astype(str).astype(np.float64) != values).any())


def _has_gaps(official_ids: Sequence[int]) -> bool:
    """Whether some of a sequence's frames have no image."""
    numbers = [unpacked_id(image_id)[1] for image_id in official_ids]
    return any(after - before != 1 for before, after in zip(numbers, numbers[1:], strict=False))


def _objects(items: Iterable[Any]) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)]


def _objects_of(items: Any) -> list[dict[str, Any]]:
    return _objects(items) if isinstance(items, list) else []


def _fields(what: str, items: list[dict[str, Any]], kind: str) -> list[str]:
    """Fields of some objects that are not read."""
    others = sorted(set(chain.from_iterable(items)) - _KEPT[kind])
    return [f"Fields of {what}: {', '.join(others)}."] if others else []


def _ids(people: list[dict[str, Any]]) -> list[str]:
    """Annotations get PoseTrack's numbers: the image's id and two more digits."""
    seen: Counter[str] = Counter()
    for person in people:
        image_id: Any = person.get("image_id")
        number = seen[str(image_id)]
        expected = 100 * image_id + number if can_be_numbered([image_id], number + 1) else None
        if "id" in person and person["id"] != expected:
            return ["Ids of annotations."]
        seen[str(image_id)] += 1
    return []


def _shapes(people: list[dict[str, Any]]) -> list[str]:
    """What COCO's files may say about people beyond their box."""
    losses = {
        "Outlines of people (segmentation).": any(person.get("segmentation") for person in people),
        "That some of the people are crowds (iscrowd).": any(person.get("iscrowd") for person in people),
        "Areas of people: the areas of their boxes replace them.": any(map(_has_other_area, people)),
    }
    return [sentence for sentence, applies in losses.items() if applies]


def _has_other_area(person: dict[str, Any]) -> bool:
    area, box = person.get("area"), person.get("bbox")
    if area is None:
        return False
    if not isinstance(box, list) or len(box) != 4:
        return True
    return not abs(number_or_nan(area) - number_or_nan(box[2]) * number_or_nan(box[3])) <= _CLOSE


def _unlisted(content: dict[str, Any], people: list[dict[str, Any]]) -> list[str]:
    known = {str(image.get("id")) for image in _objects_of(content.get("images"))}
    lost = any(str(person.get("image_id")) not in known for person in people)
    return ["People of images that the file does not list."] if lost else []
