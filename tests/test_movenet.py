"""MoveNet: the publisher's function, from the publisher's weights, with TensorFlow's padding."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from posetrack.errors import WeightsError
from posetrack.models.folding import folded
from posetrack.models.movenet import MOVENETS, MoveNet, calibrate_norms, load_movenet
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network, save_pose_network
from tests.published_movenet import Published

COCO_ROWS = [[joint] for joint in range(17)]


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
