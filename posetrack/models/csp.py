"""Building blocks and backbones of the CSP family: CSPDarknet (YOLOX, RTMO) and CSPNeXt (RTMDet, RTMPose).

Wang et al., "CSPNet", CVPRW 2020; Ge et al., "YOLOX", 2021; Lyu et al., "RTMDet: An Empirical Study of Designing
Real-Time Object Detectors", 2022, section 3.2: blocks with a large depthwise kernel, fewer of them, and channel
attention. Layers are named as in MMDetection and MMPose, so that their checkpoints load as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

LEVEL_STRIDES = (8, 16, 32)
"""Input pixels per cell of a backbone's three levels."""

_WIDTHS = (64, 128, 256, 512, 1024)
"""Channels of the stem and of the four stages, before they are scaled."""

_POOLINGS = (5, 9, 13)
"""Windows of the spatial pyramid pooling in the last stage."""


class CSPSize(NamedTuple):
    """Which of a family's backbones.

    Attributes:
        depth: Factor of the number of blocks in a stage.
        width: Factor of the number of channels.
        next: CSPNeXt instead of CSPDarknet.
        separable: 3x3 convolutions are depthwise ones and 1x1 ones.
    """

    depth: float
    width: float
    next: bool = True
    separable: bool = False

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the stem and of the four stages; the last three are the levels'."""
        return tuple(int(width * self.width) for width in _WIDTHS)

    def blocks(self, blocks: int) -> int:
        """Number of blocks in a layer that has ``blocks`` in the network of depth 1."""
        return max(round(blocks * self.depth), 1)

    def conv3(self, inputs: int, outputs: int, stride: int = 1) -> nn.Module:
        """A 3x3 convolution with norm and activation."""
        return (SeparableConvNorm if self.separable else ConvNorm)(inputs, outputs, 3, stride)


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, SiLU; padded so that stride 1 keeps the size."""

    def __init__(self, inputs: int, outputs: int, size: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.activate: nn.Module = nn.SiLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        activated: Tensor = self.activate(self.bn(self.conv(features)))
        return activated


class SeparableConvNorm(nn.Module):
    """A depthwise convolution and a 1x1 one, each with norm and SiLU."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise_conv = ConvNorm(inputs, inputs, size, stride, groups=inputs)
        self.pointwise_conv = ConvNorm(inputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        mixed: Tensor = self.pointwise_conv(self.depthwise_conv(features))
        return mixed


class _Block(nn.Module):
    """Two convolutions, perhaps around a shortcut: 1x1 and 3x3 (Darknet), 3x3 and depthwise 5x5 (CSPNeXt)."""

    def __init__(self, channels: int, size: CSPSize, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = size.conv3(channels, channels) if size.next else ConvNorm(channels, channels)
        self.conv2 = SeparableConvNorm(channels, channels, 5) if size.next else size.conv3(channels, channels)
        self._shortcut = shortcut

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(features))
        return out + features if self._shortcut else out


class _ChannelAttention(nn.Module):
    """Scales channels by what their means say: 1x1 convolution, hard sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)
        self.act = nn.Hardsigmoid(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        weights: Tensor = self.act(self.fc(features.mean((2, 3), keepdim=True)))
        return features * weights


class CSPLayer(nn.Module):
    """Half of the channels go through blocks, half past them; a 1x1 convolution joins them.

    Args:
        inputs, outputs: Channels.
        blocks: Number of blocks.
        size: Kind of the blocks.
        shortcut: Whether blocks add their input to their output.
        attention: Whether channels are weighted before they are joined.
    """

    def __init__(
        self, inputs: int, outputs: int, blocks: int, size: CSPSize, *, shortcut: bool, attention: bool = False
    ) -> None:
        super().__init__()
        half = outputs // 2
        self.main_conv = ConvNorm(inputs, half)
        self.short_conv = ConvNorm(inputs, half)
        self.final_conv = ConvNorm(2 * half, outputs)
        self.blocks = nn.Sequential(*(_Block(half, size, shortcut) for _ in range(blocks)))
        if attention:
            self.attention = _ChannelAttention(2 * half)
        self._attends = attention

    def forward(self, features: Tensor) -> Tensor:
        both = torch.cat([self.blocks(self.main_conv(features)), self.short_conv(features)], 1)
        joined: Tensor = self.final_conv(self.attention(both) if self._attends else both)
        return joined


class _PyramidPooling(nn.Module):
    """Maxima over windows of several sizes beside the features themselves."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, channels // 2)
        self.poolings = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in _POOLINGS)
        self.conv2 = ConvNorm(channels // 2 * (1 + len(_POOLINGS)), channels)

    def forward(self, features: Tensor) -> Tensor:
        narrow = self.conv1(features)
        wide: Tensor = self.conv2(torch.cat([narrow, *(pooling(narrow) for pooling in self.poolings)], 1))
        return wide


class _Focus(nn.Module):
    """The first convolution of CSPDarknet: of 2x2 pixels stacked as channels."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = ConvNorm(4 * 3, outputs, 3)

    def forward(self, images: Tensor) -> Tensor:
        top, bottom = images[:, :, ::2], images[:, :, 1::2]
        corners = [top[..., ::2], bottom[..., ::2], top[..., 1::2], bottom[..., 1::2]]
        focused: Tensor = self.conv(torch.cat(corners, 1))
        return focused


class CSPBackbone(nn.Module):
    """CSPDarknet or CSPNeXt.

    ``forward`` takes float [B, 3, H, W], H and W multiples of 32, and returns three levels: [B, channels[-3], H/8,
    W/8], [B, channels[-2], H/16, W/16] and [B, channels[-1], H/32, W/32].
    """

    def __init__(self, size: CSPSize) -> None:
        super().__init__()
        widths, middle = size.channels, 6 if size.next else 9
        half = widths[0] // 2
        self.stem: nn.Module = (
            nn.Sequential(ConvNorm(3, half, 3, 2), ConvNorm(half, half, 3), ConvNorm(half, widths[0], 3))
            if size.next
            else _Focus(widths[0])
        )
        self.stage1 = self._stage(size, 1, 3)
        self.stage2 = self._stage(size, 2, middle)
        self.stage3 = self._stage(size, 3, middle)
        self.stage4 = self._stage(size, 4, 3)

    @staticmethod
    def _stage(size: CSPSize, number: int, blocks: int) -> nn.Sequential:
        """Half the resolution, pooling in the last stage, blocks."""
        inputs, outputs = size.channels[number - 1 : number + 1]
        pooling = [_PyramidPooling(outputs)] if number == 4 else []
        layer = CSPLayer(
            outputs, outputs, size.blocks(blocks), size, shortcut=number < 4, attention=size.next
        )  # fmt: skip
        return nn.Sequential(size.conv3(inputs, outputs, 2), *pooling, layer)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        eighth = self.stage2(self.stage1(self.stem(images)))
        sixteenth = self.stage3(eighth)
        return eighth, sixteenth, self.stage4(sixteenth)


class CSPNeck(nn.Module):
    """A path aggregation network: levels are mixed from coarse to fine, then from fine to coarse.

    Liu et al., "Path Aggregation Network", CVPR 2018, with CSP layers, as in YOLOX and RTMDet.

    ``forward`` takes a backbone's three levels and returns three of the same sizes, of ``outputs`` channels each.
    """

    def __init__(self, size: CSPSize, outputs: int) -> None:
        super().__init__()
        widths, blocks = size.channels[-3:], size.blocks(3)
        pairs = list(zip(widths, widths[1:], strict=False))
        self.reduce_layers = nn.ModuleList(ConvNorm(coarse, fine) for fine, coarse in reversed(pairs))
        self.top_down_blocks = nn.ModuleList(
            CSPLayer(2 * fine, fine, blocks, size, shortcut=False) for fine, _ in reversed(pairs)
        )
        self.downsamples = nn.ModuleList(size.conv3(fine, fine, 2) for fine, _ in pairs)
        self.bottom_up_blocks = nn.ModuleList(
            CSPLayer(2 * fine, coarse, blocks, size, shortcut=False) for fine, coarse in pairs
        )
        self.out_convs = nn.ModuleList(
            size.conv3(width, outputs) if size.next else ConvNorm(width, outputs) for width in widths
        )

    def forward(self, levels: tuple[Tensor, Tensor, Tensor]) -> list[Tensor]:
        downwards = [levels[-1]]
        for reduce, block, fine in zip(self.reduce_layers, self.top_down_blocks, levels[-2::-1], strict=True):
            downwards[0] = reduce(downwards[0])
            wide = nn.functional.interpolate(downwards[0], scale_factor=2.0, mode="nearest")
            downwards.insert(0, block(torch.cat([wide, fine], 1)))
        upwards = [downwards[0]]
        for down, block, coarse in zip(self.downsamples, self.bottom_up_blocks, downwards[1:], strict=True):
            upwards.append(block(torch.cat([down(upwards[-1]), coarse], 1)))
        return [convolution(level) for convolution, level in zip(self.out_convs, upwards, strict=True)]


def use_darknet_norms(network: nn.Module) -> None:
    """Set the constant that YOLOX's and RTMO's batch norms add to the variance; the RTM networks use PyTorch's."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3
