"""Batch norms folded into convolutions: the same function, and never a pair that does not belong together."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import detection, mobilenet_v3_small, resnet18, resnet50
from torchvision.models.resnet import BasicBlock
from torchvision.ops import FrozenBatchNorm2d

from posetrack.models.backbone import PersonShuffleNet
from posetrack.models.folding import folded
from posetrack.models.pose_weights import PoseArchitecture

NORMS = (nn.BatchNorm2d, FrozenBatchNorm2d)


def lived_in(network: nn.Module) -> nn.Module:
    """The network in evaluation mode, its norms with statistics and factors of their own."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, NORMS):
            with torch.no_grad():
                if module.running_mean is not None:
                    module.running_mean.normal_(0, 0.3)
                    module.running_var.uniform_(0.3, 2)
                if module.weight is not None:
                    module.weight.uniform_(0.5, 1.5)
                    module.bias.normal_(0, 0.3)
    return network.eval()


def norms_of(network: nn.Module) -> int:
    return sum(isinstance(module, NORMS) for module in network.modules())


def assert_same(network: nn.Module, images: Tensor) -> nn.Module:
    """The folded copy, after its outputs have been found those of the network."""
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copy = folded(network)
    with torch.inference_mode():
        expected, found = network(images), copy(images)
    for one, other in zip(tensors(expected), tensors(found), strict=True):
        scale = float(one.abs().max())
        assert float((one - other).abs().max()) <= 1e-5 * scale
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items()), (
        "a copy is folded"
    )
    return copy


def tensors(output: object) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    values = output.values() if isinstance(output, dict) else output
    assert isinstance(values, tuple | list) or hasattr(values, "__iter__")
    return [tensor for value in values for tensor in tensors(value)]


BACKBONES: dict[str, Callable[[], nn.Module]] = {
    "resnet18": resnet18,
    "resnet50": resnet50,
    "block": lambda: BasicBlock(8, 8),
    "mobilenet": mobilenet_v3_small,
    "shufflenet": PersonShuffleNet,
    "pose": PoseArchitecture().build,
}


@pytest.mark.parametrize("name", BACKBONES)
def test_every_norm_behind_a_convolution_disappears_and_outputs_stay(name: str) -> None:
    network = lived_in(BACKBONES[name]())
    channels = 8 if name == "block" else 3
    copy = assert_same(network, torch.rand(2, channels, 64, 96))
    assert norms_of(network) > 0 and norms_of(copy) == 0


@pytest.mark.parametrize(
    "build",
    [
        detection.fasterrcnn_resnet50_fpn,
        detection.fasterrcnn_resnet50_fpn_v2,
        detection.fasterrcnn_mobilenet_v3_large_fpn,
    ],
)
def test_torchvisions_detectors_fold_though_they_cannot_be_traced_as_a_whole(
    build: Callable[..., nn.Module],
) -> None:
    network = lived_in(build(weights=None, weights_backbone=None))
    copy = folded(network)
    assert norms_of(copy) == 0
    images, pooled = torch.rand(1, 3, 64, 96), torch.rand(3, 256, 7, 7)
    with torch.inference_mode():
        for part, given in (("backbone", images), ("roi_heads.box_head", pooled)):
            expected = tensors(network.get_submodule(part)(given))
            for one, other in zip(expected, tensors(copy.get_submodule(part)(given)), strict=True):
                torch.testing.assert_close(other, one, atol=1e-4 * float(one.abs().max()), rtol=0)
        levels = list(network.backbone(images).values())
        pairs = zip(tensors(network.rpn.head(levels)), tensors(copy.rpn.head(levels)), strict=True)
        for one, other in pairs:
            torch.testing.assert_close(other, one, atol=1e-4 * float(one.abs().max()), rtol=0)


def test_frozen_norms_with_their_own_epsilon_are_folded() -> None:
    frozen = nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), FrozenBatchNorm2d(5, eps=0.0))
    assert norms_of(assert_same(lived_in(frozen), torch.rand(1, 3, 9, 8))) == 0


def test_transposed_grouped_and_biased_convolutions_keep_their_function() -> None:
    layers = nn.Sequential(
        nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6),
        nn.ConvTranspose2d(6, 4, 4, stride=2, bias=False), nn.BatchNorm2d(4, affine=False),
        nn.ConvTranspose2d(4, 4, 2, groups=4), nn.BatchNorm2d(4),
    )  # fmt: skip
    copy = assert_same(lived_in(layers), torch.rand(2, 4, 9, 7))
    assert norms_of(copy) == 1, "a transposed convolution in groups keeps its norm"


class Shared(nn.Module):
    """One convolution, and what is done to its output besides the norm."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)
        self.first, self.second = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.again = self.convolution if kind == "two names" else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        maps = self.convolution(images)
        if self.kind == "skip":
            return self.first(maps) + maps
        if self.kind == "two norms":
            return self.first(maps) + self.second(self.convolution(images * 2))
        if self.kind == "one norm twice":
            return self.first(self.first(maps))
        if self.kind == "weight read":
            return self.first(maps) * self.convolution.weight.sum()
        if self.kind == "order of definition":
            return self.second(self.first(images)) + maps
        return self.first(maps) + self.again(images)


@pytest.mark.parametrize(
    "kind", ["skip", "two norms", "one norm twice", "weight read", "order of definition", "two names"]
)
def test_a_convolution_that_is_used_otherwise_keeps_its_norm(kind: str) -> None:
    network = lived_in(Shared(kind))
    assert norms_of(assert_same(network, torch.rand(1, 3, 8, 8))) == 2


class Optional(nn.Module):
    """Two flows of data, and which one it is depends on the caller."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, images: Tensor, other: Tensor | None = None) -> Tensor:
        maps = self.convolution(images)
        return self.norm(maps) + (maps if other is None else other)


class Undecided(nn.Module):
    """What is done depends on the numbers; a part of it does not."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.convolution(self.part(images))
        return self.norm(maps) if maps.sum() > 0 else maps


def test_where_the_flow_of_data_is_not_certain_nothing_is_folded() -> None:
    assert norms_of(assert_same(lived_in(Optional()), torch.rand(1, 3, 8, 8))) == 1
    for images in (torch.rand(1, 3, 8, 8), -torch.rand(1, 3, 8, 8)):
        assert norms_of(assert_same(lived_in(Undecided()), images)) == 1


def test_hooks_parametrised_weights_and_statistics_of_the_batch_stay_as_they_are() -> None:
    hooked = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    hooked[0].register_forward_hook(lambda module, given, output: output * 2)
    parametrised = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 1)), nn.BatchNorm2d(3))
    of_the_batch = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False))
    for network in (hooked, parametrised, of_the_batch):
        assert norms_of(assert_same(lived_in(network), torch.rand(2, 3, 8, 8))) == 1
