"""People with joints from COCO-keypoints JSON, cut out and augmented for a pose network."""

from __future__ import annotations

import json
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
from posetrack.records import check_numbers
from posetrack.skeletons import Skeleton
from posetrack.training.appearance import degrade, recolour
from posetrack.training.photographs import MALFORMED, read_image
from posetrack.types import FloatArray, Image


@dataclass(frozen=True, slots=True)
class LabelledPerson:
    """One annotated person.

    Attributes:
        image: Path of the image.
        box: float32 [4], x1 y1 x2 y2, source pixels.
        keypoints: float32 [K, 2], source pixels.
        weights: float32 [K]; 1 where the joint is labelled, 0 where it is not.
        human: bool [K]; labelled by a person, not put there by a network.
    """

    image: Path
    box: FloatArray
    keypoints: FloatArray
    weights: FloatArray
    human: NDArray[np.bool_]


def read_people(annotations: Path, images: Path, skeleton: Skeleton, min_joints: int = 1) -> list[LabelledPerson]:
    """People with at least ``min_joints`` labelled joints, from a COCO-keypoints JSON file.

    COCO's pixel coordinates of joints are taken as pixel centres, those of boxes as pixel edges. The order of
    the joints is taken from the category's names; joints of the skeleton that the file does not have stay
    unlabelled. ``pseudo_joints`` names the joints of a person that a network put there.

    Raises:
        DataFormatError: the file is not COCO keypoints.
    """
    try:
        content = json.loads(annotations.read_bytes())
        names = next(c["keypoints"] for c in content["categories"] if c["name"] == "person")
        files = {image["id"]: images / image["file_name"] for image in content["images"]}
        labelled = [a for a in content["annotations"] if a.get("num_keypoints", 0) and not a.get("iscrowd", 0)]
        slots = {index: skeleton.index(name) for index, name in enumerate(names) if name in skeleton.joints}
        people = [_person(a, files[a["image_id"]], names, slots, skeleton) for a in labelled]
    except OSError as error:
        raise DataFormatError(f"cannot read {annotations}: {error.strerror}.") from error
    except (*MALFORMED, StopIteration) as error:
        raise DataFormatError(f"{annotations} is not a COCO-keypoints file of people ({error!r}).") from error
    return [person for person in people if person.weights[skeleton.in_use].sum() >= min_joints]


