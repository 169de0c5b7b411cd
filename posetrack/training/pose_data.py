"""People with joints from COCO-keypoints JSON, cropped and augmented for a pose network."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from posetrack.errors import DataFormatError
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.crop import box_transforms, extract_crops, to_crop, transforms_about
from posetrack.models.heatmap import gaussian_targets, input_to_heatmap
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.models.simple_baseline import HEATMAP_STRIDE
from posetrack.pixels import from_corner
from posetrack.skeletons import Skeleton
from posetrack.training.photographs import MALFORMED, read_image
from posetrack.training.pose_augmentation import (
    Augmentation,
    cut_off,
    half_body,
    hide_head,
    turn_deg,
    vary_appearance,
)
from posetrack.types import BoolArray, FloatArray

_SEEN_SCORE = 0.3
"""Minimum score of a teacher's joint that counts as known."""
_CLEAR_SCORE = 0.2
"""Minimum mean score of the teacher's joints for a person whom only the teacher labels."""
_CROWDED_SHARE = 0.25
"""A box with a larger share inside another box may show the other person."""


@dataclass(frozen=True, slots=True)
class LabelledPerson:
    """One annotated person, or a box without anybody.

    Attributes:
        image: Path of the image.
        box: float32 [4], x1 y1 x2 y2, source pixels.
        keypoints: float32 [K, 2], source pixels.
        weights: float32 [K], 1 where the joint is labelled, else 0.
        human: bool [K], the joint is labelled by a person, not by a network.
        teacher: float32 [K, 3], the teacher's joints: x and y in source pixels, and score; -1 where it is unknown.
        nobody: The box contains nobody.
    """

    image: Path
    box: FloatArray
    keypoints: FloatArray
    weights: FloatArray
    human: NDArray[np.bool_]
    teacher: FloatArray
    nobody: bool = False

    @property
    def known(self) -> BoolArray:
        """bool [K], the joint is labelled, or the teacher is fairly sure of it."""
        return (self.weights > 0) | (self.teacher[:, 2] > _SEEN_SCORE)

    @property
    def points(self) -> FloatArray:
        """float32 [K, 2], the labelled joints, or else the teacher's."""
        return np.where(self.weights[:, None] > 0, self.keypoints, self.teacher[:, :2])


def read_people(annotations: Path, images: Path, skeleton: Skeleton, min_joints: int = 1) -> list[LabelledPerson]:
    """People with at least ``min_joints`` labelled joints, from a COCO-keypoints JSON file.

    COCO's coordinates of joints are pixel centres, those of boxes pixel edges. The category's names give the order
    of the joints; joints that the file lacks stay unlabelled. ``pseudo_joints`` names a person's joints that a
    network labelled.

    It also reads what ``posetrack.training.teacher`` adds: boxes without people, and people whom only the teacher
    labels, if it sees them clearly and their box overlaps no other by much (the teacher may have seen the other).

    Raises:
        DataFormatError: the file is not COCO keypoints.
    """
    try:
        content = json.loads(annotations.read_bytes())
        category = next(c for c in content["categories"] if c["name"] == "person")
        files = {image["id"]: images / image["file_name"] for image in content["images"]}
        entries = [a for a in content["annotations"] if not a.get("iscrowd", 0)]
        crowded = _crowded(entries)
        chosen = [
            a
            for a, crowd in zip(entries, crowded, strict=True)
            if a.get("num_keypoints", 0) or a.get("nobody") or ("teacher_keypoints" in a and not crowd)
        ]
        reader = _Reader(skeleton, category["keypoints"], category.get("teacher_keypoints", ()))
        people = [reader.person(a, files[a["image_id"]]) for a in chosen]
    except OSError as error:
        raise DataFormatError(f"cannot read {annotations}: {error.strerror}.") from error
    except (*MALFORMED, StopIteration) as error:
        raise DataFormatError(f"{annotations} is not a COCO-keypoints file of people ({error!r}).") from error
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

    def _triples(self, values: Sequence[float], names: Sequence[str], *, absent: float) -> FloatArray:
        """float32 [K, 3] in the skeleton's order; the third value of missing joints is ``absent``."""
        triples = np.full((len(self._skeleton), 3), (0, 0, absent), np.float32)
        if len(values):
            points = np.asarray(values, np.float32).reshape(len(names), 3)
            for index, name in enumerate(names):
                if name in self._skeleton.joints:
                    triples[self._skeleton.index(name)] = points[index]
        return triples


@dataclass(frozen=True, kw_only=True)
class PoseBatch:
    """Crops uint8 [B, 3, H, W] RGB; targets float32 [B, J, H/4, W/4]; weights float32 [B, J]."""

    images: Tensor
    targets: Tensor
    weights: Tensor


Sample = tuple[Tensor, Tensor, Tensor]


def collate(samples: list[Sample]) -> PoseBatch:
    """Stack samples into one batch."""
    images, targets, weights = (torch.stack(parts) for parts in zip(*samples, strict=True))
    return PoseBatch(images=images, targets=targets, weights=weights)


