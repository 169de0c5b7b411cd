"""Learning a pose network: the paper's recipe (Xiao et al., ECCV 2018, sections 2 and 4.1)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from posetrack.errors import ConfigError, DataFormatError
from posetrack.models.backbone import PersonShuffleNet, load_person_backbone
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.pose import HeatmapPoseEstimator, Normalisation
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network, save_pose_network
from posetrack.models.runtime import Runtime
from posetrack.models.simple_baseline import SimpleBaseline
from posetrack.records import check_numbers
from posetrack.training.loop import Batches
from posetrack.training.pck import pck
from posetrack.training.photographs import read_image
from posetrack.training.pose_data import (
    Augmentation,
    LabelledPerson,
    PoseBatch,
    PoseDataset,
    Sample,
    collate,
    read_people,
)
from posetrack.types import Boxes


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """A COCO-keypoints file, its folder of images, and how often an epoch goes through it."""

    annotations: Path
    images: Path
    repeat: int = 1

    def __post_init__(self) -> None:
        check_numbers(self, repeat=(1, 10_000))


@dataclass(frozen=True, kw_only=True)
class PoseTraining:
    """What a pose network learns from and how.

    Attributes:
        train: Data to learn from.
        validation: Data to validate on: people with given boxes.
        backbone: Weights of the person-pretrained lite backbone; None starts from ``initial`` or from nothing.
        initial: A pose network to go on from.
        architecture: The network, of any backbone. Its convention is ``own``: crops are RGB in [0, 1].
        augmentation: How crops are varied.
        batch_size: Crops per step.
        sigma: Of the Gaussian targets in heatmap cells.
        backbone_rate: Factor on the learning rate of the pretrained backbone.
        min_joints: People with fewer labelled joints are left out.
        workers: Processes that prepare crops; 0 prepares them between the steps.
        seed: Of the order and the augmentation.
    """

    train: tuple[DataSource, ...]
    validation: DataSource
    backbone: Path | None = None
    initial: Path | None = None
    architecture: PoseArchitecture = field(default_factory=PoseArchitecture)
    augmentation: Augmentation = field(default_factory=Augmentation)
    batch_size: int = 32
    sigma: float = 2.0
    backbone_rate: float = 0.5
    min_joints: int = 4
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check_numbers(
            self, "pose.", batch_size=(1, 65_536), sigma=(0.1, 20), backbone_rate=(0, 1000), min_joints=(1, 1000),
            workers=(0, 256), seed=(0, 2**32),
        )  # fmt: skip
        if not self.train:
            raise ConfigError("pose.train is empty; give at least one [[pose.train]] with annotations and images.")


def joints_mse_loss(heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Half the mean squared error over cells, labelled joints only (the paper's ``JointsMSELoss``).

    Args:
        heatmaps, targets: [B, J, h, w].
        weights: [B, J]; 0 leaves a joint out.
    """
    errors = (heatmaps.float() - targets).square().mean(dim=(2, 3))
    return 0.5 * (errors * weights).mean()


class PoseTask:
    """A ``Task``: heatmaps of people's joints, validated by PCK."""

    score = "PCK@0.2"

    def __init__(self, config: PoseTraining) -> None:
        self._config = config
        skeleton = config.architecture.joints
        people = [
            person
            for source in config.train
            for person in read_people(source.annotations, source.images, skeleton, config.min_joints)
            * source.repeat
        ]
        if not people:
            raise DataFormatError(f"{config.train[0].annotations} has nobody with joints to learn from.")
        self._validation = read_people(config.validation.annotations, config.validation.images, skeleton)
        if not self._validation:
            raise DataFormatError(f"{config.validation.annotations} has nobody with joints to validate on.")
        self._dataset = PoseDataset(people, config.architecture, config.augmentation, config.sigma, config.seed)
        self.network: nn.Module = self._initial_network()

    def _initial_network(self) -> SimpleBaseline:
        network = self._config.architecture.build()
        if self._config.initial is not None:
            initial, path = load_pose_network(self._config.initial)[0], self._config.initial
            try:
                network.load_state_dict(initial.state_dict())
            except RuntimeError as error:
                raise ConfigError(f"{path} is a network of another architecture than the one to train.") from error
        elif self._config.backbone is not None:
            if not isinstance(network.backbone, PersonShuffleNet):
                name = self._config.architecture.backbone
                raise ConfigError(
                    f"backbone weights are of shufflenet_v2_x1_0, not of {name}: leave `backbone` out."
                )
            network.backbone = load_person_backbone(self._config.backbone)
        return network.to(memory_format=torch.channels_last)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The backbone learns more slowly than the new layers."""
        network = cast(SimpleBaseline, self.network)
        new = [*network.deconv_layers.parameters(), *network.final_layer.parameters()]
        return [
            {"params": list(network.backbone.parameters()), "rate": self._config.backbone_rate},
            {"params": new, "rate": 1.0},
        ]

    def batches(self, epoch: int) -> Batches[PoseBatch]:
        """All people once, in an order of the epoch's own."""
        self._dataset.epoch = epoch
        order = torch.Generator().manual_seed(self._config.seed * 100_003 + epoch)
        loader: DataLoader[Sample] = DataLoader(
            cast(Dataset[Sample], self._dataset),
            batch_size=self._config.batch_size,
            sampler=RandomSampler(self._dataset, generator=order),
            collate_fn=collate,
            drop_last=len(self._dataset) > self._config.batch_size,
            num_workers=self._config.workers,
        )
        return cast(Batches[PoseBatch], loader)

    def losses(self, batch: PoseBatch) -> dict[str, Tensor]:
        """The joints' MSE loss."""
        device = next(self.network.parameters()).device
        normalise = Normalisation(CONVENTIONS[self._config.architecture.convention], device)
        images = normalise(batch.images.to(device)).contiguous(memory_format=torch.channels_last)
        heatmaps = self.network(images)
        return {"heatmap": joints_mse_loss(heatmaps, batch.targets.to(device), batch.weights.to(device))}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """PCK@0.2 on the validation people, boxes given."""
        device = next(network.parameters()).device
        return measure_pck(
            HeatmapPoseEstimator(network, self._config.architecture, runtime=Runtime(device=device)),
            self._validation,
        )

    def save(self, network: nn.Module, path: Path) -> None:
        """Write the network as the pipeline loads it."""
        architecture = replace(self._config.architecture, sigma_cells=self._config.sigma)
        save_pose_network(cast(SimpleBaseline, network), architecture, path)


def measure_pck(estimator: HeatmapPoseEstimator, people: list[LabelledPerson]) -> dict[str, float]:
    """PCK@0.2 of an estimator on labelled people, boxes given; joints that a network labelled do not count.

    NaN if there is nobody to count.
    """
    by_image: defaultdict[Path, list[int]] = defaultdict(list)
    for index, person in enumerate(people):
        by_image[person.image].append(index)
    slots = len(estimator.skeleton)
    truth = np.array([person.keypoints for person in people], np.float32).reshape(-1, slots, 2)
    human = np.array([person.human for person in people], np.bool_).reshape(-1, slots)
    predicted = np.zeros_like(truth)
    for path, indices in by_image.items():
        image = read_image(path)
        boxes = Boxes(np.stack([people[i].box for i in indices]), np.ones(len(indices), np.float32))
        predicted[indices] = estimator.estimate(image, boxes).keypoints
    return pck(predicted, truth, human, estimator.skeleton)
