"""People with joints from COCO-keypoints JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.errors import DataFormatError
from posetrack.pixels import from_corner
from posetrack.skeletons import Skeleton
from posetrack.training.photographs import MALFORMED
from posetrack.types import BoolArray, FloatArray

_SEEN_SCORE = 0.3
"""Minimum score of a teacher's joint that counts as known."""
_CLEAR_SCORE = 0.2
"""Minimum mean score of the teacher's joints for a person whom only the teacher labels."""
_CROWDED_SHARE = 0.25
"""A box with a larger share inside another box may show the other person."""


@dataclass(frozen=True, slots=True)
class LabelledPerson:
    """One annotated person, or a box without a person.

    Attributes:
        image: Path of the image.
        box: float32 [4], x1 y1 x2 y2, source pixels.
        keypoints: float32 [K, 2], source pixels.
        weights: float32 [K], 1 where the joint is labelled, else 0.
        human: bool [K], the joint is labelled by a person, not by a network.
        teacher: float32 [K, 3], the teacher's joints: x and y in source pixels, and score; -1 where it is unknown.
        nobody: The box contains nobody.
        others: float32 [M, K, 3], joints of the M other people in the image: x and y in source pixels, and how
            sure they are, from 0 (unknown) to 1 (labelled).
    """

    image: Path
    box: FloatArray
    keypoints: FloatArray
    weights: FloatArray
    human: NDArray[np.bool_]
    teacher: FloatArray
    nobody: bool = False
    others: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 3), np.float32))

    @property
    def known(self) -> BoolArray:
        """bool [K], the joint is labelled, or the teacher is fairly sure of it."""
        return (self.weights > 0) | (self.teacher[:, 2] > _SEEN_SCORE)

    @property
    def points(self) -> FloatArray:
        """float32 [K, 2], the labelled joints, or else the teacher's."""
        return np.where(self.weights[:, None] > 0, self.keypoints, self.teacher[:, :2])


def read_people(
    annotations: Path, images: Path, skeleton: Skeleton, min_joints: int = 1, leave_out: Sequence[int] = ()
) -> list[LabelledPerson]:
    """People with at least ``min_joints`` labelled joints, from a COCO-keypoints JSON file.

    COCO's coordinates of joints are pixel centres, those of boxes pixel edges. The category's names give the order
    of the joints; joints that the file lacks stay unlabelled. ``pseudo_joints`` names a person's joints that a
    network labelled.

    It also reads what ``posetrack.training.teacher`` adds: boxes without people, and people whom only the teacher
    labels, if it sees them clearly and their box overlaps no other by much (the teacher may have seen the other).

    Args:
        annotations: The file.
        images: Folder of its images.
        skeleton: Gives the order of the joints.
        min_joints: People with fewer labelled joints are left out.
        leave_out: Ids of annotations to leave out.

    Raises:
        DataFormatError: the file is not COCO keypoints, or lacks an annotation to leave out.
    """
    try:
        content = json.loads(annotations.read_bytes())
        category = next(c for c in content["categories"] if c["name"] == "person")
        files = {image["id"]: images / image["file_name"] for image in content["images"]}
        unknown = set(leave_out) - {a["id"] for a in content["annotations"]}
        entries = [a for a in content["annotations"] if not a.get("iscrowd", 0) and a["id"] not in leave_out]
        crowded = _crowded(entries)
        chosen = [
            a
            for a, crowd in zip(entries, crowded, strict=True)
            if a.get("num_keypoints", 0) or a.get("nobody") or ("teacher_keypoints" in a and not crowd)
        ]
        reader = _Reader(skeleton, category["keypoints"], category.get("teacher_keypoints", ()))
        joints = _joints_by_image(entries, reader)
        people = [
            replace(reader.person(a, files[a["image_id"]]), others=_others(a, joints[a["image_id"]]))
            for a in chosen
        ]
    except OSError as error:
        raise DataFormatError(f"cannot read {annotations}: {error.strerror}.") from error
    except (*MALFORMED, StopIteration) as error:
        raise DataFormatError(f"{annotations} is not a COCO-keypoints file of people ({error!r}).") from error
    if unknown:
        raise DataFormatError(f"{annotations} has no annotation {min(unknown)} to leave out.")
    return [
        person
        for person in people
        if person.nobody
        or (not person.human.any() and person.teacher[:, 2].clip(0).mean() >= _CLEAR_SCORE)
        or person.weights[skeleton.in_use].sum() >= min_joints
    ]


