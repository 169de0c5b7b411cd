"""Heads of torchvision's detectors as networks with one input, which every engine can run."""

from __future__ import annotations

import copy

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
    """The same for all levels, one after another."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        found = [self.head(level) for level in levels]
        return [scores for scores, _ in found], [boxes for _, boxes in found]


class LevelPool(nn.Module):
    """Pools regions from levels of a pyramid whose strides divide the images' padded sides.

    torchvision derives the strides from its first images, and keeps them. It compares the levels with sides that
    are not padded yet, so after a narrow image all strides are wrong.

    Args:
        pool: A detector's pool. It is copied.
        multiple: Images are padded to multiples of this.
    """

    def __init__(self, pool: MultiScaleRoIAlign, multiple: int) -> None:
        super().__init__()
        self.pool = copy.deepcopy(pool)
        self.pool.scales = self.pool.map_levels = None
        self._multiple = multiple

    def forward(self, levels: dict[str, Tensor], regions: list[Tensor], sizes: list[tuple[int, int]]) -> Tensor:
        padded = [(height + -height % self._multiple, width + -width % self._multiple) for height, width in sizes]
        pooled: Tensor = self.pool(levels, regions, padded)
        return pooled


def pooled_interface(name: str, channels: int, pool: MultiScaleRoIAlign) -> Interface:
    """The interface of a head that takes pooled regions."""
    height, width = pool.output_size
    return Interface(name=name, channels=channels, size=(height, width), input="regions")
