"""Training a pose network: the paper's recipe (Xiao et al., ECCV 2018, sections 2 and 4.1), and later additions.

Beyond the paper it can learn from a teacher's joints as well as the labelled ones
(``posetrack.training.teacher``), from people whom only the teacher labels, from boxes without people, and from the
hardest joints only (Chen et al., "Cascaded Pyramid Network", CVPR 2018, section 3.2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from posetrack.errors import ConfigError, DataFormatError
from posetrack.models.backbone import PersonShuffleNet, load_person_backbone
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.movenet import MoveNet, calibrate_norms, load_movenet
from posetrack.models.pose import HeatmapPoseEstimator, Normalisation
from posetrack.models.pose_weights import PoseArchitecture, PoseNetwork, load_pose_network, save_pose_network
from posetrack.models.runtime import Runtime
from posetrack.ranges import require_kinds
from posetrack.records import check_numbers
from posetrack.skeletons import COCO
from posetrack.training.loop import Batches
from posetrack.training.pose_accuracy import measure_pck
from posetrack.training.pose_augmentation import Augmentation
from posetrack.training.pose_data import PoseBatch, PoseDataset, Sample, collate
from posetrack.training.pose_losses import integral_loss, joints_mse_loss
from posetrack.training.pose_people import LabelledPerson, read_people
from posetrack.training.pose_targets import TargetSettings

_CALIBRATION_CROPS = 256


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """A COCO-keypoints file, its folder of images, and how many times an epoch uses it."""

    annotations: Path
    images: Path
    repeat: int = 1

    def __post_init__(self) -> None:
        require_kinds(self)
        check_numbers(self, repeat=(1, 10_000))


@dataclass(frozen=True, kw_only=True)
class PoseTraining:
    """Data and settings for training a pose network.

    Attributes:
        train: Training data.
        validation: Validation data; boxes are given.
        backbone: Published weights to start from: the lite backbone pretrained on people, or a whole MoveNet.
            Defaults to ``initial``, or random weights.
        initial: A pose network to start from.
        architecture: The network, with any backbone. Its convention is ``own``: crops are RGB in [0, 1].
        augmentation: Random changes to crops.
        batch_size: Crops per step.
        sigma: Standard deviation of the Gaussian targets in heatmap cells.
        later_sigmas: The same from the second epoch on, one for each; the last one stays. Coarse targets first,
            fine ones later (Li et al., "Rethinking on Multi-Stage Networks for Human Pose Estimation", 2019,
            section 3.3, there from stage to stage).
        teacher_share: Weight of the teacher in the target of a joint that is labelled too (alpha in equation 5 of
            Zhang et al., CVPR 2019, where it is 0.5).
        teacher_gain: Height of the Gaussian at a teacher's joint per unit of its score, at most 1. Best if score
            times gain is the probability that the teacher is right.
        others_height: Height of the Gaussians at other people's joints: mu of the joint-candidate loss (Li et al.,
            "CrowdPose", CVPR 2019, where it is 0.5). With 0 the network learns to suppress them.
        integral_weight: Weight of the distance in cells between joints and the heatmaps' expected positions
            (Sun et al., "Integral Human Pose Regression", ECCV 2018), beside the squared error of the heatmaps.
            For the codec ``integral``.
        unlabelled_share: Share of an epoch's samples that only the teacher labels, drawn again for every epoch.
        nobody_share: The same for boxes without people.
        hard_joints: Number of joints in a sample that count: those with the largest loss. 0 counts all.
        hard_joints_from_epoch: First epoch in which ``hard_joints`` applies.
        backbone_rate: Factor on the learning rate of the pretrained backbone.
        min_joints: Minimum number of labelled joints of a person.
        workers: Processes that prepare crops; 0 prepares them between steps.
        seed: Seed of the order and of the augmentation.
    """

    train: tuple[DataSource, ...]
    validation: DataSource
    backbone: Path | None = None
    initial: Path | None = None
    architecture: PoseArchitecture = field(default_factory=PoseArchitecture)
    augmentation: Augmentation = field(default_factory=Augmentation)
    batch_size: int = 32
    sigma: float = 2.0
    later_sigmas: tuple[float, ...] = ()
    teacher_share: float = 0.5
    teacher_gain: float = 1.0
    others_height: float = 0.0
    integral_weight: float = 0.0
    unlabelled_share: float = 0.0
    nobody_share: float = 0.0
    hard_joints: int = 0
    hard_joints_from_epoch: int = 0
    backbone_rate: float = 0.5
    min_joints: int = 4
    workers: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        require_kinds(self, "pose.")
        check_numbers(
            self, "pose.", batch_size=(1, 65_536), sigma=(0.1, 20), backbone_rate=(0, 1000), min_joints=(1, 1000),
            workers=(0, 256), seed=(0, 2**32), teacher_share=(0, 1), teacher_gain=(1e-3, 1e3),
            unlabelled_share=(0, 1), nobody_share=(0, 1), hard_joints=(0, 1000),
            hard_joints_from_epoch=(0, 1_000_000), later_sigmas=(0.1, 20), others_height=(0, 1),
            integral_weight=(0, 1000),
        )  # fmt: skip
        if not self.train:
            raise ConfigError("pose.train is empty; give at least one [[pose.train]] with annotations and images.")
        if self.unlabelled_share + self.nobody_share >= 1:
            raise ConfigError("pose.unlabelled_share and pose.nobody_share leave nothing for labelled people.")

    def targets(self, epoch: int) -> TargetSettings:
        """How targets are made in an epoch, from 0."""
        sigmas = (self.sigma, *self.later_sigmas)
        return TargetSettings(
            sigma=sigmas[min(epoch, len(sigmas) - 1)],
            teacher_share=self.teacher_share,
            teacher_gain=self.teacher_gain,
            others_height=self.others_height,
        )


class PoseTask:
    """The ``Task`` of estimating joints as heatmaps, validated by PCK."""

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
        if not any(person.human.any() for person in people):
            raise DataFormatError(f"{config.train[0].annotations} has nobody with joints to learn from.")
        _require_labels(people, config.architecture)
        validation = read_people(config.validation.annotations, config.validation.images, skeleton)
        self._validation = [person for person in validation if person.human.any()]
        if not self._validation:
            raise DataFormatError(f"{config.validation.annotations} has nobody with joints to validate on.")
        self._shares = EpochShares(people, config.unlabelled_share, config.nobody_share)
        self._dataset = PoseDataset(
            people,
            config.architecture,
            config.augmentation,
            config.targets(0),
            seed=config.seed,
        )
        self.network: nn.Module = self._initial_network().to(memory_format=torch.channels_last)

    def _initial_network(self) -> PoseNetwork:
        config, network = self._config, self._config.architecture.build()
        if config.initial is not None:
            initial, path = load_pose_network(config.initial)[0], config.initial
            try:
                network.load_state_dict(initial.state_dict())
            except RuntimeError as error:
                raise ConfigError(f"{path} is a network of another architecture than the one to train.") from error
        elif config.backbone is not None and isinstance(network, MoveNet):
            return self._published_movenet(config.backbone)
        elif config.backbone is not None:
            if not isinstance(network.backbone, PersonShuffleNet):
                raise ConfigError(
                    "backbone weights are of shufflenet_v2_x1_0 or of a MoveNet, "
                    f"not of {config.architecture.backbone}: leave `backbone` out."
                )
            network.backbone = load_person_backbone(config.backbone)
        return network

    def _published_movenet(self, path: Path) -> MoveNet:
        """The publisher's weights, batch norms ready for training, heatmaps from the most similar COCO joints."""
        architecture = self._config.architecture
        joints = [architecture.joints.joints[slot] for slot in architecture.heatmap_slots]
        network = load_movenet(path, architecture.backbone, [_coco_rows(joint) for joint in joints])
        count = min(len(self._dataset), _CALIBRATION_CROPS)
        chosen = np.linspace(0, len(self._dataset) - 1, count).astype(int)
        crops = torch.stack([self._dataset[index][0] for index in chosen.tolist()])
        calibrate_norms(network, Normalisation(CONVENTIONS[architecture.convention], torch.device("cpu"))(crops))
        return network

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The backbone at its own rate, and the new layers."""
        backbone = list(cast(PoseNetwork, self.network).backbone.parameters())
        pretrained = set(map(id, backbone))
        new = [parameter for parameter in self.network.parameters() if id(parameter) not in pretrained]
        return [{"params": backbone, "rate": self._config.backbone_rate}, {"params": new, "rate": 1.0}]

    def batches(self, epoch: int) -> Batches[PoseBatch]:
        """All labelled people once, and a random choice of the other samples, shuffled for the epoch."""
        self._dataset.epoch = epoch
        self._dataset.targets = self._config.targets(epoch)
        self._hard_joints = self._config.hard_joints if epoch >= self._config.hard_joints_from_epoch else 0
        order = self._shares.order(np.random.default_rng((self._config.seed, epoch)))
        loader: DataLoader[Sample] = DataLoader(
            cast(Dataset[Sample], self._dataset),
            batch_size=self._config.batch_size,
            sampler=order,
            collate_fn=collate,
            drop_last=len(order) > self._config.batch_size,
            num_workers=self._config.workers,
        )
        return cast(Batches[PoseBatch], loader)

    def losses(self, batch: PoseBatch) -> dict[str, Tensor]:
        """The MSE loss of the joints' heatmaps, and that of their expected positions if it has a weight."""
        device = next(self.network.parameters()).device
        normalise = Normalisation(CONVENTIONS[self._config.architecture.convention], device)
        images = normalise(batch.images.to(device)).contiguous(memory_format=torch.channels_last)
        heatmaps = self.network(images)
        targets, weights = batch.targets.to(device), batch.weights.to(device)
        losses = {"heatmap": joints_mse_loss(heatmaps, targets, weights, self._hard_joints)}
        if self._config.integral_weight:
            far = integral_loss(heatmaps, batch.points.to(device), batch.placed.to(device))
            losses["integral"] = self._config.integral_weight * far
        return losses

    def validate(self, network: nn.Module) -> dict[str, float]:
        """PCK@0.2 on the validation people, boxes given."""
        device = next(network.parameters()).device
        return measure_pck(
            HeatmapPoseEstimator(network, self._config.architecture, runtime=Runtime(device=device)),
            self._validation,
        )

    def save(self, network: nn.Module, path: Path) -> None:
        """Write the weights in the form that the pipeline loads."""
        architecture = replace(self._config.architecture, sigma_cells=self._dataset.targets.sigma)
        save_pose_network(cast(PoseNetwork, network), architecture, path)