def _crowded(annotations: list[dict[str, Any]]) -> BoolArray:
    """bool [N], another box overlaps a fair share of the box."""
    crowded = np.zeros(len(annotations), np.bool_)
    by_image: defaultdict[int, list[int]] = defaultdict(list)
    for index, annotation in enumerate(annotations):
        if not annotation.get("nobody"):
            by_image[annotation["image_id"]].append(index)
    for indices in by_image.values():
        boxes = np.array([annotations[i]["bbox"] for i in indices], np.float64).reshape(-1, 4)
        low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        sides = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
        shared = sides.clip(0).prod(axis=-1)
        np.fill_diagonal(shared, 0)
        crowded[indices] = shared.max(axis=1) > _CROWDED_SHARE * boxes[:, 2:].prod(axis=1)
    return crowded


def _joints_by_image(annotations: list[dict[str, Any]], reader: _Reader) -> dict[int, dict[int, FloatArray]]:
    """Everybody's joints, float32 [K, 3], by image and annotation."""
    joints: defaultdict[int, dict[int, FloatArray]] = defaultdict(dict)
    for annotation in annotations:
        if annotation.get("num_keypoints", 0) or "teacher_keypoints" in annotation:
            joints[annotation["image_id"]][annotation["id"]] = reader.sure_joints(annotation)
    return joints


def _others(annotation: dict[str, Any], joints: dict[int, FloatArray]) -> FloatArray:
    """float32 [M, K, 3]: the joints of everybody else in the annotation's image."""
    others = [points for number, points in joints.items() if number != annotation["id"]]
    return np.stack(others) if others else np.zeros((0, 0, 3), np.float32)


class _Reader:
    """Turns annotations into people.

    Args:
        skeleton: Skeleton of the people.
        names: Joint names of the labels.
        teacher_names: Joint names of the teacher.
    """

    def __init__(self, skeleton: Skeleton, names: Sequence[str], teacher_names: Sequence[str]) -> None:
        self._skeleton = skeleton
        self._names, self._teacher_names = names, teacher_names

    def person(self, annotation: dict[str, Any], image: Path) -> LabelledPerson:
        labelled = self._triples(annotation.get("keypoints", ()), self._names, absent=0.0)
        teacher = self._triples(annotation.get("teacher_keypoints", ()), self._teacher_names, absent=-1.0)
        pseudo = np.isin(self._skeleton.joints, annotation.get("pseudo_joints", ()))
        # The teacher's joints replace older labels by a network.
        weights = ((labelled[:, 2] > 0) & ~(pseudo & (teacher[:, 2] >= 0))).astype(np.float32)
        x, y, width, height = annotation["bbox"]
        box = from_corner(np.array([x, y, x + width, y + height], np.float32))
        if not (np.isfinite(box).all() and np.isfinite(labelled).all() and np.isfinite(teacher).all()):
            raise ValueError("a number of a box or joint is not finite")
        return LabelledPerson(
            image, box, labelled[:, :2], weights, (weights > 0) & ~pseudo, teacher, bool(annotation.get("nobody"))
        )

    def sure_joints(self, annotation: dict[str, Any]) -> FloatArray:
        """float32 [K, 3], x, y and how sure: the labelled joints, or else the teacher's."""
        labelled = self._triples(annotation.get("keypoints", ()), self._names, absent=0.0)
        teacher = self._triples(annotation.get("teacher_keypoints", ()), self._teacher_names, absent=0.0)
        labelled[:, 2] = labelled[:, 2] > 0
        return np.where(labelled[:, 2:] > 0, labelled, teacher.clip((-np.inf, -np.inf, 0), (np.inf, np.inf, 1)))

    def _triples(self, values: Sequence[float], names: Sequence[str], *, absent: float) -> FloatArray:
        """float32 [K, 3] in the skeleton's order; the third value of missing joints is ``absent``."""
        triples = np.full((len(self._skeleton), 3), (0, 0, absent), np.float32)
        if len(values):
            points = np.asarray(values, np.float32).reshape(len(names), 3)
            for index, name in enumerate(names):
                if name in self._skeleton.joints:
                    triples[self._skeleton.index(name)] = points[index]
        return triples
