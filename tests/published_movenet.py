"""MoveNet as published: the graph from its layer list, with random weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from posetrack.models.movenet import MOVENETS


class Published:
    """The published graph from its layer list, written with ``torch.nn.functional`` alone; weights are random."""

    def __init__(self, name: str, seed: int = 0) -> None:
        self._random = torch.Generator().manual_seed(seed)
        self.tensors: dict[str, Tensor] = {}
        stem, blocks = MOVENETS[name]
        self._new("encoder.stem", stem, 3, 3)
        before = stem
        for number, after in enumerate(blocks):
            inner = 6 * before if number else before
            if number:
                self._new(f"encoder.blocks.{number}.expand", inner, before, 1)
            self._new(f"encoder.blocks.{number}.depthwise", inner, 1, 3)
            self._new(f"encoder.blocks.{number}.project", after, inner, 1)
            before = after
        self._new("encoder.last", 1280, before, 1)
        self._new("decoder.top", 64, 1280, 1)
        for level, (source, width, smooth) in enumerate(((9, 64, 32), (5, 32, 24), (2, 24, 24))):
            self._new(f"decoder.lateral.{level}", width, blocks[source], 1)
            self._new(f"decoder.smooth.{level}.depthwise", width, 1, 3, bias=False)
            self._new(f"decoder.smooth.{level}.pointwise", smooth, width, 1)
        self._new("heads.heatmap.0.depthwise", 24, 1, 3, bias=False)
        self._new("heads.heatmap.0.pointwise", 96, 24, 1)
        self._new("heads.heatmap.1", 17, 96, 1)
        self.tensors["heads.heatmap.1.weight"] *= 0.02  # logits at which the sigmoid still tells them apart

    def _new(self, name: str, outputs: int, inputs: int, kernel: int, bias: bool = True) -> None:
        shape = (outputs, inputs, kernel, kernel)
        spread = (2 / (inputs * kernel * kernel)) ** 0.5
        self.tensors[f"{name}.weight"] = torch.randn(shape, generator=self._random) * spread
        if bias:
            self.tensors[f"{name}.bias"] = torch.randn(outputs, generator=self._random) * 0.1

    def _layer(self, name: str, x: Tensor, stride: int = 1, depthwise: bool = False) -> Tensor:
        weight, bias = self.tensors[f"{name}.weight"], self.tensors.get(f"{name}.bias")
        if weight.shape[2] == 3:  # SAME: for even sides, one cell behind at stride 2, one on each side at stride 1
            x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        return F.conv2d(x, weight, bias, stride, groups=x.shape[1] if depthwise else 1)

    def __call__(self, images: Tensor) -> Tensor:
        x = self._layer("encoder.stem", images * 2 - 1, 2).clamp(0, 6)
        levels = []
        for number in range(17):
            name, block_input = f"encoder.blocks.{number}", x
            if number:
                x = self._layer(f"{name}.expand", x).clamp(0, 6)
            x = self._layer(f"{name}.depthwise", x, 2 if number in (1, 3, 6, 13) else 1, depthwise=True).clamp(
                0, 6
            )
            x = self._layer(f"{name}.project", x)
            if x.shape == block_input.shape:
                x = x + block_input
            if number in (2, 5, 9):
                levels.append(x)
        x = self._layer("decoder.top", self._layer("encoder.last", x).clamp(0, 6))
        for number, level in enumerate(levels[::-1]):
            x = F.interpolate(x, size=level.shape[2:], mode="bilinear", align_corners=False)
            x = x + self._layer(f"decoder.lateral.{number}", level)
            x = self._layer(f"decoder.smooth.{number}.depthwise", x, depthwise=True)
            x = self._layer(f"decoder.smooth.{number}.pointwise", x).relu()
        x = self._layer("heads.heatmap.0.depthwise", x, depthwise=True)
        x = self._layer("heads.heatmap.0.pointwise", x).relu()
        return self._layer("heads.heatmap.1", x).sigmoid()
