"""RTMO a second time, with functions on plain tensors.

Sources: Lu et al., CVPR 2024, section 3 and figure 3, and MMPose's configurations (two levels, groups of 36
channels, 192 and 256 bins in boxes a quarter larger, codes of 128 values with temperature 300); Zhao et al.,
"RT-DETR", CVPR 2024, section 4 (the hybrid encoder: attention over the coarsest level, then fusion); Vaswani
et al., 2017, section 3 (attention, sinusoids). Weights come from a ``Tape``, under MMPose's names.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.reference_networks import Tape
from tests.reference_rtm import backbone, unit

_HIDDEN = 256
_TOKEN = 128
_QUERY = 128


def cells(weights: dict[str, Tensor], x: Tensor, depth: float, width: float, joints: int) -> list[Tensor]:
    """For strides 16 and 32 float [B, h w, 5 + joints + P]: score, box, visibilities, the pose's vector."""
    dark, plain = Tape(seed=5, epsilon=1e-3), Tape(seed=6)
    dark.weights = plain.weights = weights
    levels = _neck(plain, backbone(dark, x, depth, width, "darknet"), depth, width)
    found = []
    half, vector, grouped = int(256 * width), int(512 * width), 8 * int(36 * width)
    for level, feature in enumerate(levels):
        people, poses = feature[:, :half], feature[:, half:]
        for layer in (0, 1):
            people = unit(dark, people, f"head.head_module.conv_cls.{level}.{layer}", half, 3)
        for layer in range(4):
            name = f"head.head_module.conv_pose.{level}.{layer}"
            poses = unit(dark, poses, name, grouped, 3) if layer == 0 else _in_groups(dark, poses, name)
        maps = []
        outputs = (("cls", 1, people), ("bbox", 4, poses), ("kpt_vis", joints, poses), ("pose", vector, poses))
        for label, channels, y in outputs:
            scale = 0.3 if label == "bbox" else 1.0
            name = f"head.head_module.out_{label}.{level}"
            weight = dark.draw(f"{name}.weight", channels, y.shape[1], 1, 1, scale=scale * y.shape[1] ** -0.5)
            bias = dark.draw(f"{name}.bias", channels, scale=0.1, offset=1.2 if label == "bbox" else 0.0)
            maps.append(torch.einsum("bchw,oc->bhwo", y, weight[:, :, 0, 0]) + bias)
        found.append(torch.cat(maps, dim=-1).flatten(1, 2))
    return found


def _in_groups(tape: Tape, x: Tensor, name: str) -> Tensor:
    """A 3x3 convolution within each of eight groups of channels, norm, activation."""
    channels = x.shape[1]
    inputs = channels // 8
    weight = tape.draw(f"{name}.conv.weight", channels, inputs, 3, 3, scale=(2 / (9 * inputs)) ** 0.5)
    parts = [F.conv2d(*pair, padding=1) for pair in zip(x.chunk(8, 1), weight.chunk(8), strict=True)]
    y = tape.norm(torch.cat(parts, dim=1), f"{name}.bn")
    return y * torch.sigmoid(y)


def _linear(tape: Tape, x: Tensor, name: str, outputs: int, scale: float = 1.0) -> Tensor:
    return tape.dense(x, name, outputs, scale) + tape.draw(f"{name}.bias", outputs, scale=0.1)


def _normed(tape: Tape, x: Tensor, name: str, outputs: int) -> Tensor:
    """A 1x1 convolution and its norm."""
    return tape.norm(tape.conv(x, f"{name}.conv", outputs, 1), f"{name}.bn")


def _neck(tape: Tape, levels: list[Tensor], depth: float, width: float) -> list[Tensor]:
    fine, middle, coarse = (
        _normed(tape, level, f"neck.input_proj.{number}", _HIDDEN) for number, level in enumerate(levels)
    )
    coarse = unit(tape, _attended(tape, coarse), "neck.lateral_convs.0", _HIDDEN)
    middle = _fused(tape, _doubled(coarse), middle, "neck.fpn_blocks.0", depth, width)
    middle = unit(tape, middle, "neck.lateral_convs.1", _HIDDEN)
    fine = _fused(tape, _doubled(middle), fine, "neck.fpn_blocks.1", depth, width)
    halved = unit(tape, fine, "neck.downsample_convs.0", _HIDDEN, 3, 2)
    middle = _fused(tape, halved, middle, "neck.pan_blocks.0", depth, width)
    halved = unit(tape, middle, "neck.downsample_convs.1", _HIDDEN, 3, 2)
    coarse = _fused(tape, halved, coarse, "neck.pan_blocks.1", depth, width)
    outputs = int(512 * width)
    return [
        _normed(tape, x, f"neck.projector.convs.{number}", outputs) for number, x in enumerate((middle, coarse))
    ]


