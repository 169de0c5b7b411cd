"""ViTPose a second time, with functions on plain tensors, under MMPose 1.x's names.

Sources: Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, equations 1 to 4 (a norm before attention
and before the two-layer network, each around a shortcut); Xu et al., "ViTPose", NeurIPS 2022, section 3 (patches
of 16 pixels, the two decoders), and MMPose's configurations (patches padded by 2 pixels, 12 heads in the small
one); "ViTPose++", section 3.3 (the last part of a layer's output comes from an expert).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.reference_networks import Tape

SIZES = {"small": (384, 12, 12, 96), "base": (768, 12, 12, 192), "large": (1024, 24, 16, 256)}
"""Width, depth, heads, and the width that experts give."""


def _linear(tape: Tape, x: Tensor, name: str, outputs: int) -> Tensor:
    return tape.dense(x, name, outputs) + tape.draw(f"{name}.bias", outputs, scale=0.1)


def _normed(tape: Tape, x: Tensor, name: str) -> Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    spread = (centred.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt()
    gain = tape.draw(f"{name}.weight", x.shape[-1], scale=0.1, offset=1.0)
    return centred / spread * gain + tape.draw(f"{name}.bias", x.shape[-1], scale=0.1)


def _attention(tape: Tape, x: Tensor, name: str, heads: int) -> Tensor:
    width = x.shape[-1]
    mixed = _linear(tape, x, f"{name}.qkv", 3 * width)
    found = []
    for head in range(heads):
        rows = slice(head * width // heads, (head + 1) * width // heads)
        query, key, value = (mixed[..., third * width : (third + 1) * width][..., rows] for third in range(3))
        weights = torch.softmax(torch.einsum("bqc,bkc->bqk", query, key) / (width / heads) ** 0.5, dim=-1)
        found.append(torch.einsum("bqk,bkc->bqc", weights, value))
    return _linear(tape, torch.cat(found, dim=-1), f"{name}.proj", width)


def _gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / 2**0.5)) / 2


def vitpose(tape: Tape, images: Tensor, size: str, decoder: str, joints: int = 17) -> Tensor:
    """Heatmaps; ``decoder`` is ``classic``, ``simple``, or ``experts`` (classic, with experts before it)."""
    width, depth, heads, part = SIZES[size]
    name = "backbone.patch_embed.projection"
    weight = tape.draw(f"{name}.weight", width, 3, 16, 16, scale=1 / 28)
    patches = F.conv2d(F.pad(images, (2, 2, 2, 2)), weight, tape.draw(f"{name}.bias", width, scale=0.1), stride=16)
    rows, columns = patches.shape[2:]
    x = patches.reshape(len(images), width, -1).swapaxes(1, 2)
    x = x + tape.draw("backbone.pos_embed", 1, rows * columns, width, scale=0.2)
    for layer in range(depth):
        here = f"backbone.layers.{layer}"
        x = x + _attention(tape, _normed(tape, x, f"{here}.ln1"), f"{here}.attn", heads)
        hidden = _gelu(_linear(tape, _normed(tape, x, f"{here}.ln2"), f"{here}.ffn.layers.0.0", 4 * width))
        if decoder == "experts":
            experts = [_linear(tape, hidden, f"{here}.mlp.experts.{number}", part) for number in range(6)]
            own = _linear(tape, hidden, f"{here}.ffn.layers.1", width - part)
            x = x + torch.cat([own, experts[0]], dim=-1)
        else:
            x = x + _linear(tape, hidden, f"{here}.ffn.layers.1", width)
    x = _normed(tape, x, "backbone.ln1").swapaxes(1, 2).reshape(len(images), width, rows, columns)
    if decoder == "simple":
        x = F.interpolate(F.relu(x), size=(4 * rows, 4 * columns), mode="bilinear", align_corners=False)
        return tape.biased(tape.conv(x, "head.final_layer", joints, 3), "head.final_layer")
    for place in (0, 3):
        x = F.relu(
            tape.norm(tape.deconv(x, f"head.deconv_layers.{place}", 256), f"head.deconv_layers.{place + 1}")
        )
    return tape.biased(tape.conv(x, "head.final_layer", joints, 1), "head.final_layer")


def hugging_face(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors as ``transformers`` names and divides them."""
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        part = name.split(".")
        if part[:2] == ["backbone", "layers"]:
            here, rest = f"backbone.encoder.layer.{part[2]}", ".".join(part[3:])
            if rest.startswith("attn.qkv"):
                for third, label in enumerate(("query", "key", "value")):
                    rows = len(value) // 3
                    piece = value[third * rows : (third + 1) * rows].clone()
                    found[f"{here}.attention.attention.{label}.{part[-1]}"] = piece
                continue
            for theirs, ours in (
                ("attn.proj", "attention.output.dense"), ("ln1", "layernorm_before"), ("ln2", "layernorm_after"),
                ("ffn.layers.0.0", "mlp.fc1"), ("ffn.layers.1", "mlp.fc2"),
            ):  # fmt: skip
                rest = rest.replace(theirs, ours)
            found[f"{here}.{rest}"] = value
        elif name == "backbone.pos_embed":
            first = torch.full_like(value[:, :1], 0.25)
            found["backbone.embeddings.position_embeddings"] = torch.cat([first, value - 0.25], dim=1)
        else:
            for theirs, ours in (
                ("backbone.patch_embed.", "backbone.embeddings.patch_embeddings."),
                ("backbone.ln1", "backbone.layernorm"), ("deconv_layers.0", "deconv1"),
                ("deconv_layers.1", "batchnorm1"), ("deconv_layers.3", "deconv2"),
                ("deconv_layers.4", "batchnorm2"), ("final_layer", "conv"),
            ):  # fmt: skip
                name = name.replace(theirs, ours)
            found[name] = value
    return found
