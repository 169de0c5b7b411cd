"""Remedies for weights that do not fit a network: names the network they belong to, if they show it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor, nn

from posetrack.skeletons import SKELETONS

COUNTER = ".num_batches_tracked"
"""Batch norm's count of training batches, which does not affect the output. PyTorch has it since 0.4.1."""

_FAMILIES = {
    "bbox_head.rtm_cls.": "RTMDet",
    "bbox_head.multi_level_conv_cls.": "YOLOX",
    "head.cls_preds.": "YOLOX",
    "head.dcc.": "RTMO",
    "head.gau.": "RTMPose",
    "head.mlp_head_x.": "a ResNet with SimCC",
    "backbone.layers.0.attn.": "ViTPose",
    "backbone.blocks.0.attn.": "ViTPose",
    "encoder.layer.0.attention.": "ViTPose",
    "roi_heads.": "Faster R-CNN",
    "head.classification_head.": "a one-stage detector of torchvision",
    "head.loss_module.": "a ResNet with RLE",
    "head.fc.": "an image classifier or a ResNet with regression",
    "stage4.0.branches.": "HRNet",
    "deconv_layers.": "SimpleBaseline",
}
"""Parts of names by which families of networks are known, the more special ones first."""


def of_another(name: str) -> str:
    """What to do about a checkpoint of another network whose name is known."""
    return f"it is a checkpoint of {name}"


def of_another_family(wanted: str, names: Collection[str]) -> str:
    """The same where at most its family is known.

    Args:
        wanted: Name of the network that the checkpoint should fit.
        names: Of the checkpoint's tensors.
    """
    family = next((family for part, family in _FAMILIES.items() if any(part in name for name in names)), None)
    return f"it is not a checkpoint of {wanted}" + (f" but of {family}" if family else "")


def for_joints(found: int, wanted: int) -> str:
    """What to do about a network that gives so many joints, where the skeleton has others."""
    names = [skeleton.name for skeleton in SKELETONS.values() if len(skeleton) == found]
    advice = f"say --skeleton {' or '.join(names)}" if names else "no known skeleton has as many"
    return f"it gives {found} joints, and not {wanted}: {advice}"


def which_of(
    family: Mapping[str, Callable[[], nn.Module]], part: str, name: str, weights: Mapping[str, Tensor]
) -> str:
    """What to do about weights that do not fit a network, from the other networks of its family.

    Args:
        family: Builds each network by its name.
        part: Of the networks, which tells them apart, such as their backbone.
        name: Of the network that they should fit.
        weights: The file's under our names.
    """
    for other, build in family.items():
        with torch.device("meta"):
            network = build()
        if has_part(weights, part, network):
            return of_another(other) if other != name else "the rest of it belongs to another network"
    return of_another_family(name, weights)


def has_part(weights: Mapping[str, Tensor], part: str, network: nn.Module) -> bool:
    """Whether weights hold a part of a network, such as its backbone: all of its tensors, in their shapes."""
    return all(
        (value := weights.get(f"{part}.{name}")) is not None and value.shape == tensor.shape
        for name, tensor in network.get_submodule(part).state_dict().items()
        if not name.endswith(COUNTER)
    )
