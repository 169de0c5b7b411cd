"""Residual networks with MMPose's other heads: SimCC's two classifications, and regression of coordinates.

Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation", ECCV 2022; Toshev,
Szegedy, "DeepPose", CVPR 2014; Li et al., "Human Pose Regression with Residual Log-likelihood Estimation" (RLE),
ICCV 2021. Layers are named as in MMPose 1.x.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from posetrack.models.pose_format import PoseFormat
from posetrack.models.resnet import RESNET_CHANNELS, RESNETS, ResNet
from posetrack.models.simple_baseline import HEATMAP_STRIDE, SimpleBaseline

SIMCC_RESNETS = tuple(f"{resnet}_simcc" for resnet in RESNETS)
"""MMPose's configurations simcc_res50 and so on, codec ``SimCCLabel``."""

REGRESSION_RESNETS = tuple(f"{resnet}_{head}" for resnet in RESNETS for head in ("regression", "rle"))
"""MMPose's configurations td-reg_res50, td-reg_res50_rle and so on, codec ``RegressionLabel``."""

_DECONV_CHANNELS = (256, 256, 256)
_TRAINING_ONLY = "head.loss_module."
"""The flow by which RLE learns what errors are likely."""


class SimCCResNet(nn.Module):
    """Two classifications per joint, of x and of y.

    Args:
        name: One of ``SIMCC_RESNETS``.
        form: Input size, joints, and bins per pixel. Sides are multiples of 32.

    ``forward`` takes float [B, 3, height, width] and returns float [B, K, width s] and [B, K, height s] for s bins
    per pixel.
    """

    def __init__(self, name: str, form: PoseFormat) -> None:
        super().__init__()
        maps = SimpleBaseline(nn.Identity(), RESNET_CHANNELS, _DECONV_CHANNELS, len(form.channels))
        cells = (form.width // HEATMAP_STRIDE) * (form.height // HEATMAP_STRIDE)
        self.backbone = ResNet(name.partition("_")[0])
        self.head = nn.Module()
        self.head.deconv_head = nn.Module()
        self.head.deconv_head.deconv_layers = maps.deconv_layers
        self.head.deconv_head.final_layer = maps.final_layer
        self.head.mlp_head_x = nn.Linear(cells, int(form.width * form.split_ratio))
        self.head.mlp_head_y = nn.Linear(cells, int(form.height * form.split_ratio))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(images)[-1]
        for layers in self.head.get_submodule("deconv_head").children():
            features = layers(features)
        maps = features.flatten(2)
        x, y = (self.head.get_submodule(f"mlp_head_{axis}")(maps) for axis in "xy")
        return x, y


class RegressionResNet(nn.Module):
    """Coordinates of joints as shares of the input's width and height.

    Args:
        name: One of ``REGRESSION_RESNETS``. Those with RLE also give standard deviations.
        form: Joints.

    ``forward`` takes float [B, 3, height, width] and returns float [B, K, 2], or [B, K, 4] with RLE.
    """

    def __init__(self, name: str, form: PoseFormat) -> None:
        super().__init__()
        self._values = values_per_joint(name)
        self.backbone = ResNet(name.partition("_")[0])
        self.head = nn.Module()
        self.head.fc = nn.Linear(RESNET_CHANNELS, self._values * len(form.channels))

    def forward(self, images: Tensor) -> Tensor:
        means = self.backbone(images)[-1].mean((2, 3))
        values: Tensor = self.head.get_submodule("fc")(means).unflatten(1, (-1, self._values))
        return torch.cat([values[..., :2], values[..., 2:].sigmoid()], -1)


def values_per_joint(name: str) -> int:
    """Values that one of ``REGRESSION_RESNETS`` gives for each joint: x and y, with RLE also their deviations."""
    return 4 if name.endswith("_rle") else 2


def regression_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a checkpoint without those that only training uses."""
    return {
        name: value
        for name, value in tensors.items()
        if not name.removeprefix("module.").startswith(_TRAINING_ONLY)
    }
