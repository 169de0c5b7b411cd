"""MoveNet's network: a MobileNetV2 encoder, a light feature pyramid to stride 4, and a heatmap head.

Google's MoveNet.SinglePose (model card at TensorFlow Hub, 2021): MobileNetV2 (Sandler et al., CVPR 2018) of width
1.0 (``movenet_lightning``) or 1.75 (``movenet_thunder``). Only the heatmap branch is here: a crop holds one
person, so MoveNet's centre, regression and offset heads are not needed.

TensorFlow pads a stride-2 convolution of an even side by 0 cells before and 1 after, PyTorch by 1 and 1. So the
whole network works on the image rotated by 180 degrees, with rotated kernels: there the extra cell comes first,
and the padding after the last cell is never read. That is the same function, without copies.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from posetrack.errors import WeightsError

MOVENETS = {
    "movenet_lightning": (32, (16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320)),
    "movenet_thunder": (56, (32, 40, 40, 56, 56, 56, 112, 112, 112, 112, 168, 168, 168, 280, 280, 280, 560)),
}
"""By name: channels of the stem, and of each of the 17 inverted residuals."""

_EXPANSION = 6
_STRIDED = (1, 3, 6, 13)
"""Blocks that halve the resolution."""
_LEVELS = (2, 5, 9)
"""Blocks whose outputs, at strides 4, 8 and 16, enter the pyramid."""
_TOP_CHANNELS = 1280
_PYRAMID_CHANNELS = (64, 32, 24, 24)
"""At stride 32, then after each of the three merges."""
_HEAD_CHANNELS = 96


def _convolution(
    inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, active: bool = True
) -> nn.Sequential:
    """Convolution and batch norm, followed by a ReLU6 if ``active``."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        convolution=nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        norm=nn.BatchNorm2d(outputs),
    )
    if active:
        layers["activation"] = nn.ReLU6(inplace=True)
    return nn.Sequential(layers)


class InvertedResidual(nn.Module):
    """1x1 to more channels, depthwise 3x3, 1x1 back (Sandler et al., section 3.3)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = _convolution(inputs, inner) if expansion > 1 else nn.Identity()
        self.depthwise = _convolution(inner, inner, 3, stride=stride, groups=inner)
        self.project = _convolution(inner, outputs, active=False)
        self._adds = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.project(self.depthwise(self.expand(features)))
        return features + out if self._adds else out


class Encoder(nn.Module):
    """MobileNetV2: float [B, 3, H, W] in [-1, 1] to features at strides 4, 8, 16 and 32."""

    def __init__(self, stem: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.stem = _convolution(3, stem, 3, stride=2)
        self.blocks = nn.ModuleList(
            InvertedResidual(before, after, 2 if n in _STRIDED else 1, _EXPANSION if n else 1)
            for n, (before, after) in enumerate(zip((stem, *channels), channels, strict=False))
        )
        self.top = _convolution(channels[-1], _TOP_CHANNELS)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features = self.stem(images)
        levels = []
        for number, block in enumerate(self.blocks):
            features = block(features)
            if number in _LEVELS:
                levels.append(features)
        return (*levels, self.top(features))


class Separable(nn.Module):
    """Depthwise 3x3, then 1x1 with a ReLU; ``normed`` puts a batch norm before it."""

    def __init__(self, inputs: int, outputs: int, *, normed: bool) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.pointwise = _convolution(inputs, outputs, active=False) if normed else nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.pointwise(self.depthwise(features)))


class Pyramid(nn.Module):
    """Top-down (Lin et al., CVPR 2017): double, add the encoder's level, smooth; [B, 24, H/4, W/4]."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        widths = _PYRAMID_CHANNELS
        self.top = nn.Conv2d(_TOP_CHANNELS, widths[0], 1)
        self.lateral = nn.ModuleList(
            nn.Conv2d(level, width, 1) for level, width in zip(reversed(channels), widths, strict=False)
        )
        self.smooth = nn.ModuleList(
            Separable(before, after, normed=True) for before, after in zip(widths, widths[1:], strict=False)
        )

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        features: Tensor = self.top(levels[-1])
        for lateral, smooth, level in zip(self.lateral, self.smooth, levels[-2::-1], strict=True):
            doubled = F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
            features = smooth(doubled + lateral(level))
        return features


class MoveNetBackbone(nn.Module):
    """Encoder and pyramid of an image rotated by 180 degrees: [B, 24, H/4, W/4], rotated too."""

    def __init__(self, name: str) -> None:
        super().__init__()
        stem, channels = MOVENETS[name]
        self.encoder = Encoder(stem, channels)
        self.pyramid = Pyramid([channels[number] for number in _LEVELS])

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.pyramid(self.encoder(images * 2 - 1))
        return features