def _require_labels(people: Sequence[LabelledPerson], architecture: PoseArchitecture) -> None:
    """Refuse to estimate joints that no data teaches: their heatmaps would be noise."""
    for slot in np.setdiff1d(architecture.filled_slots, architecture.joints.in_use).tolist():
        if not any(person.weights[slot] > 0 or person.teacher[slot, 2] >= 0 for person in people):
            raise ConfigError(
                f"architecture.fills_unused is set, but no data labels {architecture.joints.joints[slot]}: add a "
                "teacher's labels (`posetrack train label`), or leave it out."
            )


class EpochShares:
    """Chooses an epoch's samples: all labelled people, and a share of the others.

    Args:
        people: All samples.
        unlabelled: Share of people whom only the teacher labels.
        nobody: Share of boxes without people.
    """

    def __init__(self, people: Sequence[LabelledPerson], unlabelled: float, nobody: float) -> None:
        labelled = np.array([bool(person.weights.any()) for person in people])
        empty = np.array([person.nobody for person in people])
        self._labelled = np.flatnonzero(labelled & ~empty)
        self._others = (np.flatnonzero(~labelled & ~empty), np.flatnonzero(empty))
        total = len(self._labelled) / (1 - unlabelled - nobody)
        self._counts = (round(total * unlabelled), round(total * nobody))

    def order(self, rng: np.random.Generator) -> list[int]:
        """Indices of the epoch's samples, in random order."""
        drawn = [
            rng.choice(others, min(count, len(others)), replace=False)
            for others, count in zip(self._others, self._counts, strict=True)
        ]
        order: list[int] = rng.permutation(np.concatenate([self._labelled, *drawn])).tolist()
        return order


def _coco_rows(joint: str) -> list[int]:
    """COCO joints that a joint's heatmap starts from."""
    similar = {"head_bottom": ("left_shoulder", "right_shoulder"), "head_top": ("left_eye", "right_eye")}
    return [COCO.index(each) for each in similar.get(joint, (joint,))]
