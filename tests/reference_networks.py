"""SimpleBaseline and HRNet a second time, straight from the papers' tables, with plain functions on plain tensors.

Sources: He et al., CVPR 2016, table 1 and figure 5 (ResNets); Xiao et al., ECCV 2018, section 2 (transposed
convolutions and final layer); Sun et al., CVPR 2019, section 3 and figure 1 (HRNet: a stem of two 3x3
convolutions with stride 2, a first stage of four bottlenecks, then stages with 1, 4 and 3 exchange blocks of four
residual units a branch; widths C, 2C, 4C, 8C). A ResNet halves the resolution in its 3x3 convolutions.

A ``Tape`` draws each layer's weights when it is first reached, with batch-norm statistics near those of the
activations, as training leaves them; it collects them under the official code's names and counts multiply-adds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

RESNET_BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}
"""He et al., table 1: bottlenecks in conv2_x to conv5_x."""

HRNET_WIDTHS = {"hrnet_w32": 32, "hrnet_w48": 48}
NETWORKS = (*RESNET_BLOCKS, *HRNET_WIDTHS)

RESIDUAL = 0.1
"""Gain of a residual unit's last norm: with one near 1, a hundred random layers would blow up rounding itself."""

_DEVIATION = 0.25
"""Of the heatmaps, whose peaks then are near 1, as those of trained networks are."""


