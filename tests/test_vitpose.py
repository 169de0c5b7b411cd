"""ViTPose: heatmaps as written a second time, every publisher's file, sizes as published."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from posetrack.errors import WeightsError
from posetrack.models import published_pose
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.engine import prepared
from posetrack.models.file_format import FileFormat
from posetrack.models.given_files import load_given_pose
from posetrack.models.onnx_file import Interface
from posetrack.models.pose import PoseConfig
from posetrack.models.pose_format import PoseFormat
from posetrack.models.published_pose import build_published_pose, load_published_pose, read_published_pose
from posetrack.models.runtime import CPU, Runtime
from posetrack.skeletons import COCO
from posetrack.types import Boxes
from tests.reference_networks import Tape, images
from tests.reference_vit import hugging_face, vitpose

SMALL = PoseFormat(skeleton=COCO, width=64, height=96, convention=CONVENTIONS["udp"])
WHOLE = replace(SMALL, width=192, height=256)


@cache
def reference(size: str, decoder: str) -> tuple[Tape, Tensor]:
    tape = Tape(seed=0)
    with torch.inference_mode():
        return tape, vitpose(tape, images(96, 64), size, decoder)


@pytest.mark.parametrize("publisher", ["MMPose", "Hugging Face", "the authors"])
@pytest.mark.parametrize(
    ("name", "size", "decoder"),
    [
        ("vitpose_small", "small", "classic"),
        ("vitpose_small_simple", "small", "simple"),
        ("vitpose_plus_small", "small", "experts"),
    ],
)
def test_heatmaps_equal_those_of_the_network_written_a_second_time(
    name: str, size: str, decoder: str, publisher: str, tmp_path: Path
) -> None:
    tape, expected = reference(size, decoder)
    path = tmp_path / "weights"
    if publisher == "Hugging Face":
        save_file({key: value.contiguous() for key, value in hugging_face(tape.weights).items()}, path)
    elif publisher == "MMPose":
        torch.save({"state_dict": tape.weights}, path)
    else:
        torch.save({"state_dict": authors(tape.weights)}, path)
    network = read_published_pose(name, path, SMALL)
    path.unlink()
    with torch.inference_mode():
        found = network(images(96, 64))
    assert found.shape == (2, 17, 24, 16) and not network.training
    assert expected.std() > 0.1
    epsilons = {module.eps for module in network.modules() if isinstance(module, torch.nn.LayerNorm)}
    assert epsilons == {1e-12 if publisher == "Hugging Face" else 1e-6}
    assert (found - expected).abs().max() <= 1e-5 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("convention", ["mmpose", "official"])
def test_a_checkpoint_of_ones_own_is_fed_as_its_publishers_do(convention: Any, tmp_path: Path) -> None:
    """With unbiased data processing, which MMPose has for ViTPose and not for other networks."""
    torch.save({"state_dict": reference("small", "simple")[0].weights}, tmp_path / "mine.pth")
    config = PoseConfig(codec="dark-udp")
    form = FileFormat(architecture="vitpose_small_simple", width=64, height=96, convention=convention)
    given = load_given_pose(tmp_path / "mine.pth", form, config, CPU)
    image = np.random.default_rng(0).integers(0, 256, (80, 70, 3), np.uint8)
    boxes = Boxes(np.array([[5, 8, 50, 71], [-9, -9, 30, 40]]), np.ones(2))
    found = given.estimate(image, boxes)
    unbiased, other = (
        load_published_pose(
            "vitpose_small_simple", tmp_path / "mine.pth", replace(SMALL, convention=CONVENTIONS[name]), config
        ).estimate(image, boxes)
        for name in ("udp", "mmpose")
    )
    np.testing.assert_allclose(found.keypoints, unbiased.keypoints, atol=1e-3)
    assert np.abs(found.keypoints - other.keypoints).max() > 0.1


def test_it_runs_in_onnx_runtime_for_any_number_of_people() -> None:
    """The export is compared with the network for one and for three people."""
    pytest.importorskip("onnxruntime")
    network = build_published_pose("vitpose_small", SMALL).eval()
    ready = prepared(network, Runtime(engine="onnxruntime"), Interface(name="vitpose", channels=3, size=(96, 64)))
    assert ready(images(96, 64)).shape == (2, 17, 24, 16)


def authors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As the authors' code, written for MMPose 0.x, names them."""
    names = (
        ("backbone.ln1", "backbone.last_norm"), ("projection", "proj"), ("layers.", "blocks."), ("ln1", "norm1"),
        ("ln2", "norm2"), ("ffn.blocks.0.0", "mlp.fc1"), ("ffn.blocks.1", "mlp.fc2"),
        ("deconv_blocks", "deconv_layers"), ("head.", "keypoint_head."),
    )  # fmt: skip
    found = {}
    for name, value in tensors.items():
        for old, new in names:
            name = name.replace(old, new)
        found[name] = value
    return found


def test_other_checkpoints_are_refused_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_pose, "PUBLISHED_POSES", ("rtmpose_t", "vitpose_base", "vitpose_small"))
    tape = reference("small", "classic")[0]
    torch.save({"state_dict": tape.weights}, tmp_path / "small.pth")
    for name, form, reason in (
        ("vitpose_base", SMALL, "it is a checkpoint of vitpose_small"),
        ("vitpose_small_simple", SMALL, "it is a checkpoint of vitpose_small"),
        ("vitpose_small", WHOLE, "another input size than 192x256"),
        ("rtmpose_t", SMALL, "it is not a checkpoint of rtmpose_t"),
    ):
        with pytest.raises(WeightsError, match=reason):
            read_published_pose(name, tmp_path / "small.pth", form)
