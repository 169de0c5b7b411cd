"""The CSP networks a second time, from MMPose's and MMDetection's configurations, with functions on plain tensors.

Sources: Lyu et al., "RTMDet", 2022, figure 3 and the configurations' depth and width (CSPNeXt: a stem of three
convolutions, four stages of 3, 6, 6 and 3 blocks, pooling in the last one); Jiang et al., "RTMPose", 2023, section
3 and the configurations (7x7 convolution, 256 hidden values, attention with 128); Hua et al., ICML 2022, figure 2
and its pseudocode (the gated attention unit). Weights come from the ``Tape`` of ``reference_networks``, under the
publishers' names.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.reference_networks import RESIDUAL, Tape, images

SIZES = {"t": (0.167, 0.375), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
"""Depth and width of the RTM networks."""

_ATTENTION = 128
_HIDDEN = 256
_DEVIATION = 0.25
"""Of the outputs, whose peaks then are near 1, as those of trained networks are."""


def _active(tape: Tape, x: Tensor, name: str, gain: float = 1.0) -> Tensor:
    """Norm, then x sigmoid(x)."""
    y = tape.norm(x, f"{name}.bn", gain)
    return y * torch.sigmoid(y)


def unit(tape: Tape, x: Tensor, name: str, outputs: int, size: int = 1, stride: int = 1) -> Tensor:
    """Convolution, norm, activation."""
    return _active(tape, tape.conv(x, f"{name}.conv", outputs, size, stride), name)


def _block(tape: Tape, x: Tensor, name: str, kind: str) -> Tensor:
    """Two convolutions; the last norm is small, as in ``Tape.basic``."""
    channels = x.shape[1]
    if kind == "darknet":
        y = unit(tape, x, f"{name}.conv1", channels)
        return _active(tape, tape.conv(y, f"{name}.conv2.conv", channels, 3), f"{name}.conv2", RESIDUAL)
    y = unit(tape, x, f"{name}.conv1", channels, 3)
    depthwise, pointwise = f"{name}.conv2.depthwise_conv", f"{name}.conv2.pointwise_conv"
    y = _active(tape, tape.depthwise(y, f"{depthwise}.conv", 5), depthwise)
    return _active(tape, tape.conv(y, f"{pointwise}.conv", channels, 1), pointwise, RESIDUAL)


def csp(tape: Tape, x: Tensor, name: str, outputs: int, blocks: int, kind: str) -> Tensor:
    """A layer of ``next`` or ``darknet`` blocks; ``+`` with shortcuts, ``attends`` with channel attention."""
    half = int(outputs * 0.5)
    short, main = unit(tape, x, f"{name}.short_conv", half), unit(tape, x, f"{name}.main_conv", half)
    for block in range(blocks):
        y = _block(tape, main, f"{name}.blocks.{block}", kind.split()[0])
        main = main + y if "+" in kind else y
    x = torch.cat([main, short], dim=1)
    if "attends" in kind:
        means = x.sum(dim=(2, 3), keepdim=True) / (x.shape[2] * x.shape[3])
        weights = tape.biased(tape.conv(means, f"{name}.attention.fc", 2 * half, 1), f"{name}.attention.fc")
        x = x * ((weights + 3).clamp(0, 6) / 6)
    return unit(tape, x, f"{name}.final_conv", outputs)


def backbone(tape: Tape, x: Tensor, depth: float, width: float, kind: str = "next") -> list[Tensor]:
    """The levels at strides 8, 16 and 32."""
    widths = [int(64 * 2**stage * width) for stage in range(5)]
    if kind == "darknet":
        pixels = [x[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        x = unit(tape, torch.cat(pixels, dim=1), "backbone.stem.conv", widths[0], 3)
    else:
        x = unit(tape, x, "backbone.stem.0", widths[0] // 2, 3, 2)
        x = unit(tape, x, "backbone.stem.1", widths[0] // 2, 3)
        x = unit(tape, x, "backbone.stem.2", widths[0], 3)
    levels = []
    middle = 9 if kind == "darknet" else 6
    for stage, count in ((1, 3), (2, middle), (3, middle), (4, 3)):
        name, place = f"backbone.stage{stage}", 1
        x = unit(tape, x, f"{name}.0", widths[stage], 3, 2)
        if stage == 4:
            y = unit(tape, x, f"{name}.1.conv1", widths[4] // 2)
            pools = [F.max_pool2d(y, window, 1, window // 2) for window in (5, 9, 13)]
            x, place = unit(tape, torch.cat([y, *pools], dim=1), f"{name}.1.conv2", widths[4]), 2
        extras = kind + " +" * (stage < 4) + " attends" * (kind == "next")
        x = csp(tape, x, f"{name}.{place}", widths[stage], max(round(count * depth), 1), extras)
        levels.append(x)
    return levels[1:]


def rtmpose(tape: Tape, x: Tensor, size: str, joints: int) -> tuple[Tensor, Tensor]:
    height, width = x.shape[2:]
    features = backbone(tape, x, *SIZES[size])[-1]
    tokens = tape.biased(tape.conv(features, "head.final_layer", joints, 7), "head.final_layer").flatten(2)
    tokens = tape.dense(_scaled(tape, tokens, "head.mlp.0"), "head.mlp.1", _HIDDEN)
    tokens = _attention(tape, tokens)
    x, y = ("head.cls_x", 2 * width), ("head.cls_y", 2 * height)
    return tape.dense(tokens, *x, _DEVIATION), tape.dense(tokens, *y, _DEVIATION)


def _scaled(tape: Tape, x: Tensor, name: str) -> Tensor:
    """Divided by the root mean square, times a learnt number."""
    factor = tape.draw(f"{name}.g", 1, scale=0.1, offset=1.0)
    return x / x.square().mean(dim=-1, keepdim=True).sqrt().clamp(min=1e-5) * factor


def _attention(tape: Tape, tokens: Tensor) -> Tensor:
    expanded = 2 * _HIDDEN
    mixed = tape.dense(_scaled(tape, tokens, "head.gau.ln"), "head.gau.uv", 2 * expanded + _ATTENTION)
    mixed = mixed * torch.sigmoid(mixed)
    gates, values, base = mixed[..., :expanded], mixed[..., expanded : 2 * expanded], mixed[..., 2 * expanded :]
    gamma = tape.draw("head.gau.gamma", 2, _ATTENTION, scale=0.3)
    beta = tape.draw("head.gau.beta", 2, _ATTENTION, scale=0.3)
    queries, keys = (base * gamma[row] + beta[row] for row in (0, 1))
    products = torch.einsum("bqs,bks->bqk", queries, keys) / _ATTENTION**0.5
    attended = torch.einsum("bqk,bke->bqe", F.relu(products) ** 2, values)
    scale = tape.draw("head.gau.res_scale.scale", _HIDDEN, scale=0.1, offset=1.0)
    return tokens * scale + tape.dense(gates * attended, "head.gau.o", _HIDDEN)


@cache
def small_rtmpose(size: str) -> tuple[Tape, tuple[Tensor, Tensor]]:
    """A network's weights, drawn once, and what it says of two images 64 pixels high and 96 wide."""
    tape = Tape(seed=0)
    with torch.inference_mode():
        return tape, rtmpose(tape, images(64, 96), size, joints=17)


