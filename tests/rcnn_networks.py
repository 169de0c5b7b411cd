"""torchvision's detectors with random weights: as torchvision itself builds them, and as files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import WeightsEnum, get_model
from torchvision.models.detection import FasterRCNN, KeypointRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FrozenBatchNorm2d

from posetrack.types import Image


def photograph(height: int, width: int, seed: int = 0) -> Image:
    """A smooth random picture: interpolation does little to it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


@contextmanager
def published(weights: dict[str, Tensor]) -> Iterator[None]:
    """Within, torchvision believes that these are the weights that it has published."""
    original = WeightsEnum.get_state_dict
    WeightsEnum.get_state_dict = lambda self, *_, **__: weights
    try:
        yield
    finally:
        WeightsEnum.get_state_dict = original


def small_detector(seed: int) -> FasterRCNN:
    """A detector of the parts of ``fasterrcnn_resnet50_fpn_v2``, but few, narrow layers and few proposals."""
    torch.manual_seed(seed)
    proposals = RPNHead(_CHANNELS, 3, conv_depth=2)
    return FasterRCNN(_backbone(), rpn_head=proposals, **_heads(), rpn_post_nms_top_n_test=100).eval()


def small_keypoint_rcnn(seed: int) -> KeypointRCNN:
    """The same with joints: the published heads alone take a second for each image."""
    torch.manual_seed(seed)
    joints: dict[str, nn.Module] = {
        "keypoint_head": KeypointRCNNHeads(_CHANNELS, (16, 16)),
        "keypoint_predictor": KeypointRCNNPredictor(16, 17),
    }
    return KeypointRCNN(_backbone(), **_heads(), **joints, rpn_post_nms_top_n_test=100).eval()


_CHANNELS = 16


def _backbone() -> BackboneWithFPN:
    """Four levels of strides 4 to 32, a fifth pooled, and a pyramid."""
    stages = nn.Sequential()
    inputs = 3
    for level in range(4):
        size, stride = (7, 4) if level == 0 else (3, 2)
        convolution = nn.Conv2d(inputs, _CHANNELS, size, stride, padding=size // 2, bias=False)
        stages.append(nn.Sequential(convolution, nn.BatchNorm2d(_CHANNELS), nn.ReLU()))
        inputs = _CHANNELS
    return BackboneWithFPN(stages, {str(level): str(level) for level in range(4)}, [_CHANNELS] * 4, _CHANNELS)


def _heads() -> dict[str, nn.Module]:
    head = FastRCNNConvFCHead((_CHANNELS, 7, 7), [_CHANNELS], [32], norm_layer=nn.BatchNorm2d)
    return {"box_head": head, "box_predictor": FastRCNNPredictor(32, 2)}


@contextmanager
def undrawn() -> Iterator[None]:
    """Within, networks are built without random weights, whose drawing takes most of the time."""
    names = ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_", "trunc_normal_")
    with ExitStack() as patches:
        for name in names:
            patches.enter_context(patch.object(nn.init, name, lambda tensor, *_, **__: tensor))
        yield


@cache
def random_weights(name: str, smallest_variance: float = 1e-4) -> dict[str, Tensor]:
    """Weights of one of torchvision's detectors that sees people, with norms whose epsilon matters.

    They are drawn once: change copies only.
    """
    torch.manual_seed(1)
    builder: Any = get_model
    network = builder(name, weights=None, weights_backbone=None)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d):
            with torch.no_grad():
                module.running_mean.normal_(0, 0.05)
                module.running_var.uniform_(0.5, 1.5)
                module.running_var[::4] = smallest_variance
                module.weight[::4] *= smallest_variance**0.5
                module.bias.normal_(0, 0.05)
    (_spread if isinstance(network, FasterRCNN) else _spread_cells)(network.eval())
    weights: dict[str, Tensor] = network.state_dict()
    return weights


@torch.no_grad()
def _spread(network: FasterRCNN) -> None:
    """Logits and offsets of some size, so that boxes differ and rounding keeps their order; many people."""
    network.transform.min_size, network.transform.max_size = (48,), 80
    network.rpn.head.bbox_pred.weight *= 0.1
    seen: list[Tensor] = []
    predictor = network.roi_heads.box_predictor
    hook = predictor.register_forward_pre_hook(lambda _, given: seen.append(given[0].flatten(1)))
    network([as_input(photograph(60, 80, 9))])
    hook.remove()
    for layer, spread in ((predictor.cls_score, 1.0), (predictor.bbox_pred, 0.1)):
        layer.weight *= spread / ((seen[0] @ layer.weight.T).std(dim=0, keepdim=True).T + 1e-6)
        layer.bias.copy_(-(seen[0] @ layer.weight.T).mean(dim=0))
    predictor.cls_score.bias[1] += 4.5


@torch.no_grad()
def _spread_cells(network: Any) -> None:
    """The same for networks of one stage: every cell has logits of some size, and people are likelier."""
    network.transform.min_size, network.transform.max_size = (48,), 80
    head = network.head.classification_head
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    for layer in network.head.regression_head.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight *= 0.1
    layers = [head.cls_logits] if hasattr(head, "cls_logits") else [stack[1] for stack in head.module_list]
    seen: dict[nn.Module, list[Tensor]] = {layer: [] for layer in layers}
    hooks = [layer.register_forward_hook(lambda layer, _, given: seen[layer].append(given)) for layer in layers]
    network([as_input(photograph(60, 80, 9))])
    for hook in hooks:
        hook.remove()
    for layer, given in seen.items():
        given = torch.cat([each.flatten(2) for each in given], 2)
        layer.weight /= given.std() + 1e-6
        layer.bias.copy_((layer.bias - given.mean((0, 2))) / given.std() - 1.0)
        layer.bias.unflatten(0, (-1, 91))[:, 1] += 1.0 if hasattr(head, "cls_logits") else 4.5


def official(name: str, weights: dict[str, Tensor], *, short_side: int, long_side: int) -> FasterRCNN:
    """torchvision's network as it comes with its published weights, which are taken to be those given."""
    with published(weights), undrawn():
        builder: Any = get_model
        network: FasterRCNN = builder(name, weights="COCO_V1").eval()
    network.transform.min_size, network.transform.max_size = (short_side,), long_side
    return network


def as_file(weights: dict[str, Tensor], folder: Path) -> Path:
    """torchvision's kind of file; frozen norms have no counters."""
    path = folder / "weights.pth"
    torch.save(weights, path)
    return path


def as_input(image: Image) -> Tensor:
    """An image as torchvision's detectors take it."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255