class Tape:
    """Layers by name: the weights drawn so far (official layout), and the multiply-adds spent.

    ``output_multiply_adds`` counts as the official code does: a layer's weights times the cells of its output.

    Args:
        seed: Of the weights.
        epsilon: Added to the variance by batch norms.
    """

    def __init__(self, seed: int, epsilon: float = 1e-5) -> None:
        self._epsilon = epsilon
        self.weights: dict[str, Tensor] = {}
        self.multiply_adds = 0
        self.output_multiply_adds = 0
        self._random = torch.Generator().manual_seed(seed)

    def draw(self, name: str, *shape: int, scale: float = 1.0, offset: float = 0.0) -> Tensor:
        if name not in self.weights:
            self.weights[name] = torch.randn(*shape, generator=self._random) * scale + offset
        return self.weights[name]

    def conv(self, x: Tensor, name: str, outputs: int, size: int, stride: int = 1) -> Tensor:
        inputs = x.shape[1]
        weight = self.draw(f"{name}.weight", outputs, inputs, size, size, scale=(2 / (inputs * size**2)) ** 0.5)
        y = F.conv2d(x, weight, stride=stride, padding=(size - 1) // 2)
        self._spend(weight, y, y)
        return y

    def depthwise(self, x: Tensor, name: str, size: int, stride: int = 1) -> Tensor:
        """Each channel by itself."""
        channels = x.shape[1]
        weight = self.draw(f"{name}.weight", channels, 1, size, size, scale=2**0.5 / size)
        return F.conv2d(x, weight, stride=stride, padding=(size - 1) // 2, groups=channels)

    def biased(self, x: Tensor, name: str) -> Tensor:
        """With an offset for each channel of maps."""
        return x + self.draw(f"{name}.bias", x.shape[1], scale=0.1)[:, None, None]

    def dense(self, x: Tensor, name: str, outputs: int, scale: float = 1.0) -> Tensor:
        """A linear layer [.., inputs] -> [.., outputs] without bias."""
        inputs = x.shape[-1]
        weight = self.draw(f"{name}.weight", outputs, inputs, scale=scale * inputs**-0.5)
        return torch.einsum("...i,oi->...o", x, weight)

    def deconv(self, x: Tensor, name: str, outputs: int) -> Tensor:
        inputs = x.shape[1]
        weight = self.draw(f"{name}.weight", inputs, outputs, 4, 4, scale=(2 / (inputs * 4)) ** 0.5)
        y = F.conv_transpose2d(x, weight, stride=2, padding=1)
        self._spend(weight, x, y)
        return y

    def _spend(self, weight: Tensor, met: Tensor, output: Tensor) -> None:
        self.multiply_adds += weight.numel() * met.shape[2] * met.shape[3]
        self.output_multiply_adds += weight.numel() * output.shape[2] * output.shape[3]

    def norm(self, x: Tensor, name: str, gain: float = 1.0) -> Tensor:
        if f"{name}.weight" not in self.weights:
            channels = x.shape[1]
            self.draw(f"{name}.weight", channels, scale=0.1 * gain, offset=gain)
            self.draw(f"{name}.bias", channels, scale=0.1)
            deviation = x.std(dim=(0, 2, 3)) + 0.1
            noise = torch.randn(2, channels, generator=self._random) * 0.1
            self.weights[f"{name}.running_mean"] = x.mean(dim=(0, 2, 3)) + noise[0] * deviation
            self.weights[f"{name}.running_var"] = (deviation * (1 + noise[1])) ** 2
            self.weights[f"{name}.num_batches_tracked"] = torch.tensor(1234)
        mean, variance = self.weights[f"{name}.running_mean"], self.weights[f"{name}.running_var"]
        factor = self.weights[f"{name}.weight"] / torch.sqrt(variance + self._epsilon)
        shift = self.weights[f"{name}.bias"] - mean * factor
        return x * factor[:, None, None] + shift[:, None, None]

    def bottleneck(self, x: Tensor, name: str, planes: int, stride: int) -> Tensor:
        """1x1, 3x3 and 1x1 convolution around a shortcut, which is projected where shapes change."""
        y = F.relu(self.norm(self.conv(x, f"{name}.conv1", planes, 1), f"{name}.bn1"))
        y = F.relu(self.norm(self.conv(y, f"{name}.conv2", planes, 3, stride), f"{name}.bn2"))
        y = self.norm(self.conv(y, f"{name}.conv3", 4 * planes, 1), f"{name}.bn3", RESIDUAL)
        if stride != 1 or x.shape[1] != 4 * planes:
            x = self.norm(self.conv(x, f"{name}.downsample.0", 4 * planes, 1, stride), f"{name}.downsample.1")
        return F.relu(x + y)

    def basic(self, x: Tensor, name: str) -> Tensor:
        """Two 3x3 convolutions around a shortcut."""
        y = F.relu(self.norm(self.conv(x, f"{name}.conv1", x.shape[1], 3), f"{name}.bn1"))
        return F.relu(x + self.norm(self.conv(y, f"{name}.conv2", x.shape[1], 3), f"{name}.bn2", RESIDUAL))

    def final(self, x: Tensor, heatmaps: int) -> Tensor:
        """1x1 convolution with bias."""
        scale = _DEVIATION / (x.shape[1] * float(x.square().mean())) ** 0.5
        weight = self.draw("final_layer.weight", heatmaps, x.shape[1], 1, 1, scale=scale)
        self._spend(weight, x, x)
        return F.conv2d(x, weight, self.draw("final_layer.bias", heatmaps, scale=0.1 * _DEVIATION))


def simple_baseline(tape: Tape, images: Tensor, blocks: tuple[int, ...], heatmaps: int) -> Tensor:
    x = resnet(tape, images, blocks)
    for layer in (0, 3, 6):
        x = F.relu(tape.norm(tape.deconv(x, f"deconv_layers.{layer}", 256), f"deconv_layers.{layer + 1}"))
    return tape.final(x, heatmaps)


def resnet(tape: Tape, images: Tensor, blocks: tuple[int, ...]) -> Tensor:
    x = F.relu(tape.norm(tape.conv(images, "conv1", 64, 7, 2), "bn1"))
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    for stage, (count, planes) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True), start=1):
        for block in range(count):
            x = tape.bottleneck(x, f"layer{stage}.{block}", planes, 2 if block == 0 and stage > 1 else 1)
    return x


