"""ViTPose: a plain vision transformer, and a decoder of two transposed convolutions or one convolution.

Xu, Zhang, Zhang, Tao: "ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation", NeurIPS 2022; of
the same authors, "ViTPose++", 2023: a part of every feed-forward network's output comes from an expert for the
data set. Layers are named as in Hugging Face's ``VitPoseForPoseEstimation``; ``vitpose_tensors`` translates
MMPose's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from posetrack.models.pose_format import PoseFormat

_PATCH = 16
_PATCH_PADDING = 2
_DECODER = 256
_EXPERTS = 6
_COCO_EXPERT = 0
_EPSILON, _HUGGING_FACES_EPSILON = 1e-6, 1e-12
"""Of layer norms: as the authors and MMPose have it; and the default that Hugging Face's files leave unchanged."""


class _Size(NamedTuple):
    """Width, depth and attention heads; width of the experts' outputs."""

    width: int
    depth: int
    heads: int
    experts_width: int


_SIZES = {
    "small": _Size(384, 12, 12, 96),
    "base": _Size(768, 12, 12, 192),
    "large": _Size(1024, 24, 16, 256),
    "huge": _Size(1280, 32, 16, 320),
}

VITPOSES = (
    *(f"vitpose_{size}" for size in _SIZES),
    *(f"vitpose_{size}_simple" for size in _SIZES),
    *(f"vitpose_plus_{size}" for size in _SIZES),
)
"""Names of the networks: with two transposed convolutions, with the simple decoder, with experts."""