def _doubled(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def _fused(tape: Tape, first: Tensor, second: Tensor, name: str, depth: float, width: float) -> Tensor:
    both = torch.cat([first, second], dim=1)
    inner = int(_HIDDEN * width)
    x = unit(tape, both, f"{name}.conv1", inner)
    for block in range(round(3 * depth)):
        branches = [f"{name}.bottlenecks.{block}.branch_{size}x{size}" for size in (3, 1)]
        y = tape.norm(tape.conv(x, f"{branches[0]}.conv", inner, 3), f"{branches[0]}.bn")
        y = y + _normed(tape, x, branches[1], inner)
        x = y * torch.sigmoid(y)
    return unit(tape, x + unit(tape, both, f"{name}.conv2", inner), f"{name}.conv3", _HIDDEN)


def _waves(tape: Tape, places: Tensor, name: str, temperature: float) -> Tensor:
    """64 cosines, then 64 sines."""
    periods = torch.tensor([temperature ** (number / 64) for number in range(64)], dtype=torch.float32)
    tape.weights[f"{name}.dim_t"] = periods
    return torch.cat([torch.cos(places[..., None] / periods), torch.sin(places[..., None] / periods)], dim=-1)


def _attended(tape: Tape, x: Tensor) -> Tensor:
    """One layer of a transformer between the cells of a map, with eight heads of 32 values."""
    batch, channels, height, width = x.shape
    name = "neck.encoder.0.layers.0"
    rows = torch.arange(height).repeat_interleave(width).to(x.dtype)
    columns = torch.arange(width).repeat(height).to(x.dtype)
    places = torch.cat([_waves(tape, each, "neck.sincos_pos_enc", 1e4) for each in (rows, columns)], dim=1)
    tokens = x.flatten(2).mT
    weight = tape.draw(f"{name}.self_attn.attn.in_proj_weight", 3 * channels, channels, scale=channels**-0.5)
    bias = tape.draw(f"{name}.self_attn.attn.in_proj_bias", 3 * channels, scale=0.1)
    query, key, value = (
        (each @ part.T + offset).reshape(batch, -1, 8, 32)
        for each, part, offset in zip(
            (tokens + places, tokens + places, tokens), weight.chunk(3), bias.chunk(3), strict=True
        )
    )
    shares = (torch.einsum("bqnd,bknd->bnqk", query, key) / 32**0.5).softmax(dim=-1)
    mixed = torch.einsum("bnqk,bknd->bqnd", shares, value).flatten(2)
    tokens = _layer_norm(tape, tokens + _linear(tape, mixed, f"{name}.self_attn.attn.out_proj", channels), name, 0)
    wide = _linear(tape, tokens, f"{name}.ffn.layers.0.0", 1024)
    wide = wide * (1 + torch.erf(wide / 2**0.5)) / 2
    tokens = _layer_norm(tape, tokens + _linear(tape, wide, f"{name}.ffn.layers.1", channels), name, 1)
    return tokens.mT.reshape(x.shape)


def _layer_norm(tape: Tape, x: Tensor, name: str, number: int) -> Tensor:
    weight = tape.draw(f"{name}.norms.{number}.weight", _HIDDEN, scale=0.1, offset=1.0)
    bias = tape.draw(f"{name}.norms.{number}.bias", _HIDDEN, scale=0.1)
    apart = x - x.mean(dim=-1, keepdim=True)
    return apart / torch.sqrt(apart.square().mean(dim=-1, keepdim=True) + 1e-5) * weight + bias


def joints_of(weights: dict[str, Tensor], vectors: Tensor, boxes: Tensor, centres: Tensor, joints: int) -> Tensor:
    """float [N, joints, 2] of N cells: pose vectors, boxes x1 y1 x2 y2, and centres x y, in input pixels."""
    tape = Tape(seed=7)
    tape.weights = weights
    x = _linear(tape, vectors, "head.dcc.pose_to_kpts.0", joints * _TOKEN)
    x = tape.norm(x[..., None, None], "head.dcc.pose_to_kpts.1")[..., 0, 0].reshape(-1, joints, _TOKEN)
    tokens = _gated(tape, x)
    places = []
    for axis, (label, count) in enumerate((("x", 192), ("y", 256))):
        bins = torch.linspace(-0.5, 0.5, count)
        weights[f"head.dcc.{label}_bins"] = bins
        low, high = boxes[:, axis], boxes[:, axis + 2]
        spots = (low + high)[:, None] / 2 + 1.25 * (high - low)[:, None] * bins
        codes = _waves(tape, spots - centres[:, axis, None], "head.dcc.spe", 300.0)
        codes = _linear(tape, codes, f"head.dcc.{label}_fc", _TOKEN, 0.1)
        shares = torch.einsum("nkt,nbt->nkb", tokens, codes).softmax(dim=-1)
        places.append(torch.einsum("nkb,nb->nk", shares, spots))
    return torch.stack(places, dim=-1)


def _gated(tape: Tape, x: Tensor) -> Tensor:
    """The gated attention unit between joints, with learnt positions for queries and keys."""
    name = "head.dcc.gau"
    factor = tape.draw(f"{name}.ln.g", 1, scale=0.1, offset=1.0)
    scaled = x / x.square().mean(dim=-1, keepdim=True).sqrt().clamp(min=1e-5) * factor
    mixed = tape.dense(scaled, f"{name}.uv", 4 * _TOKEN + _QUERY)
    mixed = mixed * torch.sigmoid(mixed)
    gates, values, base = mixed[..., : 2 * _TOKEN], mixed[..., 2 * _TOKEN : 4 * _TOKEN], mixed[..., 4 * _TOKEN :]
    gamma = tape.draw(f"{name}.gamma", 2, _QUERY, scale=0.3)
    beta = tape.draw(f"{name}.beta", 2, _QUERY, scale=0.3)
    positions = tape.draw("head.dcc.pos_enc", x.shape[1], _QUERY, scale=0.5)
    query, key = (base * gamma[row] + beta[row] + positions for row in (0, 1))
    attended = torch.relu(query @ key.mT / _QUERY**0.5).square() @ values
    scale = tape.draw(f"{name}.res_scale.scale", _TOKEN, scale=0.1, offset=1.0)
    return x * scale + tape.dense(gates * attended, f"{name}.o", _TOKEN)
