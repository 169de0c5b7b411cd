"""Faster R-CNN's losses (Ren et al., NeurIPS 2015) with regions to ignore."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork

from posetrack.models.faster_rcnn import PERSON
from posetrack.training.detector_data import SceneBatch

BACKGROUND, IGNORED = 0, -1


def _within(boxes: Tensor, regions: Tensor) -> Tensor:
    """bool [N]: more than half of the box ([N, 4]) lies in one of the regions [M, 4]."""
    if not len(regions):
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    start = torch.maximum(boxes[:, None, :2], regions[None, :, :2])
    stop = torch.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    common = (stop - start).clamp(min=0).prod(dim=2)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    return (common > area[:, None] / 2).any(dim=1)


class _Proposals(RegionProposalNetwork):  # type: ignore[misc]  # torchvision has no types
    """Does not take anchors in ignored regions for background."""

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        labels, matched = super().assign_targets_to_anchors(anchors, targets)
        for label, boxes, target in zip(labels, anchors, targets, strict=True):
            label[(label == BACKGROUND) & _within(boxes, target["ignored"])] = IGNORED
        return labels, matched


class _Heads(RoIHeads):  # type: ignore[misc]  # torchvision has no types
    """Does not take proposals in ignored regions for background."""

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
    """The four losses of Faster R-CNN, on a network's own parts."""

    def __init__(self, network: FasterRCNN) -> None:
        super().__init__()
        self.network = network
        self.proposals = _Proposals(
            network.rpn.anchor_generator,
            network.rpn.head,
            fg_iou_thresh=0.6,
            bg_iou_thresh=0.35,
            batch_size_per_image=96,
            positive_fraction=0.5,
            pre_nms_top_n={"training": 500, "testing": 500},
            post_nms_top_n={"training": 250, "testing": 250},
            nms_thresh=0.7,
        )
        self.heads = _Heads(
            network.roi_heads.box_roi_pool,
            network.roi_heads.box_head,
            network.roi_heads.box_predictor,
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=64,
            positive_fraction=0.25,
            bbox_reg_weights=None,
            score_thresh=network.roi_heads.score_thresh,
            nms_thresh=network.roi_heads.nms_thresh,
            detections_per_img=network.roi_heads.detections_per_img,
        )

    def forward(self, batch: SceneBatch) -> dict[str, Tensor]:
        """Losses of the region proposals (objectness, box) and of the box head (class, box)."""
        device = next(self.network.parameters()).device
        images = batch.images.to(device).float() / 255
        targets = [
            {
                "boxes": torch.from_numpy(scene.boxes).to(device),
                "labels": torch.full((len(scene.boxes),), PERSON, device=device),
                "ignored": torch.from_numpy(scene.ignored).to(device),
            }
            for scene in batch.scenes
        ]
        sizes = [(images.shape[2], images.shape[3])] * len(images)
        features = self.network.backbone(images)
        proposals, of_proposals = self.proposals(ImageList(images, sizes), features, targets)
        _, of_boxes = self.heads(features, proposals, sizes, targets)
        losses = {**of_proposals, **of_boxes}
        return {name.removeprefix("loss_"): value for name, value in losses.items()}
