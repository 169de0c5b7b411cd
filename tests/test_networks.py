"""The published networks: the same heatmaps as written from the papers' tables, the same size, the same work."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.checkpoints import load_checkpoint
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network, save_pose_network
from posetrack.skeletons import COCO, POSETRACK
from tests.reference_networks import LAYOUTS, NETWORKS, Tape, images, published, reference, small_reference

ROOT = Path(__file__).parents[1]

PARAMETERS_M = {"resnet50": 34.0, "resnet101": 53.0, "resnet152": 68.6, "hrnet_w32": 28.5, "hrnet_w48": 63.6}
"""README of the official HRNet code, results on COCO val2017."""

GFLOPS = {"resnet50": 8.9, "resnet101": 12.4, "resnet152": 15.7, "hrnet_w32": 7.1, "hrnet_w48": 14.6}
"""The same table, 256x192."""

GFLOPS_384 = {"resnet50": 20.0, "resnet101": 27.9, "resnet152": 35.3, "hrnet_w32": 16.0, "hrnet_w48": 32.9}
"""The same table, 384x288."""


def architecture(backbone: str, **fields: object) -> PoseArchitecture:
    settings = {"width": 192, "height": 256, "skeleton": "coco", "deconv_channels": (256, 256, 256), **fields}
    return PoseArchitecture(backbone=backbone, **settings)  # type: ignore[arg-type]


def on_paper(backbone: str) -> nn.Module:
    """A network without memory: shapes alone."""
    with torch.device("meta"):
        return architecture(backbone).build().eval()


def loaded(tensors: dict[str, Tensor], backbone: str, folder: Path) -> nn.Module:
    """The network with the tensors of a checkpoint that is a file for a moment."""
    path = folder / "checkpoint.pth"
    torch.save({"state_dict": tensors}, path)
    network = load_checkpoint(path, architecture(backbone))
    path.unlink()
    return network


@pytest.mark.parametrize(
    ("backbone", "layout"),
    [*((backbone, "official") for backbone in NETWORKS), ("hrnet_w32", "MMPose 1.x")],
)
def test_heatmaps_equal_those_of_the_networks_written_from_the_papers(
    backbone: str, layout: str, tmp_path: Path
) -> None:
    tape, expected = small_reference(backbone)
    network = loaded(published(tape, layout), backbone, tmp_path)
    with torch.inference_mode():
        heatmaps = network(images(64, 64))
    assert heatmaps.shape == (2, 17, 16, 16) and not network.training
    assert expected.std() > 0.2 and expected.abs().max() > 0.5
    assert (heatmaps - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("backbone", ["resnet50", "hrnet_w32"])
def test_heatmaps_of_whole_inputs_are_equal_too(backbone: str, tmp_path: Path) -> None:
    whole = images(256, 192, count=1)
    tape, expected = reference(backbone, whole, seed=5)
    network = loaded(published(tape, "official"), backbone, tmp_path)
    with torch.inference_mode():
        heatmaps = network(whole)
    assert heatmaps.shape == (1, 17, 64, 48)
    assert (heatmaps - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("backbone", ["resnet50", "hrnet_w32"])
def test_what_differs_is_rounding_alone(backbone: str, tmp_path: Path) -> None:
    """In double precision nothing is left of the difference."""
    tape, _ = small_reference(backbone)
    exact = Tape(seed=0)
    exact.weights = {name: value.double() for name, value in tape.weights.items()}
    expected = reference(backbone, images(64, 64).double(), tape=exact)[1]
    network = loaded(published(tape, "official"), backbone, tmp_path).double()
    with torch.inference_mode():
        heatmaps = network(images(64, 64).double())
    assert (heatmaps - expected).abs().max() <= 1e-11


@pytest.mark.parametrize("backbone", NETWORKS)
def test_parameters_and_work_are_those_of_the_papers_tables(backbone: str) -> None:
    """Multiply-adds grow with the area alone, so a small image counts as well as a whole one."""
    tape, network = small_reference(backbone)[0], on_paper(backbone)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    learnt = [value for name, value in tape.weights.items() if name.endswith(("weight", "bias"))]
    assert parameters == sum(value.numel() for value in learnt)
    assert round(parameters / 1e6, 1) == PARAMETERS_M[backbone]
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.empty(1, 3, 256, 192, device="meta"))
    assert counter.get_total_flops() == 2 * tape.multiply_adds * (256 * 192) // (64 * 64)


@pytest.mark.parametrize("backbone", NETWORKS)
def test_the_published_gflops_are_those_of_the_papers_tables(backbone: str) -> None:
    """Published: weights times cells of the output, in 2^30; rounded for HRNet, cut or rounded for SimpleBaseline.

    The README's SimpleBaselines at 384x288 are its own figures of 256x192 times 2.25.
    """
    gflops = small_reference(backbone)[0].output_multiply_adds * (256 * 192) / (64 * 64) / 2**30
    if backbone.startswith("hrnet"):
        assert round(gflops, 1) == GFLOPS[backbone]
        assert round(gflops * 2.25, 1) == GFLOPS_384[backbone]
    else:
        assert GFLOPS[backbone] in (round(gflops, 1), int(gflops * 10) / 10)
        assert abs(GFLOPS[backbone] * 2.25 - GFLOPS_384[backbone]) <= 0.05


@pytest.mark.parametrize("backbone", ["resnet50", "hrnet_w32"])
def test_large_inputs_give_heatmaps_of_a_quarter(backbone: str) -> None:
    assert on_paper(backbone)(torch.empty(2, 3, 384, 288, device="meta")).shape == (2, 17, 96, 72)


def test_networks_of_other_backbones_are_kept_and_loaded_as_the_lite_ones_are(tmp_path: Path) -> None:
    settings = architecture("resnet50", width=64, height=64, deconv_channels=(16, 16, 16), skeleton="posetrack")
    settings = replace(settings, convention="official_simple_baseline", all_slots=True)
    network = settings.build().eval()
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    save_pose_network(network, settings, tmp_path / "pose.safetensors")
    again, read = load_pose_network(tmp_path / "pose.safetensors")
    assert read == settings
    with torch.inference_mode():
        torch.testing.assert_close(again(images(64, 64)), network(images(64, 64)), atol=1e-4, rtol=1e-3)


def test_a_heatmap_for_every_joint_in_use_or_for_every_slot() -> None:
    used, every = (architecture("resnet50", skeleton="posetrack", all_slots=slots) for slots in (False, True))
    np.testing.assert_array_equal(used.heatmap_slots, POSETRACK.in_use)
    np.testing.assert_array_equal(every.heatmap_slots, range(17))
    np.testing.assert_array_equal(architecture("resnet50").heatmap_slots, range(len(COCO)))
    assert [a.build().final_layer.out_channels for a in (used, every)] == [15, 17]


@pytest.mark.parametrize(
    "fields, message",
    [
        (
            {"backbone": "resnet18"},
            "backbone is 'resnet18'; choose one of shufflenet_v2_x1_0, resnet50, resnet101",
        ),
        ({"backbone": "hrnet_w32", "width": 200}, "width is 200; give a multiple of 32"),
        ({"height": 0}, "height is 0; give 32 to 2048"),
        ({"skeleton": "centaur"}, "skeleton is 'centaur'; choose one of"),
        ({"padding": float("nan")}, "padding must be a number, not nan"),
        ({"deconv_channels": (256, 0, 256)}, "deconv_channels is [256, 0, 256]; give 1 to 1024"),
        ({"deconv_channels": (256, 256)}, "deconv_channels is [256, 256]; give three numbers"),
    ],
)
def test_impossible_architectures_are_named(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        PoseArchitecture(**fields)  # type: ignore[arg-type]


def test_a_header_that_names_no_network_is_an_error_of_the_file(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "odd.safetensors"
    save_file({"x": torch.ones(1)}, path, metadata={"posetrack.pose": '{"backbone": "resnet18"}'})
    with pytest.raises(WeightsError, match=r"odd\.safetensors .*backbone is 'resnet18'"):
        load_pose_network(path)


def test_every_layout_names_every_weight_once() -> None:
    tape = small_reference("resnet50")[0]
    for layout in LAYOUTS:
        assert len(published(tape, layout)) == len(tape.weights)
