"""RTMDet and YOLOX: detectors that say of every cell of three levels whether it is of a person, and of which box.

Lyu et al., "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022; Ge et al., "YOLOX:
Exceeding YOLO Series in 2021". Layers are named as in MMDetection 3.x; ``yolox_tensors`` translates the names in
YOLOX's own code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from posetrack.models.csp import LEVEL_STRIDES, CSPBackbone, CSPNeck, CSPSize, use_darknet_norms

_SIZES = {
    "tiny": (0.167, 0.375),
    "s": (0.33, 0.5),
    "m": (0.67, 0.75),
    "l": (1.0, 1.0),
    "x": (1.33, 1.25),
}

RTMDETS = {
    "rtmdet_nano": CSPSize(0.33, 0.25, separable=True),
    **{f"rtmdet_{name}": CSPSize(*size) for name, size in _SIZES.items()},
}
"""MMDetection's configurations rtmdet_tiny to rtmdet_x, and MMPose's rtmdet_nano for people."""

YOLOXS = {
    "yolox_nano": CSPSize(0.33, 0.25, next=False, separable=True),
    "yolox_tiny": CSPSize(0.33, 0.375, next=False),
    **{f"yolox_{name}": CSPSize(*_SIZES[name], next=False) for name in ("s", "m", "l", "x")},
}
"""YOLOX's own sizes."""

_EXPONENTIAL = ("rtmdet_m", "rtmdet_l", "rtmdet_x")
"""RTMDets that give the logarithm of distances."""

_STACKED = 2
_HEAD_WIDTH = 256

Found = tuple[Tensor, Tensor]
"""float [B, N, 4], boxes x1 y1 x2 y2 in input pixels from the corner; and float [B, N], people's scores."""


class DenseDetector(nn.Module):
    """Base of the two: ``forward`` takes float [B, 3, H, W], sides multiples of 32, and returns maps by level.

    Args:
        size: Of the backbone and the neck.
        head: Makes the head from the size and the number of the neck's channels.

    Attributes:
        strides: Input pixels per cell of each level.
    """

    strides = LEVEL_STRIDES

    def __init__(self, size: CSPSize, head: Callable[[CSPSize, int], nn.Module]) -> None:
        super().__init__()
        width = int(_HEAD_WIDTH * size.width)
        self.backbone = CSPBackbone(size)
        self.neck = CSPNeck(size, width)
        self.bbox_head = head(size, width)

    def forward(self, images: Tensor) -> list[Tensor]:
        levels: list[Tensor] = self.bbox_head(self.neck(self.backbone(images)))
        return levels

    def found(self, levels: Sequence[Tensor]) -> Found:
        """The boxes of all cells, of ``forward``'s output."""
        raise NotImplementedError


class RTMDet(DenseDetector):
    """``forward`` returns [B, 5, h, w] for each level: a person's logit, distances from the cell to four sides.

    Args:
        name: One of ``RTMDETS``.
        classes: Number of classes; the first is of people.
    """

    def __init__(self, name: str, classes: int) -> None:
        super().__init__(RTMDETS[name], partial(_RTMDetHead, classes=classes))
        self._exponential = name in _EXPONENTIAL

    def found(self, levels: Sequence[Tensor]) -> Found:
        boxes, scores = [], []
        for level, stride in zip(levels, self.strides, strict=True):
            values = level.flatten(2).transpose(1, 2)
            distances = (values[..., 1:].exp() if self._exponential else values[..., 1:]) * stride
            cells = cell_corners(level, stride)
            boxes.append(torch.cat([cells - distances[..., :2], cells + distances[..., 2:]], -1))
            scores.append(values[..., 0].sigmoid())
        height, width = (side * self.strides[0] for side in levels[0].shape[-2:])
        limits = boxes[0].new_tensor([width, height, width, height])
        return torch.minimum(torch.cat(boxes, 1).clamp(min=0), limits), torch.cat(scores, 1)


class _RTMDetHead(nn.Module):
    """Two stacks of two convolutions for each level; all but the smallest network share them, not their norms."""

    def __init__(self, size: CSPSize, width: int, classes: int) -> None:
        super().__init__()
        self.cls_convs, self.reg_convs = (
            nn.ModuleList(nn.ModuleList(size.conv3(width, width) for _ in range(_STACKED)) for _ in LEVEL_STRIDES)
            for _ in range(2)
        )
        self.rtm_cls = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in LEVEL_STRIDES)
        self.rtm_reg = nn.ModuleList(nn.Conv2d(width, 4, 1) for _ in LEVEL_STRIDES)
        if not size.separable:
            for stacks in (self.cls_convs, self.reg_convs):
                for stack in list(stacks)[1:]:
                    for layer, first in zip(stack.children(), stacks[0].children(), strict=True):
                        layer.conv = first.conv

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        levels = []
        for level, feature in enumerate(features):
            kinds = boxes = feature
            for layer in self.cls_convs[level].children():
                kinds = layer(kinds)
            for layer in self.reg_convs[level].children():
                boxes = layer(boxes)
            levels.append(torch.cat([self.rtm_cls[level](kinds)[:, :1], self.rtm_reg[level](boxes)], 1))
        return levels