class MoveNet(nn.Module):
    """Heatmaps of one person's joints.

    Args:
        name: A key of ``MOVENETS``.
        heatmaps: Number of joints.

    ``forward`` takes float [B, 3, H, W] RGB in [0, 1], H and W multiples of 32, and returns float [B, heatmaps,
    H/4, W/4] in [0, 1].
    """

    def __init__(self, name: str, heatmaps: int) -> None:
        super().__init__()
        self.backbone = MoveNetBackbone(name)
        self.head = Separable(_PYRAMID_CHANNELS[-1], _HEAD_CHANNELS, normed=False)
        self.final_layer = nn.Conv2d(_HEAD_CHANNELS, heatmaps, 1)

    def forward(self, images: Tensor) -> Tensor:
        features = self.backbone(images.flip(2, 3)).flip(2, 3)
        heatmaps: Tensor = self.final_layer(self.head(features)).sigmoid()
        return heatmaps


def load_movenet(path: Path, name: str, rows: Sequence[Sequence[int]]) -> MoveNet:
    """The published network, with a heatmap for each entry of ``rows``, in evaluation mode.

    The file has batch norms folded into the convolutions. The norms here are set so that the function is the same;
    before further training, ``calibrate_norms`` gives them real statistics.

    Args:
        path: Safetensors with the publisher's weights.
        name: A key of ``MOVENETS``.
        rows: For each joint, the published heatmaps (in COCO's order) whose mean weights it starts from.

    Raises:
        WeightsError: the file is missing, damaged or belongs to another network.
    """
    try:
        published = {key: value.float() for key, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot read the weights {path}: {error}") from error
    network = MoveNet(name, len(rows))
    try:
        network.load_state_dict(_own_state(network, published, rows))
    except (KeyError, IndexError, RuntimeError) as error:
        raise WeightsError(f"{path} does not hold the weights of {name}: {error}") from error
    return network.eval()


def _own_state(
    network: MoveNet, published: Mapping[str, Tensor], rows: Sequence[Sequence[int]]
) -> dict[str, Tensor]:
    """Published tensors under our names, kernels turned, the folded bias as the norm's."""
    state = network.state_dict()
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            source = _published_name(name)
            kernel = published[f"{source}.weight"]
            state[f"{name}.weight"] = kernel.flip(2, 3) if name.startswith("backbone") else kernel
            if module.bias is not None:
                state[f"{name}.bias"] = published[f"{source}.bias"]
        elif isinstance(module, nn.BatchNorm2d):
            bias = published[f"{_published_name(name)}.bias"]
            state[f"{name}.weight"] = torch.full_like(bias, (1 + module.eps) ** 0.5)
            state[f"{name}.bias"] = bias
    for part in ("weight", "bias"):
        every = state[f"final_layer.{part}"]
        state[f"final_layer.{part}"] = torch.stack([every[list(each)].mean(dim=0) for each in rows])
    return state


def _published_name(name: str) -> str:
    parts = name.removesuffix(".convolution").removesuffix(".norm").split(".")
    if parts[0] == "head":
        return ".".join(("heads.heatmap.0", *parts[1:]))
    if parts[0] == "final_layer":
        return "heads.heatmap.1"
    if parts[1] == "pyramid":
        return ".".join(("decoder", *parts[2:]))
    return ".".join(("encoder", *parts[2:])).replace("encoder.top", "encoder.last")


@torch.no_grad()
def calibrate_norms(network: MoveNet, images: Tensor, batch_size: int = 16) -> None:
    """Give every batch norm the statistics of real crops, without changing the function in evaluation mode.

    Args:
        network: Set to evaluation mode.
        images: float [N, 3, H, W] RGB in [0, 1]: a few hundred crops as in training.
        batch_size: Crops in a batch.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    network.eval()
    sums = {norm: torch.zeros(2, norm.num_features, dtype=torch.float64) for norm in norms}
    cells = dict.fromkeys(norms, 0)

    def collect(norm: nn.Module, inputs: tuple[Tensor], _: Tensor) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        values = inputs[0].double()
        sums[norm] += torch.stack([values.sum(dim=(0, 2, 3)), values.square().sum(dim=(0, 2, 3))])
        cells[norm] += values.numel() // norm.num_features

    hooks = [norm.register_forward_hook(collect) for norm in norms]
    for batch in torch.split(images, batch_size):
        network(batch)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean, square = sums[norm] / cells[norm]
        before, scale = norm.state_dict(), (square - mean.square()).clamp_min(0).add(norm.eps).sqrt()
        gain = before["weight"] / (before["running_var"] + norm.eps).sqrt()
        norm.load_state_dict(
            {
                **before,
                "weight": gain * scale,
                "bias": before["bias"] + gain * (mean - before["running_mean"]),
                "running_mean": mean,
                "running_var": scale.square() - norm.eps,
            }
        )
