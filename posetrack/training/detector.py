"""Training a person detector: Faster R-CNN on mosaics of photographs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN

from posetrack.errors import ConfigError, DataFormatError, WeightsError
from posetrack.models.backbone import PersonShuffleNet, load_person_backbone
from posetrack.models.detector import DetectorConfig, PersonDetector
from posetrack.models.detector_weights import read_detector, save_detector
from posetrack.models.faster_rcnn import DetectorArchitecture, build_detector
from posetrack.models.runtime import Runtime
from posetrack.ranges import require_kinds
from posetrack.records import check_numbers
from posetrack.training.detection_accuracy import accuracy, find
from posetrack.training.detector_data import CANVAS_SIDES, SceneBatch, SceneBatches, SceneConfig
from posetrack.training.detector_losses import DetectorLosses
from posetrack.training.photographs import read_photographs
from posetrack.training.pose import DataSource

BACKBONE_PARTS = ("conv1", "stage2", "stage3", "stage4")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorTraining:
    """Data and settings for training a detector.

    Attributes:
        train: Training data, as COCO-keypoints files.
        validation: Validation data.
        backbone: Weights of the backbone pretrained on people. Defaults to those of ``initial``, or random ones.
        initial: A detector of the same architecture to start from.
        architecture: The network.
        scenes: How training images are composed.
        late_canvases: (height, width) of the scenes from epoch ``late_from_epoch`` on. Empty keeps the scenes'
        own.
        late_from_epoch: Epoch, from 0.
        score_threshold: Minimum score of a box in validation.
        batch_size: Scenes per step.
        frozen: Parts of the backbone that are not trained.
        backbone_rate: Factor on the learning rate for the rest of the backbone.
        seed: Seed of the scenes and of the sampling of anchors and proposals.
    """

    train: tuple[DataSource, ...]
    validation: DataSource
    backbone: Path | None = None
    initial: Path | None = None
    architecture: DetectorArchitecture = field(default_factory=DetectorArchitecture)
    scenes: SceneConfig = field(default_factory=SceneConfig)
    late_canvases: tuple[tuple[int, int], ...] = ()
    late_from_epoch: int = 0
    score_threshold: float = 0.5
    batch_size: int = 8
    frozen: tuple[str, ...] = ("conv1", "stage2")
    backbone_rate: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        require_kinds(self, "detector.")
        check_numbers(
            self, "detector.", late_canvases=CANVAS_SIDES, late_from_epoch=(0, 10**6), score_threshold=(0, 1),
            batch_size=(1, 65_536), backbone_rate=(0, 1000), seed=(0, 2**32),
        )  # fmt: skip
        if not self.train:
            raise ConfigError("detector.train is empty; give at least one [[detector.train]].")
        if not set(self.frozen) <= set(BACKBONE_PARTS):
            raise ConfigError(f"detector.frozen is {list(self.frozen)}; choose from {', '.join(BACKBONE_PARTS)}.")


class DetectorTask:
    """The ``Task`` of detecting people, validated by recall and false boxes."""

    score = "recall@0.5"

    def __init__(self, config: DetectorTraining) -> None:
        self._config = config
        self._photographs = [
            photograph
            for source in config.train
            for photograph in read_photographs(source.annotations, source.images) * source.repeat
        ]
        if not self._photographs:
            raise DataFormatError(f"{config.train[0].annotations} has no images to learn from.")
        self._validation = read_photographs(config.validation.annotations, config.validation.images)
        if not self._validation:
            raise DataFormatError(f"{config.validation.annotations} has no images to validate on.")
        self._network = self._initial_network()
        for part in config.frozen:
            self._body.get_submodule(part).requires_grad_(False)
        self._losses = DetectorLosses(self._network)
        self.network: nn.Module = self._network

    @property
    def _body(self) -> PersonShuffleNet:
        return cast(PersonShuffleNet, self._network.backbone.body)

    def _initial_network(self) -> FasterRCNN:
        config = self._config
        if config.initial is None:
            body = None if config.backbone is None else load_person_backbone(config.backbone)
            return build_detector(config.architecture, body)
        network, architecture = read_detector(config.initial)
        if architecture != config.architecture:
            raise WeightsError(f"{config.initial} has another architecture than this configuration.")
        return network

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The backbone at a lower rate than the new layers."""
        old = {parameter for parameter in self._body.parameters() if parameter.requires_grad}
        new = [parameter for parameter in self._network.parameters() if parameter.requires_grad]
        return [
            {"params": [parameter for parameter in new if parameter in old], "rate": self._config.backbone_rate},
            {"params": [parameter for parameter in new if parameter not in old], "rate": 1.0},
        ]

    def batches(self, epoch: int) -> SceneBatches:
        """As many random scenes as there are photographs."""
        config = self._config
        scenes = config.scenes
        if config.late_canvases and epoch >= config.late_from_epoch:
            scenes = replace(scenes, canvases=config.late_canvases)
        return SceneBatches(self._photographs, scenes, config.batch_size, (config.seed, epoch))

    def losses(self, batch: SceneBatch) -> dict[str, Tensor]:
        """The four losses. Batch norms keep their statistics, since batches are small."""
        for module in self._network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        with torch.random.fork_rng():
            torch.manual_seed(batch.seed)
            losses: dict[str, Tensor] = self._losses(batch)
        return losses

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Recall and false boxes at the configuration's score threshold."""
        config = DetectorConfig(score_threshold=self._config.score_threshold)
        device = next(network.parameters()).device
        detector = PersonDetector(cast(FasterRCNN, network), config, Runtime(device=device))
        return accuracy(find(detector, self._validation))

    def save(self, network: nn.Module, path: Path) -> None:
        """Write the weights in the form that the pipeline loads."""
        save_detector(cast(FasterRCNN, network), self._config.architecture, path)