class YOLOX(DenseDetector):
    """``forward`` returns [B, 7, h, w] for each level: a person's logit, the best class's and the object's; the
    box's centre relative to the cell, in cells, and the logarithms of its width and height in cells.

    Args:
        name: One of ``YOLOXS``.
        classes: Number of classes; the first is of people.
    """

    def __init__(self, name: str, classes: int) -> None:
        super().__init__(YOLOXS[name], partial(_YOLOXHead, classes=classes))
        use_darknet_norms(self)

    def found(self, levels: Sequence[Tensor]) -> Found:
        """A cell whose best class is another has score 0: its box is not a person's.

        As published, probabilities are compared, and the first of equal ones counts.
        """
        boxes, scores = [], []
        for level, stride in zip(levels, self.strides, strict=True):
            values = level.flatten(2).transpose(1, 2)
            centres = values[..., 3:5] * stride + cell_corners(level, stride)
            halves = values[..., 5:].exp() * (stride / 2)
            boxes.append(torch.cat([centres - halves, centres + halves], -1))
            person, best, thing = values[..., :3].sigmoid().unbind(-1)
            scores.append(torch.where(person >= best, person * thing, 0 * best))
        return torch.cat(boxes, 1), torch.cat(scores, 1)


class _YOLOXHead(nn.Module):
    def __init__(self, size: CSPSize, width: int, classes: int) -> None:
        super().__init__()

        def stacks() -> nn.ModuleList:
            return nn.ModuleList(
                nn.Sequential(*(size.conv3(width, width) for _ in range(_STACKED))) for _ in LEVEL_STRIDES
            )

        def outputs(channels: int) -> nn.ModuleList:
            return nn.ModuleList(nn.Conv2d(width, channels, 1) for _ in LEVEL_STRIDES)

        self.multi_level_cls_convs, self.multi_level_reg_convs = stacks(), stacks()
        self.multi_level_conv_cls = outputs(classes)
        self.multi_level_conv_reg, self.multi_level_conv_obj = outputs(4), outputs(1)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        levels = []
        for level, feature in enumerate(features):
            kinds = self.multi_level_conv_cls[level](self.multi_level_cls_convs[level](feature))
            shapes = self.multi_level_reg_convs[level](feature)
            things, boxes = self.multi_level_conv_obj[level](shapes), self.multi_level_conv_reg[level](shapes)
            levels.append(torch.cat([kinds[:, :1], kinds.amax(1, keepdim=True), things, boxes], 1))
        return levels


def cell_corners(level: Tensor, stride: int) -> Tensor:
    """float [h w, 2], x and y of the top left corners of a level's cells in input pixels, row by row."""
    height, width = level.shape[-2:]
    rows = torch.arange(height, device=level.device, dtype=level.dtype) * stride
    columns = torch.arange(width, device=level.device, dtype=level.dtype) * stride
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], -1).view(-1, 2)


_RENAMINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^backbone\.backbone\.stem\.", "backbone.stem."),
        (r"^backbone\.backbone\.dark2\.", "backbone.stage1."),
        (r"^backbone\.backbone\.dark3\.", "backbone.stage2."),
        (r"^backbone\.backbone\.dark4\.", "backbone.stage3."),
        (r"^backbone\.backbone\.dark5\.", "backbone.stage4."),
        (r"^backbone\.lateral_conv0\.", "neck.reduce_layers.0."),
        (r"^backbone\.reduce_conv1\.", "neck.reduce_layers.1."),
        (r"^backbone\.C3_p4\.", "neck.top_down_blocks.0."),
        (r"^backbone\.C3_p3\.", "neck.top_down_blocks.1."),
        (r"^backbone\.bu_conv2\.", "neck.downsamples.0."),
        (r"^backbone\.bu_conv1\.", "neck.downsamples.1."),
        (r"^backbone\.C3_n3\.", "neck.bottom_up_blocks.0."),
        (r"^backbone\.C3_n4\.", "neck.bottom_up_blocks.1."),
        (r"^head\.stems\.", "neck.out_convs."),
        (r"^head\.(cls|reg)_convs\.", r"bbox_head.multi_level_\1_convs."),
        (r"^head\.(cls|reg|obj)_preds\.", r"bbox_head.multi_level_conv_\1."),
        (r"\.dconv\.", ".depthwise_conv."),
        (r"\.pconv\.", ".pointwise_conv."),
        (r"^((?:backbone\.stage[123]\.1|backbone\.stage4\.2|neck\.\w+_blocks\.\d)\.)conv1\.", r"\1main_conv."),
        (r"^((?:backbone\.stage[123]\.1|backbone\.stage4\.2|neck\.\w+_blocks\.\d)\.)conv2\.", r"\1short_conv."),
        (r"^((?:backbone\.stage[123]\.1|backbone\.stage4\.2|neck\.\w+_blocks\.\d)\.)conv3\.", r"\1final_conv."),
        (r"^((?:backbone\.stage[123]\.1|backbone\.stage4\.2|neck\.\w+_blocks\.\d)\.)m\.", r"\1blocks."),
    )
)
"""From the names of YOLOX's own code to MMDetection's."""


def yolox_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a YOLOX checkpoint of either publisher under MMDetection's names."""
    renamed = {}
    for name, value in tensors.items():
        ours = name.removeprefix("module.")
        for pattern, replacement in _RENAMINGS:
            ours = pattern.sub(replacement, ours)
        renamed[ours] = value
    return renamed
