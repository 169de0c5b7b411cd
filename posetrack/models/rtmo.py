"""RTMO: people and their joints from the cells of two levels, each of which may be of one person.

Lu et al., "RTMO: Towards High-Performance One-Stage Real-Time Multi-Person Pose Estimation", CVPR 2024:
CSPDarknet; the hybrid encoder of RT-DETR (``hybrid_encoder``); a head that gives scores, boxes, visibilities
and a vector for the pose; and, section 3.2, the dynamic coordinate classifier, which turns that vector into
joints on bins within the box. Layers are named as in MMPose 1.x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from posetrack.models.csp import ConvNorm, CSPBackbone, CSPSize, use_darknet_norms
from posetrack.models.dense_networks import cell_corners
from posetrack.models.hybrid_encoder import HybridEncoder, Waves
from posetrack.models.rtmpose import GatedAttention

RTMOS = {
    "rtmo_t": CSPSize(0.33, 0.375, next=False),
    "rtmo_s": CSPSize(0.33, 0.5, next=False),
    "rtmo_m": CSPSize(0.67, 0.75, next=False),
    "rtmo_l": CSPSize(1.0, 1.0, next=False),
}
"""MMPose's configurations rtmo-t to rtmo-l."""

_STRIDES = (16, 32)
_HEAD_WIDTH = 256
_GROUPS = 8
_GROUP_WIDTH = 36
_STACKED = 2
_TOKEN = 128
_CODE = 128
_CODE_TEMPERATURE = 300.0
_BINS = (192, 256)
_BOX_PADDING = 1.25

_TRAINING_ONLY = ("head.loss_", "head.head_module.out_kpt_reg.", "head.dcc.sigma_fc.")
"""Beginnings of the names of tensors that only training uses."""


class Candidates(NamedTuple):
    """What N cells say of a person, in input pixels, 0 at the first one's centre; perhaps of B images.

    Attributes:
        boxes: float [.., N, 4], x1 y1 x2 y2.
        scores: float [.., N].
        visibilities: float [.., N, K], probability that a joint is visible.
        vectors: float [.., N, P], of the pose.
        cells: float [.., N, 2], x and y of the cells' centres.
    """

    boxes: Tensor
    scores: Tensor
    visibilities: Tensor
    vectors: Tensor
    cells: Tensor

    def of(self, chosen: Tensor | int) -> Candidates:
        """Some of them, by mask or indices; or those of one image."""
        return Candidates(*(values[chosen] for values in self))


class RTMO(nn.Module):
    """``forward`` returns float [B, 5 + K + P, h, w] for strides 16 and 32: a score's logit, a box's centre
    relative to the cell's and the logarithms of its sides, all in cells; visibilities' logits; the pose's vector.

    Args:
        name: One of ``RTMOS``.
        joints: Number of joints K.

    Input: float [B, 3, H, W], sides multiples of 32.
    """

    def __init__(self, name: str, joints: int) -> None:
        super().__init__()
        size = RTMOS[name]
        self.backbone = CSPBackbone(size)
        self.neck = HybridEncoder(size, 2 * int(_HEAD_WIDTH * size.width))
        self.head = _Head(size, joints)
        self._joints = joints
        use_darknet_norms(self.backbone)
        use_darknet_norms(self.head.head_module)

    def forward(self, images: Tensor) -> list[Tensor]:
        levels: list[Tensor] = self.head(self.neck(self.backbone(images)))
        return levels

    def candidates(self, levels: Sequence[Tensor]) -> Candidates:
        """All cells of B images, of ``forward``'s output."""
        parts = []
        for level, stride in zip(levels, _STRIDES, strict=True):
            values = level.flatten(2).transpose(1, 2)
            score, offsets, sides, seen, vectors = torch.split(
                values, [1, 2, 2, self._joints, values.shape[-1] - 5 - self._joints], -1
            )
            cells = (cell_corners(level, stride) + (stride - 1) / 2).expand(len(level), -1, -1)
            centres, halves = offsets * stride + cells, sides.exp() * (stride / 2)
            boxes = torch.cat([centres - halves, centres + halves], -1)
            parts.append((boxes, score[..., 0].sigmoid(), seen.sigmoid(), vectors, cells))
        return Candidates(*(torch.cat(values, 1) for values in zip(*parts, strict=True)))


