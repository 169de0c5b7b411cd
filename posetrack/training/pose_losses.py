"""Losses of pose networks."""

from __future__ import annotations

import torch
from torch import Tensor

from posetrack.models.decoding import INTEGRAL_SHARPNESS


def joints_mse_loss(heatmaps: Tensor, targets: Tensor, weights: Tensor, hard_joints: int = 0) -> Tensor:
    """Half the mean squared error of the labelled joints' heatmaps (the paper's ``JointsMSELoss``).

    Args:
        heatmaps, targets: [B, J, h, w].
        weights: [B, J]; 0 leaves a joint out.
        hard_joints: Number of joints per sample that count, those with the largest errors; 0 counts all.
    """
    errors = (heatmaps.float() - targets).square().mean(dim=(2, 3)) * weights
    if hard_joints:
        errors = errors.topk(min(hard_joints, errors.shape[1]), dim=1).values
    return 0.5 * errors.mean()


def integral_loss(heatmaps: Tensor, points: Tensor, placed: Tensor) -> Tensor:
    """Mean distance in cells, along x plus along y, from the heatmaps' expected positions to the joints.

    Sun, Xiao, Wei, Liang, Wei: "Integral Human Pose Regression", ECCV 2018, with the L1 loss that the paper found
    best; positions as the codec ``integral`` takes them.

    Args:
        heatmaps: [B, J, h, w].
        points: [B, J, 2], x and y in cells.
        placed: [B, J]; 0 leaves a joint out.
    """
    height, width = heatmaps.shape[-2:]
    mass = torch.expm1(INTEGRAL_SHARPNESS * heatmaps.float().clamp(0, 1))
    mass = mass / mass.sum(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    columns, rows = (torch.arange(side, device=heatmaps.device, dtype=mass.dtype) for side in (width, height))
    expected = torch.stack([mass.sum(dim=2) @ columns, mass.sum(dim=3) @ rows], dim=-1)
    distances = (expected - points).abs().sum(dim=-1) * placed
    return distances.sum() / placed.sum().clamp(min=1)
