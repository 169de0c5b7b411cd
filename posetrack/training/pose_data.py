"""Crops of people, augmented, with their targets, for a pose network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from posetrack.models.conventions import CONVENTIONS
from posetrack.models.crop import box_transforms, extract_crops, to_crop, transforms_about
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.training.pasting import MIN_JOINTS, paste_beside
from posetrack.training.photographs import read_image
from posetrack.training.pose_augmentation import (
    Augmentation,
    cut_off,
    half_body,
    hide_head,
    turn_deg,
    vary_appearance,
)
from posetrack.training.pose_people import LabelledPerson
from posetrack.training.pose_targets import CropJoints, TargetSettings, make_targets
from posetrack.types import Image


@dataclass(frozen=True, kw_only=True)
class PoseBatch:
    """A batch of crops for a network with J heatmaps.

    Attributes:
        images: uint8 [B, 3, H, W] RGB.
        targets: float32 [B, J, H/4, W/4].
        weights: float32 [B, J], 0 leaves a joint out.
        points: float32 [B, J, 2], the joints in heatmap cells.
        placed: float32 [B, J], 1 if the joint is known to lie at its point.
    """

    images: Tensor
    targets: Tensor
    weights: Tensor
    points: Tensor
    placed: Tensor


Sample = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def collate(samples: list[Sample]) -> PoseBatch:
    """Stack samples into one batch."""
    images, targets, weights, points, placed = (torch.stack(parts) for parts in zip(*samples, strict=True))
    return PoseBatch(images=images, targets=targets, weights=weights, points=points, placed=placed)


class PoseDataset(Dataset[Sample]):
    """Augmented crops and their target heatmaps, determined by seed, epoch and index.

    Images are decoded for every crop and not kept: decoding costs a few percent of a step, COCO would fill 59 GB,
    and every process of a ``DataLoader`` would hold its own copy.

    Args:
        people: The samples.
        architecture: Input size, skeleton and convention.
        augmentation: Random changes to crops.
        targets: How targets are made.
        seed: Seed of the augmentation.

    Attributes:
        epoch: Of the samples, from 0.
        targets: May change from epoch to epoch.
    """

    def __init__(
        self,
        people: list[LabelledPerson],
        architecture: PoseArchitecture,
        augmentation: Augmentation,
        targets: TargetSettings,
        *,
        seed: int = 0,
    ) -> None:
        self._people = people
        self._donors = [each for each in people if (each.weights > 0).sum() >= MIN_JOINTS]
        self._architecture = architecture
        self._convention = CONVENTIONS[architecture.convention]
        self._augmentation = augmentation
        self._seed = seed
        self.targets = targets
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._people)

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self._seed, self.epoch, index))
        person, skeleton, variation = self._people[index], self._architecture.joints, self._augmentation
        size, transform = self._architecture.size, self._transform(person, rng)
        crop = extract_crops(read_image(person.image), transform, size, self._convention)[0]
        crop, joints = self._changed(crop, person, transform, rng)
        targets = make_targets(person, joints, size, self._convention.grid, self.targets)
        if rng.random() < variation.flip:
            crop = crop[:, ::-1]
            targets = targets.mirrored(skeleton.flip_permutation)
        crop = vary_appearance(np.ascontiguousarray(crop), variation, rng)
        used = self._architecture.heatmap_slots
        chosen = (targets.heatmaps, targets.weights, targets.points, targets.placed)
        heatmaps, weights, points, placed = (torch.from_numpy(np.ascontiguousarray(each[used])) for each in chosen)
        image = torch.from_numpy(np.ascontiguousarray(crop)).permute(2, 0, 1)
        return image, heatmaps, weights, points, placed

    def _changed(
        self, crop: Image, person: LabelledPerson, transform: NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[Image, CropJoints]:
        """The crop with another person pasted, the frame's edge, and a hidden head; and where joints lie in it."""
        variation, skeleton = self._augmentation, self._architecture.joints
        labelled, teacher = to_crop(np.stack([person.keypoints, person.teacher[:, :2]]), transform[[0, 0]])
        points = np.where(person.weights[:, None] > 0, labelled, teacher)
        others = np.zeros((0, len(skeleton), 3))
        if len(person.others):
            places = to_crop(person.others[..., :2], np.repeat(transform, len(person.others), axis=0))
            others = np.concatenate([places, person.others[..., 2:]], axis=2)
        if variation.paste and self._donors and rng.random() < variation.paste:
            donor = self._donors[int(rng.integers(len(self._donors)))]
            crop, pasted = paste_beside(crop, points, person.known, donor, rng)
            others = np.concatenate([others, pasted[None]])
        everybody = np.concatenate([points, others[..., :2].reshape(-1, 2)])
        gone = np.zeros(len(everybody), np.bool_)
        if rng.random() < variation.cut:
            known = np.pad(person.known, (0, len(everybody) - len(points)))
            crop, gone = cut_off(crop, everybody, known, self._convention.border_rgb, rng)
        if rng.random() < variation.hide_head:
            crop = hide_head(crop, points, person.known, skeleton, rng)
        others[..., 2] *= ~gone[len(points) :].reshape(others.shape[:2])
        return crop, CropJoints(labelled, teacher, gone[: len(points)], others)

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
