"""Exported networks, run by ONNX Runtime alone; without the export's packages these tests are skipped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posetrack.calibration import Calibration
from posetrack.cli.main import main
from posetrack.errors import ConfigError, OutputError
from posetrack.models import onnx_file
from posetrack.models.onnx_export import export_onnx
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network, save_pose_network
from posetrack.types import FloatArray
from posetrack.zoo.store import BUNDLED

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SMALL = PoseArchitecture(width=64, height=96, deconv_channels=(8, 8, 8))


def random_network(architecture: PoseArchitecture) -> nn.Module:
    """A network with random weights, whose heatmaps are about as high as trained ones."""
    torch.manual_seed(0)
    network = architecture.build()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=0.1)
    network.eval()
    with torch.no_grad():
        height = network(torch.rand(2, 3, architecture.height, architecture.width)).abs().max()
        network.final_layer.weight /= height
    return network


def small_network() -> nn.Module:
    return random_network(SMALL)


def run(path: Path, images: FloatArray) -> FloatArray:
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    heatmaps: FloatArray = session.run(["heatmaps"], {"images": images})[0]
    return heatmaps


def torch_output(network: nn.Module, images: FloatArray) -> FloatArray:
    with torch.inference_mode():
        output: Tensor = network(torch.from_numpy(images))
    return np.asarray(output.numpy())


@pytest.mark.parametrize("exporter", ["new", "older"])
def test_one_file_gives_the_networks_heatmaps_for_any_number_of_people(
    exporter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if exporter == "new":  # what torch without the older one does
        monkeypatch.setattr(onnx_file, "_has_older_exporter", lambda: False)
    network, path = small_network(), tmp_path / "pose.onnx"
    exported = export_onnx(network, SMALL, path)
    assert [file.name for file in tmp_path.iterdir()] == ["pose.onnx"], "one file, nothing beside it"
    assert exported.path == path and exported.difference <= 1e-4
    for batch in (1, 3, 7):
        images = np.random.default_rng(batch).random((batch, 3, 96, 64), np.float32)
        expected = torch_output(network, images)
        assert np.abs(expected).max() > 0.5
        np.testing.assert_allclose(run(path, images), expected, atol=1e-4, rtol=0)
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules()), "a copy is exported"


@pytest.mark.parametrize(
    "architecture",
    [
        PoseArchitecture(backbone="resnet50", width=64, height=64, deconv_channels=(8, 8, 8), skeleton="coco"),
        PoseArchitecture(backbone="hrnet_w32", width=64, height=64, deconv_channels=(), all_slots=True),
    ],
    ids=["resnet", "hrnet"],
)
def test_published_kinds_of_networks_can_be_exported(architecture: PoseArchitecture, tmp_path: Path) -> None:
    network = random_network(architecture)
    export_onnx(network, architecture, tmp_path / "pose.onnx")
    images = np.random.default_rng(0).random((3, 3, 64, 64), np.float32)
    np.testing.assert_allclose(run(tmp_path / "pose.onnx", images), torch_output(network, images), atol=1e-4)


def metadata_of(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_the_command_exports_the_bundled_network_with_what_one_must_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lite.onnx"
    monkeypatch.setattr(
        "sys.argv", ["posetrack", "models", "export", "pose_lite", "--format", "onnx", "-o", str(path)]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{path}: ONNX Runtime agrees to ") and printed.out.count("\n") == 1
    assert printed.err == ""
    network, architecture = load_pose_network(BUNDLED / "pose_lite.safetensors")
    images = np.random.default_rng(0).random((4, 3, architecture.height, architecture.width), np.float32)
    np.testing.assert_allclose(run(path, images), torch_output(network, images), atol=1e-4, rtol=0)
    metadata = metadata_of(path)
    joints = json.loads(metadata["posetrack.joints"])
    assert len(joints) == 17 and joints[0] == "nose" and "left_ear" in joints
    assert metadata["posetrack.skeleton"] == "posetrack"
    fields = json.loads(metadata["posetrack.architecture"])
    exact = {
        "deconv_channels": tuple(fields["deconv_channels"]),
        "calibration": Calibration(**fields["calibration"]),
    }
    assert PoseArchitecture(**fields | exact) == architecture
    assert json.loads(metadata["posetrack.input_convention"])["colour_order"] == "rgb"
    assert "[batch, 3, 192, 160]" in metadata["posetrack.input"]


def test_a_network_from_training_is_exported_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_pose_network(small_network(), SMALL, tmp_path / "best.safetensors")
    monkeypatch.setattr("sys.argv", ["posetrack", "models", "export", "best.safetensors"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code and "best.onnx" in capsys.readouterr().out
    assert metadata_of(tmp_path / "best.onnx")["posetrack.skeleton"] == "posetrack"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["detector_lite"], "the weights detector_lite are not of a heatmap network that can be built here."),
        (["pose_lite", "--format", "tflite"], "there is no format 'tflite'; choose onnx."),
        (["nobody"], "nobody"),
        (["missing.safetensors"], "missing.safetensors"),
        (["hrnet_w32_coco_256x192"], "hrnet_w32_coco_256x192"),
        (["pose_lite", "-o", "nowhere/pose.onnx"], "the folder does not exist; create it first"),
        (["pose_lite", "-o", "there.onnx"], "there.onnx exists already; choose another file, or --overwrite."),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.onnx").write_bytes(b"mine")
    monkeypatch.setattr("sys.argv", ["posetrack", "models", "export", *arguments, "--models-dir", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["there.onnx"]
    assert (tmp_path / "there.onnx").read_bytes() == b"mine"


class Shifty(nn.Module):
    """Says one thing while it is exported, and another afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.network = small_network()

    def forward(self, images: Tensor) -> Tensor:
        heatmaps: Tensor = self.network(images)
        return heatmaps if torch.compiler.is_compiling() or torch.jit.is_tracing() else heatmaps * 1.01


def test_a_file_that_says_something_else_never_gets_its_name(
    tmp_path: Path,
) -> None:
    path = tmp_path / "pose.onnx"
    path.write_bytes(b"mine")
    with pytest.raises(ConfigError, match="output for input .* differs from the pose network's by .* not used"):
        export_onnx(Shifty(), SMALL, path, overwrite=True)
    assert path.read_bytes() == b"mine" and len(list(tmp_path.iterdir())) == 1


def test_an_existing_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "pose.onnx"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        export_onnx(small_network(), SMALL, path)
    export_onnx(small_network(), SMALL, path, overwrite=True)
    onnx.checker.check_model(onnx.load(path))


def test_without_the_packages_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name == "onnxruntime" else object())
    with pytest.raises(ConfigError, match=r"exporting needs onnxruntime: pip install '\.\[onnx\]'"):
        export_onnx(small_network(), SMALL, tmp_path / "pose.onnx")