class _Cells(nn.Module):
    """Two stacks of convolutions for each level: one for scores, one, in groups, for everything else."""

    def __init__(self, size: CSPSize, joints: int) -> None:
        super().__init__()
        half, vector = int(_HEAD_WIDTH * size.width), 2 * int(_HEAD_WIDTH * size.width)
        grouped = _GROUPS * int(_GROUP_WIDTH * size.width)

        def outputs(inputs: int, channels: int) -> nn.ModuleList:
            return nn.ModuleList(nn.Conv2d(inputs, channels, 1) for _ in _STRIDES)

        self.conv_cls = nn.ModuleList(
            nn.Sequential(*(ConvNorm(half, half, 3) for _ in range(_STACKED))) for _ in _STRIDES
        )
        self.conv_pose = nn.ModuleList(
            nn.Sequential(
                ConvNorm(half, grouped, 3),
                *(ConvNorm(grouped, grouped, 3, groups=_GROUPS) for _ in range(2 * _STACKED - 1)),
            )
            for _ in _STRIDES
        )
        self.out_cls, self.out_bbox = outputs(half, 1), outputs(grouped, 4)
        self.out_kpt_vis, self.out_pose = outputs(grouped, joints), outputs(grouped, vector)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        levels = []
        for level, feature in enumerate(features):
            people, poses = feature.chunk(2, 1)
            poses = self.conv_pose[level](poses)
            outputs = [out[level](poses) for out in (self.out_bbox, self.out_kpt_vis, self.out_pose)]
            levels.append(torch.cat([self.out_cls[level](self.conv_cls[level](people)), *outputs], 1))
        return levels


class CoordinateClassifier(nn.Module):
    """The dynamic coordinate classifier: of what people's cells say, where their joints are.

    ``forward`` takes ``Candidates`` of one image and returns float [N, K, 2], x and y in input pixels.
    """

    def __init__(self, vector: int, joints: int) -> None:
        super().__init__()
        self.spe = Waves(_CODE, _CODE_TEMPERATURE)
        self.gau = GatedAttention(_TOKEN)
        self.pos_enc = nn.Parameter(torch.randn(joints, self.gau.query))
        self.pose_to_kpts = nn.Sequential(nn.Linear(vector, _TOKEN * joints), nn.BatchNorm1d(_TOKEN * joints))
        self.x_fc, self.y_fc = nn.Linear(_CODE, _TOKEN), nn.Linear(_CODE, _TOKEN)
        self.x_bins: Tensor
        self.y_bins: Tensor
        self.register_buffer("x_bins", torch.linspace(-0.5, 0.5, _BINS[0]))
        self.register_buffer("y_bins", torch.linspace(-0.5, 0.5, _BINS[1]))

    def forward(self, people: Candidates) -> Tensor:
        tokens = self.gau(self.pose_to_kpts(people.vectors).unflatten(1, (-1, _TOKEN)), self.pos_enc)
        first, last = torch.split(people.boxes, 2, -1)
        sides, centres = (last - first) * _BOX_PADDING, (first + last) / 2
        coordinates = []
        for axis, bins, linear in ((0, self.x_bins, self.x_fc), (1, self.y_bins, self.y_fc)):
            spread, centre = bins * sides[:, axis, None], centres[:, axis, None]
            codes = linear(self.spe(spread + (centre - people.cells[:, axis, None])))
            shares = (tokens @ codes.transpose(1, 2)).softmax(-1)
            coordinates.append((shares * (spread + centre)[:, None]).sum(-1))
        return torch.stack(coordinates, -1)


class _Head(nn.Module):
    def __init__(self, size: CSPSize, joints: int) -> None:
        super().__init__()
        self.head_module = _Cells(size, joints)
        self.dcc = CoordinateClassifier(2 * int(_HEAD_WIDTH * size.width), joints)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        levels: list[Tensor] = self.head_module(features)
        return levels


def rtmo_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of MMPose's checkpoint without those that only training uses."""
    return {
        name: value
        for name, value in tensors.items()
        if not name.removeprefix("module.").startswith(_TRAINING_ONLY)
    }