class ViTPose(nn.Module):
    """Heatmaps of one person's joints.

    Args:
        name: One of ``VITPOSES``.
        form: Input size and joints. Sides are multiples of 16.

    ``forward`` takes float [B, 3, height, width] and returns float [B, K, height/4, width/4]. Networks with
    experts use COCO's.
    """

    def __init__(self, name: str, form: PoseFormat) -> None:
        super().__init__()
        size = _SIZES[name.removesuffix("_simple").rpartition("_")[2]]
        self.backbone = _Transformer(size, form, experts="_plus_" in name)
        joints = len(form.channels)
        self.head = _Simple(size.width, joints) if name.endswith("_simple") else _Classic(size.width, joints)
        self._features = (size.width, form.height // _PATCH, form.width // _PATCH)

    def forward(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.backbone(images)
        heatmaps: Tensor = self.head(tokens.transpose(1, 2).reshape(-1, *self._features))
        return heatmaps


class _Transformer(nn.Module):
    def __init__(self, size: _Size, form: PoseFormat, *, experts: bool) -> None:
        super().__init__()
        patches = (form.height // _PATCH) * (form.width // _PATCH)
        self.embeddings = _Embeddings(size.width, patches)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(_Layer(size, experts) for _ in range(size.depth))
        self.layernorm = nn.LayerNorm(size.width, eps=_EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.embeddings(images)
        for layer in self.encoder.get_submodule("layer").children():
            tokens = layer(tokens)
        normed: Tensor = self.layernorm(tokens)
        return normed


class _Embeddings(nn.Module):
    """Patches of 16x16 pixels as tokens, with positions; a position of no patch is added to all."""

    def __init__(self, width: int, patches: int) -> None:
        super().__init__()
        self.patch_embeddings = nn.Module()
        self.patch_embeddings.projection = nn.Conv2d(3, width, _PATCH, _PATCH, _PATCH_PADDING)
        self.position_embeddings = nn.Parameter(torch.zeros(1, patches + 1, width))

    def forward(self, images: Tensor) -> Tensor:
        patches: Tensor = self.patch_embeddings.get_submodule("projection")(images)
        positions = self.position_embeddings
        return patches.flatten(2).transpose(1, 2) + positions[:, 1:] + positions[:, :1]


class _Layer(nn.Module):
    """Attention and a feed-forward network, each after a layer norm and around a shortcut."""

    def __init__(self, size: _Size, experts: bool) -> None:
        super().__init__()
        self.layernorm_before = nn.LayerNorm(size.width, eps=_EPSILON)
        self.attention = _Attention(size)
        self.layernorm_after = nn.LayerNorm(size.width, eps=_EPSILON)
        self.mlp = _Experts(size) if experts else _FeedForward(size.width, size.width)

    def forward(self, tokens: Tensor) -> Tensor:
        attended = tokens + self.attention(self.layernorm_before(tokens))
        out: Tensor = attended + self.mlp(self.layernorm_after(attended))
        return out


class _Attention(nn.Module):
    def __init__(self, size: _Size) -> None:
        super().__init__()
        self.attention = nn.Module()
        for name in ("query", "key", "value"):
            self.attention.add_module(name, nn.Linear(size.width, size.width))
        self.output = nn.Module()
        self.output.dense = nn.Linear(size.width, size.width)
        self._heads = size.heads

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = (
            layer(tokens).unflatten(2, (self._heads, -1)).transpose(1, 2) for layer in self.attention.children()
        )
        attended = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.output.get_submodule("dense")(attended.transpose(1, 2).flatten(2))
        return out


class _FeedForward(nn.Module):
    """Two layers with four times as many values between them."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return out


class _Experts(_FeedForward):
    """The last part of the output comes from the data set's expert."""

    def __init__(self, size: _Size) -> None:
        super().__init__(size.width, size.width - size.experts_width)
        self.experts = nn.ModuleList(nn.Linear(4 * size.width, size.experts_width) for _ in range(_EXPERTS))

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = functional.gelu(self.fc1(tokens))
        return torch.cat([self.fc2(hidden), self.experts[_COCO_EXPERT](hidden)], -1)


class _Classic(nn.Module):
    """Two transposed convolutions and a 1x1 one."""

    def __init__(self, width: int, joints: int) -> None:
        super().__init__()
        self.deconv1 = nn.ConvTranspose2d(width, _DECODER, 4, 2, 1, bias=False)
        self.batchnorm1 = nn.BatchNorm2d(_DECODER)
        self.deconv2 = nn.ConvTranspose2d(_DECODER, _DECODER, 4, 2, 1, bias=False)
        self.batchnorm2 = nn.BatchNorm2d(_DECODER)
        self.conv = nn.Conv2d(_DECODER, joints, 1)

    def forward(self, features: Tensor) -> Tensor:
        features = functional.relu(self.batchnorm1(self.deconv1(features)))
        heatmaps: Tensor = self.conv(functional.relu(self.batchnorm2(self.deconv2(features))))
        return heatmaps


class _Simple(nn.Module):
    """Four times the resolution, bilinearly, and a 3x3 convolution."""

    def __init__(self, width: int, joints: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, joints, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        rows = functional.relu(features.contiguous())  # scaled as the publishers do, to the last bit
        wide = functional.interpolate(rows, scale_factor=4, mode="bilinear", align_corners=False)
        heatmaps: Tensor = self.conv(wide)
        return heatmaps


_RENAMINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^backbone\.patch_embed\.(projection|proj)\.", "backbone.embeddings.patch_embeddings.projection."),
        (r"^backbone\.pos_embed$", "backbone.embeddings.position_embeddings"),
        (r"^backbone\.(ln1|last_norm)\.", "backbone.layernorm."),
        (r"^backbone\.(layers|blocks)\.(\d+)\.", r"backbone.encoder.layer.\2."),
        (r"\.(ln1|norm1)\.", ".layernorm_before."),
        (r"\.(ln2|norm2)\.", ".layernorm_after."),
        (r"\.attn\.proj\.", ".attention.output.dense."),
        (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."),
        (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
        (r"^keypoint_head\.", "head."),
        (r"^head\.deconv_layers\.0\.", "head.deconv1."),
        (r"^head\.deconv_layers\.1\.", "head.batchnorm1."),
        (r"^head\.deconv_layers\.3\.", "head.deconv2."),
        (r"^head\.deconv_layers\.4\.", "head.batchnorm2."),
        (r"^head\.final_layer\.", "head.conv."),
    )
)
"""From MMPose 1.x's names, and those of the authors' code, to ours."""

_POSITIONS = "backbone.embeddings.position_embeddings"
_FUSED = re.compile(r"(backbone\.encoder\.layer\.\d+)\.attn\.qkv\.(weight|bias)")


def set_epsilon(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a network's layer norms the epsilon of the publisher whose checkpoint has these tensors."""
    if any(name.startswith("backbone.embeddings.") for name in tensors):
        for module in network.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = _HUGGING_FACES_EPSILON


def vitpose_tensors(tensors: Mapping[str, Tensor], form: PoseFormat) -> dict[str, Tensor]:
    """The tensors of any publisher's checkpoint under our names.

    MMPose and the authors keep query, key and value in one tensor. MMPose's positions have none that belongs to no
    patch: it becomes zero.
    """
    renamed: dict[str, Tensor] = {}
    for name, value in tensors.items():
        ours = name.removeprefix("module.")
        for pattern, replacement in _RENAMINGS:
            ours = pattern.sub(replacement, ours)
        fused = _FUSED.fullmatch(ours)
        if fused and value.dim() and value.shape[0] % 3 == 0:
            for part, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[f"{fused[1]}.attention.attention.{part}.{fused[2]}"] = third
        else:
            renamed[ours] = value
    positions = renamed.get(_POSITIONS)
    patches = (form.height // _PATCH) * (form.width // _PATCH)
    if positions is not None and positions.dim() == 3 and positions.shape[1] == patches:
        renamed[_POSITIONS] = functional.pad(positions, (0, 0, 1, 0))
    return renamed
