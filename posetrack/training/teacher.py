"""Labels by a teacher: a larger network's joints, stored beside those labelled by people.

A student that learns from both (Zhang, Zhu and Ye, "Fast Human Pose Estimation", CVPR 2019) also learns the poses
and scenes that the labelled images lack. The teacher runs once. Its joints are stored instead of its heatmaps: a
Gaussian at the joint, as high as its score, stands in for the heatmap.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.models.movenet import load_movenet
from posetrack.models.pose import HeatmapPoseEstimator, PoseConfig
from posetrack.models.pose_weights import PoseArchitecture, PoseNetwork, load_pose_network
from posetrack.models.runtime import Runtime
from posetrack.pixels import from_centre, from_corner
from posetrack.skeletons import COCO, POSETRACK
from posetrack.stages import Detector
from posetrack.training.photographs import MALFORMED, read_image
from posetrack.training.views import Views, estimate_in_views
from posetrack.types import Boxes, FloatArray, Image

EMPTY_SCORE = 0.2
"""Minimum score of a joint. A box without any such joint contains nobody."""

_OUTSIDE = 0.15
"""Joints farther outside the box than this share of its sides usually belong to another person."""
_UNKNOWN = -1.0
_SUFFIXES = (".jpg", ".jpeg", ".png")

Content = dict[str, Any]


def read_annotations(path: Path, *, pseudo: bool = True) -> Content:
    """The content of a COCO file.

    Args:
        path: The file.
        pseudo: Keep people whose boxes come from a network.

    Raises:
        DataFormatError: it cannot be read, or is not a COCO file with people.
    """
    try:
        content = json.loads(path.read_bytes())
        next(c for c in content["categories"] if c["name"] == "person")
        list(content["images"])
        kept = [each for each in content["annotations"] if pseudo or not each.get("pseudo", False)]
    except OSError as error:
        raise DataFormatError(f"cannot read {path}: {error.strerror}.") from error
    except (*MALFORMED, StopIteration) as error:
        raise DataFormatError(f"{path} is not a COCO file of people ({error!r}).") from error
    return {**content, "annotations": kept}


def load_teacher(path: Path, movenet: str | None, runtime: Runtime) -> HeatmapPoseEstimator:
    """Load a teacher.

    Args:
        path: Weights from ``posetrack train pose`` or, with ``movenet``, the publisher's.
        movenet: A key of ``posetrack.models.movenet.MOVENETS``.
        runtime: Where it runs.

    Raises:
        ConfigError: there is no such MoveNet.
        WeightsError: the file is missing, damaged or of another network.
    """
    network: PoseNetwork
    if movenet is None:
        network, architecture = load_pose_network(path)
    else:
        # Wider crops than the student's: MoveNet expects room around people.
        architecture = PoseArchitecture(
            skeleton="coco", backbone=movenet, width=192, height=256, padding=1.25, deconv_channels=()
        )
        network = load_movenet(path, movenet, [[joint] for joint in range(len(COCO))])
    return HeatmapPoseEstimator(network, architecture, PoseConfig(flip_test=True, codec="dark"), runtime)


PERSON = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(POSETRACK.joints)}
"""COCO's category of people, for annotations made here."""


def images_in(folder: Path) -> list[Path]:
    """The images of a folder that is to be labelled, by name.

    Raises:
        DataFormatError: there are none.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise DataFormatError(f"{folder} has no images ({', '.join(_SUFFIXES)}) to label.")
    return paths


def image_entry(number: int, path: Path, image: Image) -> Content:
    """COCO's entry of an image."""
    return {"id": number, "file_name": path.name, "width": image.shape[1], "height": image.shape[0]}


def detected_people(images: Path, detector: Detector, min_score: float) -> Content:
    """Boxes detected with at least ``min_score``, without joints, as annotations of a folder's images.

    Raises:
        DataFormatError: the folder has no images.
    """
    entries: list[Content] = []
    annotations: list[Content] = []
    for path in images_in(images):
        image = read_image(path)
        entry = image_entry(len(entries) + 1, path, image)
        entries.append(entry)
        boxes = detector.detect([image])[0]
        for box in from_centre(boxes.xyxy[boxes.scores >= min_score]):
            annotations.append(box_annotation(len(annotations) + 1, entry["id"], box) | {"pseudo": True})
    return {"images": entries, "annotations": annotations, "categories": [PERSON]}


