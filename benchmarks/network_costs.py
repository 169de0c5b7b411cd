"""Cost of the pose networks: parameters and multiply-adds, as the Markdown table in docs/networks.md.

Networks are built without memory (PyTorch's ``meta`` device) and run once on one image. Multiply-adds are counted
in plain and transposed convolutions: half of what ``torch.utils.flop_counter`` counts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from posetrack.models.pose_weights import PoseArchitecture

SIZES = ((192, 256), (288, 384))
NAMES = {
    "resnet50": "SimpleBaseline, ResNet-50",
    "resnet101": "SimpleBaseline, ResNet-101",
    "resnet152": "SimpleBaseline, ResNet-152",
    "hrnet_w32": "HRNet-W32",
    "hrnet_w48": "HRNet-W48",
}
PUBLISHED = {
    "resnet50": ("34.0", "8.9", "20.0"),
    "resnet101": ("53.0", "12.4", "27.9"),
    "resnet152": ("68.6", "15.7", "35.3"),
    "hrnet_w32": ("28.5", "7.1", "16.0"),
    "hrnet_w48": ("63.6", "14.6", "32.9"),
}
"""Millions of parameters, GFLOPs at 256x192 and at 384x288, as the README of the official HRNet code gives them
(github.com/leoxiaobin/deep-high-resolution-net.pytorch)."""


def multiply_adds(network: nn.Module, image: Tensor) -> tuple[int, int]:
    """Multiplications of a forward pass, and the number by the official code's count.

    It multiplies each layer's weights by the cells of its *output*. This counts a transposed convolution of stride
    2 four times: its weights meet each *input* cell once.
    """
    published = 0

    def add(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal published
        published += layer.get_parameter("weight").numel() * output.shape[2] * output.shape[3]

    hooks = [
        layer.register_forward_hook(add)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(image)
    for hook in hooks:
        hook.remove()
    return counter.get_total_flops() // 2, published


def rows(backbone: str) -> list[str]:
    """Rows of the table for a network."""
    architecture = PoseArchitecture(backbone=backbone, skeleton="coco", deconv_channels=(256, 256, 256))
    with torch.device("meta"):
        network = architecture.build().eval()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    millions, *published = PUBLISHED[backbone]
    lines = []
    for (width, height), figure in zip(SIZES, published, strict=True):
        image = torch.empty(1, 3, height, width, device="meta")
        needed, counted = multiply_adds(network, image)
        work = (f"{needed / 1e9:.2f}", f"{counted / 2**30:.2f}")
        cells = (NAMES[backbone], f"{height}×{width}", f"{parameters:,}", f"{millions} M", *work, figure)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    print(
        "| network | input | parameters | published | multiply-adds, 10⁹ | counted as published, 2³⁰ | published |"
    )
    print("|---|---|---|---|---|---|---|")
    for backbone in NAMES:
        print(*rows(backbone), sep="\n")


if __name__ == "__main__":
    main()
