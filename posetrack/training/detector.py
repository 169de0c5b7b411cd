"""Training of the person detector: Faster R-CNN's losses (Ren et al., NeurIPS 2015) with regions to ignore."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork

from posetrack.models.detector import PERSON
from posetrack.training.detector_data import Scene

BACKGROUND, IGNORED = 0, -1


def _within(boxes: Tensor, regions: Tensor) -> Tensor:
    """bool [N]: more than half of the box [N, 4] lies within one of the regions [M, 4]."""
    if not len(regions):
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    start = torch.maximum(boxes[:, None, :2], regions[None, :, :2])
    stop = torch.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    common = (stop - start).clamp(min=0).prod(dim=2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    return (common > area[:, None] / 2).any(dim=1)


class _Proposals(RegionProposalNetwork):
    """Anchors in ignored regions are no background."""

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        labels, matched = super().assign_targets_to_anchors(anchors, targets)
        for label, boxes, target in zip(labels, anchors, targets, strict=True):
            label[(label == BACKGROUND) & _within(boxes, target["ignored"])] = IGNORED
        return labels, matched


class _Heads(RoIHeads):
    """Proposals in ignored regions are no background."""

    def check_targets(self, targets: list[dict[str, Tensor]] | None) -> None:
        """Targets come from this module alone."""

    def select_training_samples(self, proposals: list[Tensor], targets: list[dict[str, Tensor]]) -> Any:
        self._regions = [target["ignored"] for target in targets]
        return super().select_training_samples(proposals, targets)

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        matched, labels = super().assign_targets_to_proposals(proposals, gt_boxes, gt_labels)
        for label, boxes, regions in zip(labels, proposals, self._regions, strict=True):
            label[(label == BACKGROUND) & _within(boxes, regions)] = IGNORED
        return matched, labels


class DetectorLosses(nn.Module):
    """The four losses of Faster R-CNN over a network's own parts."""

    def __init__(self, network: FasterRCNN) -> None:
        super().__init__()
        self.network = network
        keep = dict.fromkeys(("training", "testing"), 250)
        self.proposals = _Proposals(
            network.rpn.anchor_generator, network.rpn.head, 0.6, 0.35, 96, 0.5,
            dict.fromkeys(("training", "testing"), 500), keep, 0.7,
        )
        self.heads = _Heads(
            network.roi_heads.box_roi_pool, network.roi_heads.box_head, network.roi_heads.box_predictor,
            0.5, 0.5, 64, 0.25, None, 0.05, 0.5, 100,
        )

    def forward(self, images: Tensor, scenes: Sequence[Scene]) -> dict[str, Tensor]:
        targets = [
            {
                "boxes": torch.from_numpy(scene.boxes),
                "labels": torch.full((len(scene.boxes),), PERSON),
                "ignored": torch.from_numpy(scene.ignored),
            }
            for scene in scenes
        ]
        size = (images.shape[2], images.shape[3])
        batch = ImageList(images, [size] * len(images))
        features = self.network.backbone(images)
        proposals, first = self.proposals(batch, features, targets)
        _, second = self.heads(features, proposals, batch.image_sizes, targets)
        return {**first, **second}
