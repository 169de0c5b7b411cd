"""People with joints from COCO-keypoints JSON, cut out and augmented for a pose network."""

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
"""From this score on a teacher is fairly sure of a joint."""
_CLEAR_SCORE = 0.2
"""People without labels of whom the teacher sees less, on average over the joints, teach little."""
_CROWDED_SHARE = 0.25
"""A box of which more lies in another's may show the other person."""


@dataclass(frozen=True, slots=True)
class LabelledPerson:
    """One annotated person, or a box on nobody.

    Attributes:
        image: Path of the image.
        box: float32 [4], x1 y1 x2 y2, source pixels.
        keypoints: float32 [K, 2], source pixels.
        weights: float32 [K]; 1 where the joint is labelled, 0 where it is not.
        human: bool [K]; labelled by a person, not put there by a network.
        teacher: float32 [K, 3], x and y in source pixels and score of the joints that a teacher sees; a score of
            -1 where nothing is known of what it sees.
        nobody: There is nobody in the box.
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
        """bool [K]; somebody, or a teacher that is fairly sure, says where the joint is."""
        return (self.weights > 0) | (self.teacher[:, 2] > _SEEN_SCORE)

    @property
    def points(self) -> FloatArray:
        """float32 [K, 2], the labelled joints, elsewhere those that the teacher sees."""
        return np.where(self.weights[:, None] > 0, self.keypoints, self.teacher[:, :2])


def read_people(annotations: Path, images: Path, skeleton: Skeleton, min_joints: int = 1) -> list[LabelledPerson]:
    """People with at least ``min_joints`` labelled joints, from a COCO-keypoints JSON file.

    COCO's pixel coordinates of joints are taken as pixel centres, those of boxes as pixel edges. The order of
    the joints is taken from the category's names; joints of the skeleton that the file does not have stay
    unlabelled. ``pseudo_joints`` names the joints of a person that a network put there.

    What ``posetrack.training.teacher`` adds is read too: people with a teacher's joints alone, if it sees them
    clearly and their box does not overlap another's much, as it may have looked at the other; and boxes on nobody.

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
    """bool [N]; a fair part of the box is another's too."""
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
    """Makes people of annotations.

    Args:
        skeleton: Of the people.
        names: The file's joints.
        teacher_names: The teacher's.
    """

    def __init__(self, skeleton: Skeleton, names: Sequence[str], teacher_names: Sequence[str]) -> None:
        self._skeleton = skeleton
        self._names, self._teacher_names = names, teacher_names

    def person(self, annotation: dict[str, Any], image: Path) -> LabelledPerson:
        labelled = self._triples(annotation.get("keypoints", ()), self._names, absent=0.0)
        teacher = self._triples(annotation.get("teacher_keypoints", ()), self._teacher_names, absent=-1.0)
        pseudo = np.isin(self._skeleton.joints, annotation.get("pseudo_joints", ()))
        # A network's older labels give way to the teacher's.
        weights = ((labelled[:, 2] > 0) & ~(pseudo & (teacher[:, 2] >= 0))).astype(np.float32)
        x, y, width, height = annotation["bbox"]
        box = from_corner(np.array([x, y, x + width, y + height], np.float32))
        if not (np.isfinite(box).all() and np.isfinite(labelled).all() and np.isfinite(teacher).all()):
            raise ValueError("a box or joint of which a number is not finite")
        return LabelledPerson(
            image, box, labelled[:, :2], weights, (weights > 0) & ~pseudo, teacher, bool(annotation.get("nobody"))
        )

    def _triples(self, values: Sequence[float], names: Sequence[str], *, absent: float) -> FloatArray:
        """float32 [K, 3] in the skeleton's order; joints that are not there have ``absent`` as third value."""
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
    """Samples as one batch."""
    images, targets, weights = (torch.stack(parts) for parts in zip(*samples, strict=True))
    return PoseBatch(images=images, targets=targets, weights=weights)


class PoseDataset(Dataset[Sample]):
    """Augmented crops and their target heatmaps, deterministic in seed, epoch and index.

    Images are decoded whenever a person in them is cut out, and not kept: decoding costs a few percent of a step,
    COCO's images would fill 59 GB, and every process of a ``DataLoader`` would hold its own.

    A joint beyond the crop or the picture's edge teaches that it is not to be seen; one of which nothing is known
    teaches nothing.

    Args:
        people: What to learn from.
        architecture: Input size, skeleton and convention.
        augmentation: How crops are varied.
        sigma: Of the Gaussian targets, in heatmap cells.
        teacher_share: Of the teacher in the target where a person labelled the joint as well.
        teacher_gain: Height of the Gaussian at a teacher's joint per unit of its score; at most 1 high.
        seed: Of the augmentation.
    """

    def __init__(  # noqa: PLR0913 (what is cut out, how it is varied, what is learnt of whom)
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
        # The labelled joints, then the teacher's.
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
            person: Whose.
            joints: [2, K, 2] in the crop: the labelled ones, and the teacher's.
            gone: bool [K]; beyond the edge of the picture.
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
        """Crop to source map of a randomly scaled, turned and shifted crop [1, 2, 3]."""
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