class PoseDataset(Dataset[Sample]):
    """Augmented crops and their target heatmaps, determined by seed, epoch and index.

    Images are decoded for every crop and not kept: decoding costs a few percent of a step, COCO would fill 59 GB,
    and every process of a ``DataLoader`` would hold its own copy.

    The target of a joint outside the crop or the frame is empty; a joint without any label does not count.

    Args:
        people: The samples.
        architecture: Input size, skeleton and convention.
        augmentation: Random changes to crops.
        sigma: Standard deviation of the Gaussian targets, in heatmap cells.
        teacher_share: Weight of the teacher in the target of a joint that is labelled too.
        teacher_gain: Height of the Gaussian at a teacher's joint per unit of its score, at most 1.
        seed: Seed of the augmentation.
    """

    def __init__(  # noqa: PLR0913 (samples, their changes, their targets)
        self,
        people: list[LabelledPerson],
        architecture: PoseArchitecture,
        augmentation: Augmentation,
        sigma: float,
        *,
        teacher_share: float = 0.5,
        teacher_gain: float = 1.0,
        seed: int = 0,
    ) -> None:
        self._people = people
        self._architecture = architecture
        self._convention = CONVENTIONS[architecture.convention]
        self._augmentation = augmentation
        self._sigma = sigma
        self._teacher_share = teacher_share
        self._teacher_gain = teacher_gain
        self._seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._people)

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self._seed, self.epoch, index))
        person, skeleton, variation = self._people[index], self._architecture.joints, self._augmentation
        width, height = self._architecture.size
        transform = self._transform(person, rng)
        crop = extract_crops(read_image(person.image), transform, (width, height), self._convention)[0]
        # First the labelled joints, then the teacher's.
        joints = to_crop(np.stack([person.keypoints, person.teacher[:, :2]]), transform[[0, 0]])
        gone = np.zeros(len(skeleton), np.bool_)
        points = np.where(person.weights[:, None] > 0, joints[0], joints[1])
        if rng.random() < variation.cut:
            crop, gone = cut_off(crop, points, person.known, self._convention.border_rgb, rng)
        if rng.random() < variation.hide_head:
            crop = hide_head(crop, points, person.known, skeleton, rng)
        targets, weights = self._targets(person, joints, gone)
        if rng.random() < variation.flip:
            crop = crop[:, ::-1]
            targets = targets[skeleton.flip_permutation][..., ::-1]
            weights = weights[skeleton.flip_permutation]
        crop = vary_appearance(np.ascontiguousarray(crop), variation, rng)
        used = self._architecture.heatmap_slots
        return (
            torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1),
            torch.from_numpy(np.ascontiguousarray(targets[used])),
            torch.from_numpy(weights[used]),
        )

    def _targets(
        self, person: LabelledPerson, joints: NDArray[np.float64], gone: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        """Target heatmaps float32 [K, h, w] and weights float32 [K], in the skeleton's order.

        Args:
            person: The sample.
            joints: [2, K, 2] in the crop: labelled, and the teacher's.
            gone: bool [K], the joint lies outside the frame.
        """
        grid = tuple(side // HEATMAP_STRIDE for side in self._architecture.size)
        scores = person.teacher[:, 2]
        labelled, taught = person.weights > 0, scores >= 0
        heights = (self._teacher_gain * scores).clip(0, 1)
        teacher_share = np.where(labelled & taught, self._teacher_share, taught) * heights
        label_share = np.where(taught, 1 - self._teacher_share, 1.0) * labelled
        cells = input_to_heatmap(joints, HEATMAP_STRIDE, self._convention.grid)
        gaussians = gaussian_targets(cells, (grid[0], grid[1]), self._sigma)
        shares = np.stack([label_share, teacher_share]).astype(np.float32) * ~gone
        targets = (gaussians * shares[..., None, None]).sum(axis=0, dtype=np.float32)
        return targets, (labelled | taught | person.nobody).astype(np.float32)

    def _transform(self, person: LabelledPerson, rng: np.random.Generator) -> NDArray[np.float64]:
        """Map [1, 2, 3] from a randomly scaled, rotated and shifted crop to the source."""
        size, variation, grid = self._architecture.size, self._augmentation, self._convention.grid
        box = person.box
        if rng.random() < variation.half_body:
            box = half_body(box, person.points, person.known, self._architecture.joints, rng)
        upright = box_transforms(box[None], size, self._architecture.padding, grid)
        pixels = upright[:, 0, 0] * (1 + rng.uniform(-variation.scale, variation.scale))
        angle = np.deg2rad(turn_deg(variation, rng))
        shift = rng.uniform(-variation.shift, variation.shift, 2) * np.array(size) * pixels
        centre = (box[:2] + box[2:]) / 2.0 + shift
        return transforms_about(centre[None].astype(np.float64), pixels, np.array([angle]), size, grid)
