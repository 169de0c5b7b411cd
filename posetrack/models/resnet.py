"""Residual networks (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016) as backbones."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import resnet50, resnet101, resnet152

RESNETS = {"resnet50": resnet50, "resnet101": resnet101, "resnet152": resnet152}
"""torchvision's builders by name."""

RESNET_CHANNELS = 2048
"""Channels of the last feature level."""


class ResNet(nn.Module):
    """torchvision's residual network without its average pooling and ``fc``.

    A bottleneck that halves the resolution does so in its 3x3 convolution, as in the official PyTorch pose
    networks and in MMPose's ``style="pytorch"``. Layers are named as there.

    ``forward`` takes float [B, 3, H, W], normalised, and returns one level [B, 2048, H/32, W/32] (sizes rounded
    up).

    Args:
        name: A key of ``RESNETS``.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        network = RESNETS[name](weights=None)
        self.conv1 = network.conv1
        self.bn1 = network.bn1
        self.relu = network.relu
        self.maxpool = network.maxpool
        self.layer1 = network.layer1
        self.layer2 = network.layer2
        self.layer3 = network.layer3
        self.layer4 = network.layer4

    def forward(self, images: Tensor) -> tuple[Tensor]:
        quarter = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return (self.layer4(self.layer3(self.layer2(self.layer1(quarter)))),)
