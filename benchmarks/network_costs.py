"""Cost of the networks: parameters and multiply-adds, as the two Markdown tables in docs/networks_compared.md.

Networks are built without memory (PyTorch's ``meta`` device) and run once on one image. Multiply-adds are half of
what ``torch.utils.flop_counter`` counts: those of convolutions, plain and transposed, and of products of matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from posetrack.models.pose_format import PoseFormat
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.models.published_detectors import build_published_detector
from posetrack.models.published_pose import build_published_pose
from posetrack.models.rtmo_people import build_rtmo
from posetrack.skeletons import SKELETONS

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


class Cost(NamedTuple):
    """Of one image.

    Attributes:
        parameters: Number of learnt values.
        multiply_adds: Multiplications of convolutions and products of matrices.
        normed: Number of values that batch norms give.
    """

    parameters: int
    multiply_adds: int
    normed: int


def cost(build: Callable[[], nn.Module], size: tuple[int, int]) -> Cost:
    """Of a network for an input of a width and height."""
    with torch.device("meta"):
        network = build().eval()
    normed = 0

    def add(_: object, __: object, output: Tensor) -> None:
        nonlocal normed
        normed += output.numel()

    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.register_forward_hook(add)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.empty(1, 3, *size[::-1], device="meta"))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters, counter.get_total_flops() // 2, normed)


class Publication(NamedTuple):
    """A published network and what its publisher says of it.

    Attributes:
        label: For the table.
        build: Builds it.
        size: Width and height of its input.
        millions: Published number of parameters, in millions; None if there is none.
        gflops: Published GFLOPs; None if there are none.
        factor: Operations of a multiply-add, as the publisher counts.
        normed: Operations of a batch norm for each value, relative to that.
    """

    label: str
    build: Callable[[], nn.Module]
    size: tuple[int, int]
    millions: float | None = None
    gflops: float | None = None
    factor: int = 1
    normed: int = 2

    def counted(self, cost: Cost) -> float:
        """GFLOPs as the publisher counts."""
        return self.factor * (cost.multiply_adds + self.normed * cost.normed) / 1e9


def _rtmpose(size: str, input_size: str, joints: int, millions: float, gflops: float) -> Publication:
    height, width = map(int, input_size.split("x"))
    form = PoseFormat(skeleton=SKELETONS["coco" if joints == 17 else "halpe_26"], width=width, height=height)
    label = f"RTMPose-{size}" + (f", {joints} joints" if joints != 17 else "")
    return Publication(
        label, partial(build_published_pose, f"rtmpose_{size}", form), (width, height), millions, gflops
    )


def _detector(name: str, classes: int, side: int, millions: float, gflops: float) -> Publication:
    family, _, size = name.partition("_")
    label = f"{'RTMDet' if family == 'rtmdet' else 'YOLOX'}-{size}" + (", people" if classes == 1 else "")
    factor, normed = 2 if family == "yolox" else 1, 0 if classes == 1 else 2
    build = partial(build_published_detector, name, classes)
    return Publication(label, build, (side, side), millions, gflops, factor, normed)


def _vitpose(name: str, label: str, megabytes: float | None = None) -> Publication:
    form = PoseFormat(skeleton=SKELETONS["coco"], width=192, height=256)
    millions = None if megabytes is None else megabytes / 4
    return Publication(label, partial(build_published_pose, f"vitpose_{name}", form), (192, 256), millions)


def _rtmo(size: str, millions: float) -> Publication:
    return Publication(f"RTMO-{size}", partial(build_rtmo, f"rtmo_{size}", 17), (640, 640), millions)


PUBLICATIONS = (
    # MMPose's tables rtmpose_body8-coco.md and rtmpose_body8-halpe26.md.
    _rtmpose("t", "256x192", 17, 3.34, 0.36), _rtmpose("s", "256x192", 17, 5.47, 0.68),
    _rtmpose("m", "256x192", 17, 13.59, 1.93), _rtmpose("l", "256x192", 17, 27.66, 4.16),
    _rtmpose("m", "384x288", 17, 13.72, 4.33), _rtmpose("l", "384x288", 17, 27.79, 9.35),
    _rtmpose("t", "256x192", 26, 3.51, 0.37), _rtmpose("s", "256x192", 26, 5.70, 0.70),
    _rtmpose("m", "256x192", 26, 13.93, 1.95), _rtmpose("l", "256x192", 26, 28.11, 4.19),
    _rtmpose("m", "384x288", 26, 14.06, 4.37), _rtmpose("l", "384x288", 26, 28.24, 9.40),
    _rtmpose("x", "384x288", 26, 50.00, 17.29),
    # MMPose's projects/rtmpose, MMDetection's configs/rtmdet.
    _detector("rtmdet_nano", 1, 320, 0.99, 0.31), _detector("rtmdet_m", 1, 640, 24.66, 38.95),
    _detector("rtmdet_tiny", 80, 640, 4.8, 8.1), _detector("rtmdet_s", 80, 640, 8.89, 14.8),
    _detector("rtmdet_m", 80, 640, 24.71, 39.27), _detector("rtmdet_l", 80, 640, 52.3, 80.23),
    _detector("rtmdet_x", 80, 640, 94.86, 141.67),
    # YOLOX's README.
    _detector("yolox_nano", 80, 416, 0.91, 1.08), _detector("yolox_tiny", 80, 416, 5.06, 6.45),
    _detector("yolox_s", 80, 640, 9.0, 26.8), _detector("yolox_m", 80, 640, 25.3, 73.8),
    _detector("yolox_l", 80, 640, 54.2, 155.6), _detector("yolox_x", 80, 640, 99.1, 281.9),
    # Lu et al., "RTMO", CVPR 2024, table 2.
    _rtmo("s", 9.9), _rtmo("m", 22.6), _rtmo("l", 44.8),
    # Sizes of model.safetensors on huggingface.co/usyd-community in 10^6 bytes.
    _vitpose("small", "ViTPose-S"), _vitpose("base", "ViTPose-B", 360), _vitpose("large", "ViTPose-L"),
    _vitpose("huge", "ViTPose-H"), _vitpose("small_simple", "ViTPose-S, simple decoder"),
    _vitpose("base_simple", "ViTPose-B, simple decoder", 344),
    _vitpose("large_simple", "ViTPose-L, simple decoder"), _vitpose("huge_simple", "ViTPose-H, simple decoder"),
    _vitpose("plus_small", "ViTPose++-S", 133), _vitpose("plus_base", "ViTPose++-B", 502),
    _vitpose("plus_large", "ViTPose++-L"), _vitpose("plus_huge", "ViTPose++-H"),
)  # fmt: skip


def published_row(network: Publication, needed: Cost) -> str:
    """A row of the second table."""
    width, height = network.size
    counted = "" if network.gflops is None else f"{network.counted(needed):.2f}"
    cells = (
        network.label, f"{height}×{width}", f"{needed.parameters / 1e6:.2f}",
        "" if network.millions is None else f"{network.millions:g}", f"{needed.multiply_adds / 1e9:.2f}", counted,
        "" if network.gflops is None else f"{network.gflops:g}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def main() -> None:
    print(
        "| network | input | parameters | published | multiply-adds, 10⁹ | counted as published, 2³⁰ | published |"
    )
    print("|---|---|---|---|---|---|---|")
    for backbone in NAMES:
        print(*rows(backbone), sep="\n")
    print()
    print(
        "| network | input | parameters, 10⁶ | published | multiply-adds, 10⁹ | GFLOPs counted as published "
        "| published |"
    )
    print("|---|---|---|---|---|---|---|")
    for network in PUBLICATIONS:
        print(published_row(network, cost(network.build, network.size)))


if __name__ == "__main__":
    main()
