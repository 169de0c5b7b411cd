"""Heads of torchvision's detectors as networks of one input, which every engine can run."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.ops import MultiScaleRoIAlign

from posetrack.models.onnx_file import Interface


class OneLevel(nn.Module):
    """A region proposal network's head for one level of the feature pyramid."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, level: Tensor) -> tuple[Tensor, Tensor]:
        scores, boxes = self.head([level])
        return scores[0], boxes[0]


class EachLevel(nn.Module):
    """The same for all levels, one after the other."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        found = [self.head(level) for level in levels]
        return [scores for scores, _ in found], [boxes for _, boxes in found]


def pooled_interface(name: str, channels: int, pool: MultiScaleRoIAlign) -> Interface:
    """Of a head that sees what was pooled of each region."""
    height, width = pool.output_size
    return Interface(name=name, channels=channels, size=(height, width), input="regions")