def neck(tape: Tape, levels: list[Tensor], depth: float, outputs: int, kind: str) -> list[Tensor]:
    """The path aggregation network of RTMDet and YOLOX: coarse to fine, fine to coarse, equal channels."""
    fine, middle, coarse = levels
    widths, count = [level.shape[1] for level in levels], max(round(3 * depth), 1)

    def mixed(first: Tensor, second: Tensor, name: str, channels: int) -> Tensor:
        return csp(tape, torch.cat([first, second], dim=1), f"neck.{name}", channels, count, kind)

    def doubled(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    coarse = unit(tape, coarse, "neck.reduce_layers.0", widths[1])
    middle = mixed(doubled(coarse), middle, "top_down_blocks.0", widths[1])
    middle = unit(tape, middle, "neck.reduce_layers.1", widths[0])
    fine = mixed(doubled(middle), fine, "top_down_blocks.1", widths[0])
    middle = mixed(
        unit(tape, fine, "neck.downsamples.0", widths[0], 3, 2), middle, "bottom_up_blocks.0", widths[1]
    )
    coarse = mixed(
        unit(tape, middle, "neck.downsamples.1", widths[1], 3, 2), coarse, "bottom_up_blocks.1", widths[2]
    )
    size = 1 if kind == "darknet" else 3
    return [
        unit(tape, x, f"neck.out_convs.{level}", outputs, size) for level, x in enumerate((fine, middle, coarse))
    ]


def detector(tape: Tape, x: Tensor, depth: float, width: float, classes: int, kind: str) -> list[Tensor]:
    """For each level [B, 4 + classes (+ 1), h, w]: the box, classes, for ``darknet`` (YOLOX) also the object."""
    outputs = int(256 * width)
    levels = neck(tape, backbone(tape, x, depth, width, kind), depth, outputs, kind)
    found = []
    for level, feature in enumerate(levels):
        stacks = []
        for branch in ("cls", "reg"):
            y = feature
            for layer in (0, 1):
                if kind == "darknet":
                    y = unit(tape, y, f"bbox_head.multi_level_{branch}_convs.{level}.{layer}", outputs, 3)
                else:  # the convolution is one for all levels, the norms are not
                    shared, own = (f"bbox_head.{branch}_convs.{number}.{layer}" for number in (0, level))
                    y = tape.conv(y, f"{shared}.conv", outputs, 3)
                    tape.weights[f"{own}.conv.weight"] = tape.weights[f"{shared}.conv.weight"]
                    y = _active(tape, y, own)
            stacks.append(y)
        final = "multi_level_conv_{}" if kind == "darknet" else "rtm_{}"
        heads = [("reg", 4, stacks[1]), ("cls", classes, stacks[0])]
        heads += [("obj", 1, stacks[1])] if kind == "darknet" else []
        maps = []
        for label, channels, y in heads:
            name = f"bbox_head.{final.format(label)}.{level}"
            maps.append(tape.biased(tape.conv(y, name, channels, 1), name))
        found.append(torch.cat(maps, dim=1))
    return found
