"""MoveNet: the publisher's function, from the publisher's weights, with TensorFlow's padding."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from posetrack.errors import WeightsError
from posetrack.models.folding import folded
from posetrack.models.movenet import MOVENETS, MoveNet, calibrate_norms, load_movenet
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network, save_pose_network

COCO_ROWS = [[joint] for joint in range(17)]


class Published:
    """The published graph from its layer list, written with ``torch.nn.functional`` alone; weights are random."""

    def __init__(self, name: str, seed: int = 0) -> None:
        self._random = torch.Generator().manual_seed(seed)
        self.tensors: dict[str, Tensor] = {}
        stem, blocks = MOVENETS[name]
        self._new("encoder.stem", stem, 3, 3)
        before = stem
        for number, after in enumerate(blocks):
            inner = 6 * before if number else before
            if number:
                self._new(f"encoder.blocks.{number}.expand", inner, before, 1)
            self._new(f"encoder.blocks.{number}.depthwise", inner, 1, 3)
            self._new(f"encoder.blocks.{number}.project", after, inner, 1)
            before = after
        self._new("encoder.last", 1280, before, 1)
        self._new("decoder.top", 64, 1280, 1)
        for level, (source, width, smooth) in enumerate(((9, 64, 32), (5, 32, 24), (2, 24, 24))):
            self._new(f"decoder.lateral.{level}", width, blocks[source], 1)
            self._new(f"decoder.smooth.{level}.depthwise", width, 1, 3, bias=False)
            self._new(f"decoder.smooth.{level}.pointwise", smooth, width, 1)
        self._new("heads.heatmap.0.depthwise", 24, 1, 3, bias=False)
        self._new("heads.heatmap.0.pointwise", 96, 24, 1)
        self._new("heads.heatmap.1", 17, 96, 1)
        self.tensors["heads.heatmap.1.weight"] *= 0.02  # logits at which the sigmoid still tells them apart

    def _new(self, name: str, outputs: int, inputs: int, kernel: int, bias: bool = True) -> None:
        shape = (outputs, inputs, kernel, kernel)
        spread = (2 / (inputs * kernel * kernel)) ** 0.5
        self.tensors[f"{name}.weight"] = torch.randn(shape, generator=self._random) * spread
        if bias:
            self.tensors[f"{name}.bias"] = torch.randn(outputs, generator=self._random) * 0.1

    def _layer(self, name: str, x: Tensor, stride: int = 1, depthwise: bool = False) -> Tensor:
        weight, bias = self.tensors[f"{name}.weight"], self.tensors.get(f"{name}.bias")
        if weight.shape[2] == 3:  # SAME: for even sides, one cell behind at stride 2, one on each side at stride 1
            x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        return F.conv2d(x, weight, bias, stride, groups=x.shape[1] if depthwise else 1)

    def __call__(self, images: Tensor) -> Tensor:
        x = self._layer("encoder.stem", images * 2 - 1, 2).clamp(0, 6)
        levels = []
        for number in range(17):
            name, block_input = f"encoder.blocks.{number}", x
            if number:
                x = self._layer(f"{name}.expand", x).clamp(0, 6)
            x = self._layer(f"{name}.depthwise", x, 2 if number in (1, 3, 6, 13) else 1, depthwise=True).clamp(
                0, 6
            )
            x = self._layer(f"{name}.project", x)
            if x.shape == block_input.shape:
                x = x + block_input
            if number in (2, 5, 9):
                levels.append(x)
        x = self._layer("decoder.top", self._layer("encoder.last", x).clamp(0, 6))
        for number, level in enumerate(levels[::-1]):
            x = F.interpolate(x, size=level.shape[2:], mode="bilinear", align_corners=False)
            x = x + self._layer(f"decoder.lateral.{number}", level)
            x = self._layer(f"decoder.smooth.{number}.depthwise", x, depthwise=True)
            x = self._layer(f"decoder.smooth.{number}.pointwise", x).relu()
        x = self._layer("heads.heatmap.0.depthwise", x, depthwise=True)
        x = self._layer("heads.heatmap.0.pointwise", x).relu()
        return self._layer("heads.heatmap.1", x).sigmoid()


@pytest.fixture(scope="module")
def lightning() -> Published:
    return Published("movenet_lightning")


@pytest.fixture
def file(lightning: Published, tmp_path: Path) -> Path:
    save_file(lightning.tensors, tmp_path / "published.safetensors")
    return tmp_path / "published.safetensors"


def images(count: int = 2, seed: int = 1) -> Tensor:
    return torch.rand(count, 3, 96, 64, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
@pytest.mark.parametrize("name", MOVENETS)
def test_the_published_weights_give_the_published_function(name: str, tmp_path: Path) -> None:
    published = Published(name)
    save_file(published.tensors, tmp_path / "published.safetensors")
    network = load_movenet(tmp_path / "published.safetensors", name, COCO_ROWS)
    torch.testing.assert_close(network(images()), published(images()), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "name, encoder, pyramid", [("movenet_lightning", 2_206_816, 92_352), ("movenet_thunder", 6_110_664, 96_576)]
)
def test_it_has_as_many_weights_as_the_published_network(name: str, encoder: int, pyramid: int) -> None:
    """A folded convolution has a bias where ours has a norm of two weights."""
    network = MoveNet(name, 17)
    counts = {
        part: sum(p.numel() for p in module.parameters())
        - sum(m.num_features for m in module.modules() if isinstance(m, nn.BatchNorm2d))
        for part, module in (("encoder", network.backbone.encoder), ("pyramid", network.backbone.pyramid))
    }
    assert counts == {"encoder": encoder, "pyramid": pyramid}
    head = [*network.head.parameters(), *network.final_layer.parameters()]
    assert sum(parameter.numel() for parameter in head) == 4_265


@torch.inference_mode()
def test_a_joint_that_the_publisher_lacks_starts_as_the_mean_of_others(lightning: Published, file: Path) -> None:
    network = load_movenet(file, "movenet_lightning", [[0], [5, 6]])
    logits = network(images()).logit()
    both = lightning(images()).logit()[:, 5:7].mean(dim=1)
    torch.testing.assert_close(logits[:, 1], both, atol=1e-3, rtol=1e-3)


@torch.inference_mode()
def test_norms_of_real_statistics_leave_the_function_as_it_was(file: Path) -> None:
    network = load_movenet(file, "movenet_lightning", COCO_ROWS)
    before = network(images())
    calibrate_norms(network, images(24, seed=5), batch_size=7)
    torch.testing.assert_close(network(images()), before, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_calibrated_norms_see_what_they_will_see_in_training(file: Path) -> None:
    """On the calibration images themselves, statistics of the batch and stored ones give the same."""
    network = load_movenet(file, "movenet_lightning", COCO_ROWS)
    calibrate_norms(network, images(24, seed=5), batch_size=24)
    stored = network(images(24, seed=5))
    torch.testing.assert_close(network.train()(images(24, seed=5)), stored, atol=2e-3, rtol=1e-2)


@torch.inference_mode()
def test_its_norms_fold_into_its_convolutions(file: Path) -> None:
    network = load_movenet(file, "movenet_lightning", COCO_ROWS)
    fast = folded(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    torch.testing.assert_close(fast(images()), network(images()), atol=1e-5, rtol=1e-4)


def test_it_is_saved_and_loaded_as_other_pose_networks_are(tmp_path: Path) -> None:
    architecture = PoseArchitecture(backbone="movenet_lightning", deconv_channels=(), all_slots=True)
    network = architecture.build().eval()
    save_pose_network(network, architecture, tmp_path / "own.safetensors")
    again, found = load_pose_network(tmp_path / "own.safetensors")
    assert found == architecture
    with torch.inference_mode():
        torch.testing.assert_close(again(images()), network(images()), atol=2e-2, rtol=2e-2)
        assert again(images()).shape == (2, 17, 24, 16)


@pytest.mark.parametrize("other", ["movenet_thunder"])
def test_weights_of_another_network_are_one_sentence(file: Path, other: str) -> None:
    with pytest.raises(WeightsError, match=f"does not hold the weights of {other}"):
        load_movenet(file, other, COCO_ROWS)


def test_a_file_that_is_no_safetensors_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="cannot read the weights"):
        load_movenet(tmp_path / "x.safetensors", "movenet_lightning", COCO_ROWS)