def hrnet(tape: Tape, images: Tensor, width: int, heatmaps: int) -> Tensor:
    x = F.relu(tape.norm(tape.conv(images, "conv1", 64, 3, 2), "bn1"))
    x = F.relu(tape.norm(tape.conv(x, "conv2", 64, 3, 2), "bn2"))
    for block in range(4):
        x = tape.bottleneck(x, f"layer1.{block}", 64, 1)

    def changed(source: Tensor, name: str, outputs: int, stride: int) -> Tensor:
        return F.relu(tape.norm(tape.conv(source, f"{name}.0", outputs, 3, stride), f"{name}.1"))

    levels = [changed(x, "transition1.0", width, 1), changed(x, "transition1.1.0", 2 * width, 2)]
    for stage, exchanges in ((2, 1), (3, 4), (4, 3)):
        if stage > 2:
            name = f"transition{stage - 1}.{stage - 1}.0"
            levels = [*levels, changed(levels[-1], name, width * 2 ** (stage - 1), 2)]
        for unit in range(exchanges):
            alone = stage == 4 and unit == exchanges - 1
            levels = _exchange(tape, levels, f"stage{stage}.{unit}", 1 if alone else stage)
    return tape.final(levels[0], heatmaps)


def _exchange(tape: Tape, levels: list[Tensor], name: str, outputs: int) -> list[Tensor]:
    for branch in range(len(levels)):
        for block in range(4):
            levels[branch] = tape.basic(levels[branch], f"{name}.branches.{branch}.{block}")
    widths = [level.shape[1] for level in levels]
    fused = []
    for target in range(outputs):
        total = levels[target]
        for source, level in enumerate(levels):
            layer = f"{name}.fuse_layers.{target}.{source}"
            if source > target:
                up = tape.norm(tape.conv(level, f"{layer}.0", widths[target], 1), f"{layer}.1")
                times = 2 ** (source - target)
                total = total + up.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)
            elif source < target:
                down = level
                for step in range(target - source):
                    last = step == target - source - 1
                    outputs_here = widths[target] if last else widths[source]
                    down = tape.norm(tape.conv(down, f"{layer}.{step}.0", outputs_here, 3, 2), f"{layer}.{step}.1")
                    down = down if last else F.relu(down)
                total = total + down
        fused.append(F.relu(total))
    return fused


def reference(
    name: str, images: Tensor, heatmaps: int = 17, seed: int = 0, tape: Tape | None = None
) -> tuple[Tape, Tensor]:
    """A tape with a network's weights, and the network's heatmaps of the images."""
    tape = tape or Tape(seed)
    with torch.inference_mode():
        if name in RESNET_BLOCKS:
            return tape, simple_baseline(tape, images, RESNET_BLOCKS[name], heatmaps)
        return tape, hrnet(tape, images, HRNET_WIDTHS[name], heatmaps)


def images(height: int, width: int, count: int = 2) -> Tensor:
    """The same random images each time."""
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(height))


@cache
def small_reference(name: str) -> tuple[Tape, Tensor]:
    """A network's weights, drawn once, and its heatmaps of two images of 64x64."""
    return reference(name, images(64, 64))


def _as_mmpose(head: str) -> Callable[[str], str]:
    def renamed(name: str) -> str:
        part = name.split(".")[0]
        return f"{head}.{name}" if part in ("deconv_layers", "final_layer") else f"backbone.{name}"

    return renamed


LAYOUTS: dict[str, Callable[[str], str]] = {
    "official": lambda name: name,
    "official, parallel": lambda name: f"module.{name}",
    "MMPose 0.x": _as_mmpose("keypoint_head"),
    "MMPose 1.x": _as_mmpose("head"),
}
"""How each publisher names a tensor that the official code names so."""


def published(tape: Tape, layout: str) -> dict[str, Tensor]:
    """The weights under a publisher's names."""
    return {LAYOUTS[layout](name): value for name, value in tape.weights.items()}
