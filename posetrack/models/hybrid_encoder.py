"""The hybrid encoder of RT-DETR: attention over the coarsest level, and a path aggregation network.

Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", CVPR 2024, section 4.2, as RTMO uses it. Layers are
named as in MMPose 1.x.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from posetrack.models.csp import ConvNorm, CSPSize

_HIDDEN = 256
_ATTENTION_HEADS = 8
_FEED_FORWARD = 1024
_TEMPERATURE = 10_000.0
_MIXED = 3


class Waves(nn.Module):
    """Positions as cosines and sines of geometrically spaced wavelengths: float [..] to [.., channels].

    Args:
        channels: Half of them are cosines.
        temperature: Longest wavelength, as a multiple of 2 pi.
    """

    def __init__(self, channels: int, temperature: float) -> None:
        super().__init__()
        half = channels // 2
        self.dim_t: Tensor
        self.register_buffer("dim_t", temperature ** (torch.arange(half, dtype=torch.float32) / half))

    def forward(self, positions: Tensor) -> Tensor:
        angles = positions.unsqueeze(-1) / self.dim_t
        return torch.cat([angles.cos(), angles.sin()], -1)


class _SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(_HIDDEN, _ATTENTION_HEADS, batch_first=True)

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        placed = tokens + positions
        attended: Tensor = self.attn(placed, placed, tokens, need_weights=False)[0]
        return tokens + attended


class _FeedForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        hidden = nn.Sequential(nn.Linear(_HIDDEN, _FEED_FORWARD), nn.GELU())
        self.layers = nn.Sequential(hidden, nn.Linear(_FEED_FORWARD, _HIDDEN))

    def forward(self, tokens: Tensor) -> Tensor:
        changed: Tensor = tokens + self.layers(tokens)
        return changed


class _EncoderLayer(nn.Module):
    """Attention between a map's cells, and a feed-forward network; each with a shortcut and then a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = _SelfAttention()
        self.ffn = _FeedForward()
        self.norms = nn.ModuleList(nn.LayerNorm(_HIDDEN) for _ in range(2))

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        encoded: Tensor = self.norms[1](self.ffn(self.norms[0](self.self_attn(tokens, positions))))
        return encoded


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_EncoderLayer()])

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        for layer in self.layers:
            tokens = layer(tokens, positions)
        return tokens


class _Branches(nn.Module):
    """A 3x3 and a 1x1 convolution side by side (Ding et al., "RepVGG", CVPR 2021)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch_3x3 = _inactive(ConvNorm(channels, channels, 3))
        self.branch_1x1 = _inactive(ConvNorm(channels, channels))
        self.act = nn.SiLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        both: Tensor = self.act(self.branch_3x3(features) + self.branch_1x1(features))
        return both


class _Mix(nn.Module):
    """Two levels mixed: a 1x1 convolution and blocks beside another 1x1 convolution, added."""

    def __init__(self, size: CSPSize) -> None:
        super().__init__()
        width = int(_HIDDEN * size.width)
        self.conv1 = ConvNorm(2 * _HIDDEN, width)
        self.conv2 = ConvNorm(2 * _HIDDEN, width)
        self.bottlenecks = nn.Sequential(*(_Branches(width) for _ in range(size.blocks(_MIXED))))
        self.conv3 = ConvNorm(width, _HIDDEN) if width != _HIDDEN else nn.Identity()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        both = torch.cat([first, second], 1)
        mixed: Tensor = self.conv3(self.bottlenecks(self.conv1(both)) + self.conv2(both))
        return mixed


class _Projector(nn.Module):
    def __init__(self, levels: int, outputs: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_inactive(ConvNorm(_HIDDEN, outputs)) for _ in range(levels))

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        return [convolution(level) for convolution, level in zip(self.convs, levels, strict=True)]


class HybridEncoder(nn.Module):
    """Attention, then levels mixed from coarse to fine and from fine to coarse.

    ``forward`` takes a backbone's three levels and returns the two coarser ones, of ``outputs`` channels each.
    """

    def __init__(self, size: CSPSize, outputs: int) -> None:
        super().__init__()
        widths = size.channels[-3:]
        steps = len(widths) - 1
        self.input_proj = nn.ModuleList(_inactive(ConvNorm(width, _HIDDEN)) for width in widths)
        self.encoder = nn.ModuleList([_Encoder()])
        self.sincos_pos_enc = Waves(_HIDDEN // 2, _TEMPERATURE)
        self.lateral_convs = nn.ModuleList(ConvNorm(_HIDDEN, _HIDDEN) for _ in range(steps))
        self.fpn_blocks = nn.ModuleList(_Mix(size) for _ in range(steps))
        self.downsample_convs = nn.ModuleList(ConvNorm(_HIDDEN, _HIDDEN, 3, 2) for _ in range(steps))
        self.pan_blocks = nn.ModuleList(_Mix(size) for _ in range(steps))
        self.projector = _Projector(steps, outputs)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        fine, middle, coarse = (layer(level) for layer, level in zip(self.input_proj, levels, strict=True))
        downwards = [self._encoded(coarse)]
        for lateral, mix, finer in zip(self.lateral_convs, self.fpn_blocks, (middle, fine), strict=True):
            downwards[0] = lateral(downwards[0])
            wide = nn.functional.interpolate(downwards[0], scale_factor=2.0, mode="nearest")
            downwards.insert(0, mix(wide, finer))
        upwards = [downwards[0]]
        for down, mix, coarser in zip(self.downsample_convs, self.pan_blocks, downwards[1:], strict=True):
            upwards.append(mix(down(upwards[-1]), coarser))
        projected: list[Tensor] = self.projector(upwards[1:])
        return projected

    def _encoded(self, features: Tensor) -> Tensor:
        """The same map [B, C, h, w] after attention between its cells."""
        height, width = features.shape[-2:]
        rows, columns = (
            self.sincos_pos_enc(torch.arange(side, device=features.device, dtype=torch.float32))
            for side in (height, width)
        )
        positions = torch.cat(
            [rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)], -1
        ).flatten(0, 1)
        tokens: Tensor = self.encoder[0](features.flatten(2).transpose(1, 2), positions)
        return tokens.transpose(1, 2).reshape(features.shape)


def _inactive(layer: ConvNorm) -> ConvNorm:
    """The same without its activation."""
    layer.activate = nn.Identity()
    return layer
