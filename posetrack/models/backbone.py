"""A small backbone pretrained on people: ShuffleNetV2 1.0x (Ma et al., ECCV 2018), three feature levels."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import shufflenet_v2_x1_0

from posetrack.models.checkpoint_reading import read_safetensors
from posetrack.models.loading import load_weights

STAGE_CHANNELS = (116, 232, 464)
"""Channels of the three feature levels, at strides 8, 16 and 32."""

_MEAN_BGR = (103.53, 116.28, 123.675)
_SCALE_BGR = (0.017429, 0.017507, 0.017125)


def _leaky(module: nn.Module) -> None:
    """Replace every ReLU in ``module`` with LeakyReLU(0.1), which the weights were trained with."""
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, nn.LeakyReLU(0.1, inplace=True))
        else:
            _leaky(child)


class PersonShuffleNet(nn.Module):
    """torchvision's ``shufflenet_v2_x1_0`` without ``conv5`` and ``fc``, with leaky activations.

    The input is normalised inside: the mean colour is subtracted before the first convolution, so that its zero
    padding is the mean colour, as in training; the scale and the channel order live in that convolution's weights.

    ``forward`` takes float [B, 3, H, W] RGB in [0, 1] and returns the outputs of stages 2, 3 and 4: [B, 116, H/8,
    W/8], [B, 232, H/16, W/16] and [B, 464, H/32, W/32] (sizes rounded up).
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        network = shufflenet_v2_x1_0(weights=None)
        self.conv1 = network.conv1
        self.maxpool = network.maxpool
        self.stage2 = network.stage2
        self.stage3 = network.stage3
        self.stage4 = network.stage4
        _leaky(self)
        mean_rgb = torch.tensor(_MEAN_BGR[::-1]) / 255
        self.register_buffer("mean", mean_rgb.reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        stem = self.maxpool(self.conv1(images - self.mean))
        eighth = self.stage2(stem)
        sixteenth = self.stage3(eighth)
        return eighth, sixteenth, self.stage4(sixteenth)


def load_person_backbone(path: str | Path) -> PersonShuffleNet:
    """The backbone with weights trained on people.

    Args:
        path: A safetensors file. Its first convolution takes BGR in 0..255, minus the mean colour, times a scale
            per channel; both are folded into that convolution here, exactly.

    Raises:
        WeightsError: the file is missing, damaged or belongs to another architecture.
    """
    network = PersonShuffleNet()
    mistake = f"{path} does not hold the weights of a ShuffleNetV2 1.0x backbone"
    load_weights(network, read_safetensors(Path(path))[0], Path(path), mistake)
    scale = 255 * torch.tensor(_SCALE_BGR).reshape(1, 3, 1, 1)
    first = network.conv1[0].weight.data
    first.copy_((first * scale).flip(1))
    return network
