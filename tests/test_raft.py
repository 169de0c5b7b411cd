"""RAFT against torchvision's own call of its networks, with random weights.

This checks that the flow is torchvision's, at the right place and scale. Accuracy would need trained weights.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.optical_flow import RAFT, raft_large, raft_small
from torchvision.transforms._presets import OpticalFlow

from posetrack.errors import ConfigError, WeightsError
from posetrack.flow.raft import RAFTS, RaftConfig, RaftFlow
from posetrack.models.raft import Raft, load_raft
from posetrack.models.runtime import Runtime
from posetrack.types import FloatArray, Image
from tests.rcnn_networks import photograph

QUICK = RaftConfig(iterations=3)


def random_raft(name: str) -> RAFT:
    torch.manual_seed(0)
    network: RAFT = {"raft_small": raft_small, "raft_large": raft_large}[name](weights=None).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


@torch.inference_mode()
def reference(network: RAFT, previous: Image, current: Image, iterations: int = 3) -> FloatArray:
    """Flow [h, w, 2] by torchvision's own preprocessing and call; sides must be multiples of 8."""
    pair: tuple[Tensor, Tensor] = OpticalFlow()(
        *(torch.from_numpy(one).permute(2, 0, 1)[None] for one in (previous, current))
    )
    flow = network(pair[0].contiguous(), pair[1].contiguous(), num_flow_updates=iterations)[-1][0]
    return np.asarray(flow.permute(1, 2, 0).numpy())


def centres(height: int, width: int) -> FloatArray:
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(-1, 2).astype(np.float32)


def assert_flow(found: FloatArray, expected: FloatArray) -> None:
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", RAFTS)
def test_the_flow_is_torchvisions(name: str, tmp_path: Path) -> None:
    network = random_raft(name)
    torch.save(network.state_dict(), tmp_path / "raft.pth")
    pair = photograph(128, 136, 1), photograph(128, 136, 2)
    flow = RaftFlow(load_raft(name, tmp_path / "raft.pth"), QUICK).estimate(*pair)
    displacement, valid = flow.at(centres(128, 136))
    assert valid.all()
    assert_flow(displacement, reference(network, *pair))


@pytest.mark.parametrize("size", [(129, 150), (40, 200), (1, 1)])
def test_frames_of_any_size_are_padded_for_the_network(size: tuple[int, int]) -> None:
    network = random_raft("raft_small")
    height, width = size
    rows, columns = (max(128, -(-side // 8) * 8) for side in size)
    pair = photograph(*size, 1), photograph(*size, 2)
    padded = [np.pad(one, ((0, rows - height), (0, columns - width), (0, 0)), mode="edge") for one in pair]
    displacement, _ = RaftFlow(Raft(network), QUICK).estimate(*pair).at(centres(height, width))
    assert_flow(displacement, reference(network, *padded)[:height, :width])


def test_large_frames_are_shrunk_and_displacements_scaled_back() -> None:
    network = random_raft("raft_small")
    pair = photograph(256, 272, 1), photograph(256, 272, 2)
    halves = [np.asarray(cv2.resize(one, (136, 128), interpolation=cv2.INTER_AREA), np.uint8) for one in pair]
    flow = RaftFlow(Raft(network), RaftConfig(max_side_px=136, iterations=3)).estimate(*pair)
    displacement, _ = flow.at(centres(128, 136) * 2 + np.float32(0.5))
    assert_flow(displacement, 2 * reference(network, *halves))


def test_a_sequence_gives_the_flow_of_each_pair_despite_caching() -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    def network(previous: Tensor, current: Tensor, iterations: int) -> Tensor:
        seen.append((previous, current))
        return torch.zeros(1, 2, *previous.shape[2:])

    frames = [photograph(128, 128, seed) for seed in range(4)]
    flow = RaftFlow(network)
    for previous, current in [(0, 1), (1, 2), (0, 3), (3, 3)]:
        flow.estimate(frames[previous], frames[current])
        for given, index in zip(seen[-1], (previous, current), strict=True):
            expected = frames[index].astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
            np.testing.assert_allclose(given.numpy(), expected, atol=1e-6)
    with pytest.raises(ValueError, match="same size"):
        flow.estimate(frames[0], frames[0][:64])


@pytest.mark.parametrize("name", RAFTS)
def test_pairs_in_one_batch_have_the_flow_that_each_has_alone(name: str) -> None:
    network = Raft(random_raft(name))
    frames = [photograph(136, 128, seed) for seed in range(4)]
    pairs = list(zip(frames, frames[1:], strict=False))
    together = RaftFlow(network, QUICK).estimate_batch(pairs)
    points = centres(136, 128)
    for pair, flow in zip(pairs, together, strict=True):
        assert_flow(flow.at(points)[0], RaftFlow(network, QUICK).estimate(*pair).at(points)[0])
    assert RaftFlow(network, QUICK).estimate_batch([]) == []


def test_points_outside_the_frame_have_no_flow() -> None:
    flow = RaftFlow(Raft(random_raft("raft_small")), QUICK).estimate(photograph(128, 136), photograph(128, 136, 1))
    displacement, valid = flow.at(np.array([[-3, 5], [5, 200], [np.nan, 3], [-0.5, 127.5]], np.float32))
    assert valid.tolist() == [False, False, False, True]
    assert (displacement[:3] == 0).all()


def test_reduced_precision_changes_the_flow_by_rounding() -> None:
    network = random_raft("raft_small")
    pair = photograph(128, 136, 1), photograph(128, 136, 2)
    rough = RaftFlow(Raft(network, Runtime(precision="bf16")), QUICK).estimate(*pair).at(centres(128, 136))[0]
    expected = reference(network, *pair).reshape(-1, 2)
    assert 0 < np.abs(rough - expected).max() < 0.2 * np.abs(expected).max()


def test_the_network_given_stays_as_it_is() -> None:
    network = random_raft("raft_large")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Raft(network)
    assert before.keys() == network.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_bad_settings_names_and_files_are_reported_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="iterations"):
        RaftConfig(iterations=0)
    with pytest.raises(ConfigError, match="max_side_px"):
        RaftConfig(max_side_px=8)
    with pytest.raises(ConfigError, match="'raft_tiny' is unknown; choose one of raft_small, raft_large"):
        load_raft("raft_tiny", tmp_path / "raft.pth")
    with pytest.raises(WeightsError, match=r"raft\.pth"):
        load_raft("raft_small", tmp_path / "raft.pth")
    torch.save(random_raft("raft_small").state_dict(), tmp_path / "raft.pth")
    with pytest.raises(WeightsError, match=r"raft\.pth does not hold the weights of raft_large"):
        load_raft("raft_large", tmp_path / "raft.pth")


def test_the_other_flows_load_no_torchvision() -> None:
    code = "import posetrack.flow, sys; print([n for n in ('torch', 'torchvision') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_comparison_of_flows_says_which_network_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "flow_accuracy.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--network", "sea_raft", "--device", "cpu"])
    with pytest.raises(SystemExit, match=r"flow_accuracy\.py: .*sea_raft"):
        runpy.run_path(str(script), run_name="__main__")
