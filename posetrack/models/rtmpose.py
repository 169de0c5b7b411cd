"""RTMPose: CSPNeXt, and a head that classifies coordinates (SimCC) after a gated attention unit between joints.

Jiang et al., "RTMPose: Real-Time Multi-Person Pose Estimation based on MMPose", 2023, section 3; Hua et al.,
"Transformer Quality in Linear Time", ICML 2022 (the gated attention unit). Layers are named as in MMPose 1.x.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posetrack.models.csp import LEVEL_STRIDES, CSPBackbone, CSPSize
from posetrack.models.pose_format import PoseFormat

RTMPOSES = {
    "rtmpose_t": CSPSize(depth=0.167, width=0.375),
    "rtmpose_s": CSPSize(depth=0.33, width=0.5),
    "rtmpose_m": CSPSize(depth=0.67, width=0.75),
    "rtmpose_l": CSPSize(depth=1.0, width=1.0),
    "rtmpose_x": CSPSize(depth=1.33, width=1.25),
}
"""MMPose's configurations rtmpose-t to rtmpose-x."""

_KERNEL = 7
_HIDDEN = 256
_QUERY = 128


class RTMPose(nn.Module):
    """Two classifications per joint, of x and of y.

    Args:
        name: One of ``RTMPOSES``.
        form: Input size, joints, and bins per pixel. Sides are multiples of 32.

    ``forward`` takes float [B, 3, height, width] and returns float [B, K, width s] and [B, K, height s] for s bins
    per pixel.
    """

    def __init__(self, name: str, form: PoseFormat) -> None:
        super().__init__()
        size = RTMPOSES[name]
        self.backbone = CSPBackbone(size)
        self.head = _Head(size.channels[-1], form)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        bins: tuple[Tensor, Tensor] = self.head(self.backbone(images)[-1])
        return bins


class _Head(nn.Module):
    """A 7x7 convolution to a map per joint, which becomes a token; attention between tokens; two linear layers."""

    def __init__(self, channels: int, form: PoseFormat) -> None:
        super().__init__()
        cells = (form.width // LEVEL_STRIDES[-1]) * (form.height // LEVEL_STRIDES[-1])
        self.final_layer = nn.Conv2d(channels, len(form.channels), _KERNEL, padding=_KERNEL // 2)
        self.mlp = nn.Sequential(ScaleNorm(cells), nn.Linear(cells, _HIDDEN, bias=False))
        self.gau = GatedAttention(_HIDDEN)
        self.cls_x = nn.Linear(_HIDDEN, int(form.width * form.split_ratio), bias=False)
        self.cls_y = nn.Linear(_HIDDEN, int(form.height * form.split_ratio), bias=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        tokens = self.gau(self.mlp(self.final_layer(features).flatten(2)))
        return self.cls_x(tokens), self.cls_y(tokens)


class ScaleNorm(nn.Module):
    """Tokens of ``channels`` values divided by their root mean square, times a learnt factor."""

    def __init__(self, channels: int, least: float = 1e-5) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1))
        self._factor = channels**-0.5
        self._least = least

    def forward(self, tokens: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(tokens, dim=-1, keepdim=True) * self._factor
        return tokens / length.clamp(min=self._least) * self.g


class _Scale(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.scale


class GatedAttention(nn.Module):
    """Attention whose weights are squared ReLUs, with gated values; around it a scaled shortcut.

    Args:
        channels: Of the tokens.

    ``forward`` takes float [B, K, channels] and, perhaps, what is added to queries and keys, float [K, query].

    Attributes:
        query: Length of queries and keys.
    """

    query = _QUERY

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._expanded = 2 * channels
        self.ln = ScaleNorm(channels)
        self.uv = nn.Linear(channels, 2 * self._expanded + _QUERY, bias=False)
        self.gamma = nn.Parameter(torch.rand(2, _QUERY))
        self.beta = nn.Parameter(torch.rand(2, _QUERY))
        self.o = nn.Linear(self._expanded, channels, bias=False)
        self.res_scale = _Scale(channels)

    def forward(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        mixed = nn.functional.silu(self.uv(self.ln(tokens)))
        gates, values, base = torch.split(mixed, [self._expanded, self._expanded, _QUERY], dim=-1)
        queries, keys = (base.unsqueeze(2) * self.gamma + self.beta).unbind(2)
        if positions is not None:
            queries, keys = queries + positions, keys + positions
        weights = nn.functional.relu(queries @ keys.transpose(1, 2) / _QUERY**0.5).square()
        attended: Tensor = self.res_scale(tokens) + self.o(gates * (weights @ values))
        return attended