def _person(
    annotation: dict[str, Any], image: Path, names: list[str], slots: dict[int, int], skeleton: Skeleton
) -> LabelledPerson:
    points = np.asarray(annotation["keypoints"], np.float32).reshape(len(names), 3)
    source, target = list(slots.keys()), list(slots.values())
    keypoints = np.zeros((len(skeleton), 2), np.float32)
    weights = np.zeros(len(skeleton), np.float32)
    keypoints[target], weights[target] = points[source, :2], points[source, 2] > 0
    pseudo = set(annotation.get("pseudo_joints", ()))
    human = (weights > 0) & np.array([joint not in pseudo for joint in skeleton.joints])
    x, y, width, height = annotation["bbox"]
    box = from_corner(np.array([x, y, x + width, y + height], np.float64)).astype(np.float32)
    if not (np.isfinite(box).all() and np.isfinite(keypoints).all()):
        raise ValueError("a box or joint of which a number is not finite")
    return LabelledPerson(image, box, keypoints, weights, human)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How a person's crop is varied (Xiao et al., section 4.1: scale 30 %, rotation 40 degrees, flip).

    Attributes:
        scale: Largest relative change of size.
        rotation_deg: Largest turn.
        shift: Largest shift, as a share of the crop's sides: detectors' boxes are not centred.
        flip: Probability of mirroring.
        recolour: Vary exposure, contrast and white balance.
        grey: Probability of a picture without colours.
        degrade: Probability of a blur, and of JPEG artefacts.
        occlude: Probability that a rectangle is painted over a part of the crop.
    """

    scale: float = 0.3
    rotation_deg: float = 40.0
    shift: float = 0.04
    flip: float = 0.5
    recolour: bool = True
    grey: float = 0.05
    degrade: float = 0.1
    occlude: float = 0.0

    def __post_init__(self) -> None:
        check_numbers(
            self, "augmentation.", scale=(0, 0.9), rotation_deg=(0, 180), shift=(0, 1),
            flip=(0, 1), grey=(0, 1), degrade=(0, 1), occlude=(0, 1),
        )  # fmt: skip


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

    Args:
        people: What to learn from.
        architecture: Input size, skeleton and convention.
        augmentation: How crops are varied.
        sigma: Of the Gaussian targets, in heatmap cells.
        seed: Of the augmentation.
    """

    def __init__(
        self,
        people: list[LabelledPerson],
        architecture: PoseArchitecture,
        augmentation: Augmentation,
        sigma: float,
        seed: int,
    ) -> None:
        self._people = people
        self._architecture = architecture
        self._convention = CONVENTIONS[architecture.convention]
        self._augmentation = augmentation
        self._sigma = sigma
        self._seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._people)

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self._seed, self.epoch, index))
        person, skeleton = self._people[index], self._architecture.joints
        width, height = self._architecture.size
        transform = self._transform(person, rng)
        crop = extract_crops(read_image(person.image), transform, (width, height), self._convention)[0]
        joints = to_crop(person.keypoints[None], transform)[0]
        weights = person.weights
        if rng.random() < self._augmentation.flip:
            crop = crop[:, ::-1]
            joints = np.stack([width - 1 - joints[:, 0], joints[:, 1]], axis=-1)[skeleton.flip_permutation]
            weights = weights[skeleton.flip_permutation]
        crop = _varied(np.ascontiguousarray(crop), self._augmentation, rng)
        used = self._architecture.heatmap_slots
        cells = input_to_heatmap(joints[used], HEATMAP_STRIDE, self._convention.grid)
        grid = (width // HEATMAP_STRIDE, height // HEATMAP_STRIDE)
        inside = ((cells > -0.5) & (cells < np.array(grid) - 0.5)).all(axis=-1)
        targets = gaussian_targets(cells, grid, self._sigma)
        return (
            torch.from_numpy(crop).permute(2, 0, 1),
            torch.from_numpy(targets),
            torch.from_numpy((weights[used] * inside).astype(np.float32)),
        )

    def _transform(self, person: LabelledPerson, rng: np.random.Generator) -> NDArray[np.float64]:
        """Crop to source map of a randomly scaled, turned and shifted crop [1, 2, 3]."""
        size, variation, grid = self._architecture.size, self._augmentation, self._convention.grid
        upright = box_transforms(person.box[None], size, self._architecture.padding, grid)
        pixels = upright[:, 0, 0] * (1 + rng.uniform(-variation.scale, variation.scale))
        angle = np.deg2rad(rng.uniform(-variation.rotation_deg, variation.rotation_deg))
        shift = rng.uniform(-variation.shift, variation.shift, 2) * np.array(size) * pixels
        centre = (person.box[:2] + person.box[2:]) / 2.0 + shift
        return transforms_about(centre[None].astype(np.float64), pixels, np.array([angle]), size, grid)


def _varied(crop: Image, variation: Augmentation, rng: np.random.Generator) -> Image:
    """The crop in other light, from another camera and, perhaps, with something before it."""
    height, width = crop.shape[:2]
    if variation.recolour:
        crop = recolour(crop, variation.grey, rng)
    crop = degrade(crop, variation.degrade, rng)
    if rng.random() < variation.occlude:
        sides = rng.uniform(0.1, 0.4, 2) * (width, height)
        left, top = (rng.uniform(0, (width, height)) - sides / 2).astype(int).clip(0)
        crop[top : top + int(sides[1]), left : left + int(sides[0])] = rng.integers(0, 256, 3)
    return crop
