"""ONNX files with random weights and the outputs that publishers' files have, made by torch's exporter."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

JOINTS = 17
PEOPLE = 40


class Network(nn.Module):
    """A convolution over a fixed input, and linear layers to outputs of these shapes (without the batch)."""

    def __init__(self, size: tuple[int, int], shapes: list[tuple[int, ...]]) -> None:
        super().__init__()
        width, height = size
        stride = 8 if width * height < 10_000 else 32
        self.features = nn.Sequential(nn.Conv2d(3, 8, stride, stride), nn.Tanh(), nn.Flatten())
        self.shapes = shapes
        cells = 8 * (width // stride) * (height // stride)
        self.outputs = nn.ModuleList(nn.Linear(cells, int(torch.tensor(shape).prod())) for shape in shapes)
        for layer in self.outputs:
            nn.init.normal_(layer.weight, std=0.2)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features = self.features(images)
        pairs = zip(self.outputs, self.shapes, strict=True)
        return tuple(self.finish(layer(features).view(-1, *shape), n) for n, (layer, shape) in enumerate(pairs))

    def finish(self, output: Tensor, number: int) -> Tensor:
        return output


class Boxes(Network):
    """Boxes in pixels, the last value of each a score, and then classes or joints where there are more outputs."""

    def __init__(self, size: tuple[int, int], shapes: list[tuple[int, ...]]) -> None:
        super().__init__(size, shapes)
        self.side = float(max(size))

    def finish(self, output: Tensor, number: int) -> Tensor:
        if number == 0:
            corner = output[..., :2].sigmoid() * self.side
            extent = output[..., 2:4].sigmoid() * self.side / 2
            return torch.cat([corner, corner + extent, output[..., 4:].sigmoid()], -1)
        if output.ndim == 2:  # classes
            return (output > 0).long()
        if output.ndim == 3:  # scores of classes
            return output.sigmoid()
        return torch.cat([output[..., :2].sigmoid() * self.side, output[..., 2:].sigmoid()], -1)


def export(network: nn.Module, path: Path, size: tuple[int, int], names: list[str], **options: Any) -> Path:
    """Write a network as MMDeploy does: input ``input``, any number of images unless told otherwise."""
    width, height = size
    dynamic = options.pop("dynamic_axes", {name: {0: "batch"} for name in ("input", *names)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), (torch.zeros(1, 3, height, width),), path, dynamo=False, input_names=["input"],
            output_names=names, dynamic_axes=dynamic, opset_version=17, **options,
        )  # fmt: skip
    return path


def simcc(path: Path, size: tuple[int, int] = (48, 64), joints: int = JOINTS, **options: Any) -> Path:
    torch.manual_seed(1)
    shapes: list[tuple[int, ...]] = [(joints, 2 * size[0]), (joints, 2 * size[1])]
    return export(Network(size, shapes), path, size, ["simcc_x", "simcc_y"], **options)


def heatmap(path: Path, size: tuple[int, int] = (48, 64)) -> Path:
    torch.manual_seed(2)
    return export(Network(size, [(JOINTS, size[1] // 4, size[0] // 4)]), path, size, ["heatmaps"])


def detector(path: Path, size: tuple[int, int] = (64, 64), labels: bool = True) -> Path:
    """With suppression in the graph."""
    torch.manual_seed(3)
    shapes: list[tuple[int, ...]] = [(PEOPLE, 5), (PEOPLE,)][: 1 + labels]
    return export(Boxes(size, shapes), path, size, ["dets", "labels"][: 1 + labels])


def raw_rtmdet(path: Path, size: tuple[int, int] = (64, 64)) -> Path:
    torch.manual_seed(4)
    return export(Boxes(size, [(PEOPLE, 4), (PEOPLE, 2)]), path, size, ["boxes", "scores"])


def raw_yolox(path: Path, size: tuple[int, int] = (64, 96)) -> Path:
    """Offsets from cells, as in YOLOX's own files: scores are probabilities, boxes are not decoded."""
    torch.manual_seed(5)
    return export(Cells(size, [(cell_count(size), 7)]), path, size, ["output"])


def decoded_yolox(path: Path, size: tuple[int, int] = (64, 96)) -> Path:
    """The same network with boxes in pixels: centre and extent."""
    torch.manual_seed(5)
    return export(DecodedCells(size, [(cell_count(size), 7)]), path, size, ["output"])


def cell_count(size: tuple[int, int]) -> int:
    return sum((size[0] // stride) * (size[1] // stride) for stride in (8, 16, 32))


class Cells(Network):
    def finish(self, output: Tensor, number: int) -> Tensor:
        return torch.cat([output[..., :4].tanh(), output[..., 4:].sigmoid()], -1)


class DecodedCells(Cells):
    def __init__(self, size: tuple[int, int], shapes: list[tuple[int, ...]]) -> None:
        super().__init__(size, shapes)
        cells = [
            (x, y, stride)
            for stride in (8, 16, 32)
            for y in range(size[1] // stride)
            for x in range(size[0] // stride)
        ]
        self.register_buffer("cells", torch.tensor(cells, dtype=torch.float32))

    def finish(self, output: Tensor, number: int) -> Tensor:
        values, stride = super().finish(output, number), self.cells[:, 2:]
        return torch.cat(
            [(values[..., :2] + self.cells[:, :2]) * stride, values[..., 2:4].exp() * stride, values[..., 4:]], -1
        )


def rtmo(path: Path, size: tuple[int, int] = (64, 64)) -> Path:
    torch.manual_seed(6)
    return export(Boxes(size, [(PEOPLE, 5), (PEOPLE, JOINTS, 3)]), path, size, ["dets", "keypoints"])