def add_teacher(  # noqa: PLR0913 (what is labelled, by whom, and how)
    content: Content,
    images: Path,
    teacher: HeatmapPoseEstimator,
    *,
    views: Views | None = None,
    backgrounds: int = 0,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Content:
    """Add ``teacher_keypoints`` to annotations: x, y and score of each of the teacher's joints, in COCO's form.

    The person category lists the teacher's joint names under ``teacher_keypoints``. A score of -1 means unknown:
    the teacher saw the joint outside the box, perhaps on another person.

    Args:
        content: Content of a COCO file.
        images: Folder of its images.
        teacher: Labels everybody with a box, except crowd regions.
        views: Views of each person that the teacher's joints are averaged over. Defaults to one.
        backgrounds: Random boxes to try per image. Those that overlap no annotation, and in which the teacher sees
            nobody, are added and marked ``nobody``.
        seed: Seed of those boxes.
        progress: Called with the number of images done and the total.
    """
    random, views = np.random.default_rng(seed), views or Views()
    by_image: defaultdict[int, list[Content]] = defaultdict(list)
    for annotation in content["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    labelled: list[Content] = []
    next_id = max((annotation["id"] for annotation in content["annotations"]), default=0) + 1
    for done, entry in enumerate(content["images"], start=1):
        known = by_image[entry["id"]]
        image = read_image(images / entry["file_name"])
        people = [each for each in known if not each.get("iscrowd", 0)]
        labelled += [each for each in known if each.get("iscrowd", 0)]
        labelled += [
            {**each, "teacher_keypoints": joints}
            for each, joints in zip(
                people, _seen(image, [each["bbox"] for each in people], teacher, views), strict=True
            )
        ]
        tried = _empty_boxes([each["bbox"] for each in known], image, backgrounds, random)
        for box, joints in zip(tried, _seen(image, tried, teacher, views), strict=True):
            if max(joints[2::3]) < EMPTY_SCORE:
                corners = np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])
                nobody = box_annotation(next_id, entry["id"], corners)
                labelled.append({**nobody, "nobody": True, "iscrowd": 0})
                next_id += 1
        progress(done, len(content["images"]))
    categories = [
        {**each, "teacher_keypoints": list(teacher.skeleton.joints)} if each["name"] == "person" else each
        for each in content["categories"]
    ]
    return {**content, "annotations": labelled, "categories": categories}


def _seen(
    image: Image, boxes: Sequence[Sequence[float]], teacher: HeatmapPoseEstimator, views: Views
) -> list[list[float]]:
    """The teacher's joints in boxes (x, y, width, height; pixel edges), as COCO triples."""
    if not boxes:
        return []
    xywh = np.array(boxes, np.float32)
    corners = from_corner(np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1))
    poses = estimate_in_views(teacher, image, Boxes(corners, np.ones(len(corners), np.float32)), views)
    margin = _OUTSIDE * xywh[:, None, 2:]
    points = poses.keypoints
    inside = (points >= corners[:, None, :2] - margin) & (points <= corners[:, None, 2:] + margin)
    elsewhere = ~inside.all(axis=-1) & (poses.keypoint_scores >= EMPTY_SCORE)
    scores = np.where(elsewhere, _UNKNOWN, poses.keypoint_scores)
    triples = np.concatenate([points.round(1), scores[..., None].round(3)], axis=-1)
    return [[round(float(value), 3) for value in person.ravel()] for person in triples]


def _empty_boxes(
    taken: Sequence[Sequence[float]], image: Image, count: int, random: np.random.Generator
) -> list[list[float]]:
    """At most ``count`` random boxes, shaped like people, that overlap none of those taken."""
    height, width = image.shape[:2]
    boxes = []
    for _ in range(count):
        tall = random.uniform(0.15, 0.9) * height
        wide = min(tall * random.uniform(0.3, 1.2), width - 1)
        left, top = random.uniform(0, width - wide), random.uniform(0, height - tall)
        if not any(_overlap((left, top, wide, tall), other) for other in taken):
            boxes.append([left, top, wide, tall])
    return boxes


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(a[i] < b[i] + b[i + 2] and b[i] < a[i] + a[i + 2] for i in (0, 1))


def box_annotation(number: int, image_id: int, box: FloatArray) -> Content:
    """A COCO annotation of a person's box, float32 [4], x1 y1 x2 y2, corner convention; without joints."""
    x, y, right, bottom = (round(float(value), 1) for value in box)
    width, height = round(right - x, 1), round(bottom - y, 1)
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "bbox": [x, y, width, height],
        "area": round(width * height, 1),
        "iscrowd": 0,
        "num_keypoints": 0,
    }
