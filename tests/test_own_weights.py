"""Files of weights trained here: whatever header and tensors hold, they are used or refused in a sentence."""

import json
import struct
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from posetrack.cli.main import app
from posetrack.errors import WeightsError
from posetrack.models.backbone import PersonShuffleNet, load_person_backbone
from posetrack.models.detector_weights import read_detector
from posetrack.models.faster_rcnn import DetectorArchitecture, build_detector
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network

POSE = PoseArchitecture(width=64, height=64, deconv_channels=(16, 16, 16))
DETECTOR = DetectorArchitecture(short_side=96, long_side=128, pyramid_channels=8, head_channels=16)
ARCHITECTURES: dict[str, PoseArchitecture | DetectorArchitecture] = {"pose": POSE, "detector": DETECTOR}
LOADERS: dict[str, Callable[[Path], Any]] = {"pose": load_pose_network, "detector": read_detector}


@pytest.fixture(scope="module")
def weights() -> dict[str, dict[str, Tensor]]:
    torch.manual_seed(0)
    return {"pose": POSE.build().state_dict(), "detector": build_detector(DETECTOR).state_dict()}


def write(path: Path, kind: str, tensors: dict[str, Tensor], header: str | None = None) -> Path:
    save_file(tensors, path, {f"posetrack.{kind}": header or json.dumps(asdict(ARCHITECTURES[kind]))})
    return path


def refusal(path: Path, kind: str) -> str:
    """The sentence with which a file is refused, within a second or two: one line that names it."""
    start = time.perf_counter()
    with pytest.raises(WeightsError) as refused:
        LOADERS[kind](path)
    sentence = str(refused.value)
    assert str(path) in sentence and sentence.isprintable() and len(sentence) < 700
    assert time.perf_counter() - start < 5
    return sentence


@pytest.mark.parametrize("kind", LOADERS)
def test_a_network_comes_back_as_it_was_saved(
    kind: str, weights: dict[str, dict[str, Tensor]], tmp_path: Path
) -> None:
    network, architecture = LOADERS[kind](write(tmp_path / "w.safetensors", kind, weights[kind]))
    assert architecture == ARCHITECTURES[kind] and not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, weights[kind][name])


WRONG_FIELDS = {
    "pose": [
        ({"width": 32_000_000}, "width is 32000000; give 32 to 2048"),
        ({"width": 96.0}, "architecture.width is 96.0; give a value of type int"),
        ({"width": 100}, "width is 100; give a multiple of 32"),
        ({"width": "96"}, "architecture.width is '96'; give a value of type int"),
        ({"width": True}, "architecture.width is True"),
        ({"width": None}, "architecture.width is None"),
        ({"height": 10**18}, "height is 1000000000000000000; give 32 to 2048"),
        ({"height": -64}, "height is -64; give 32 to 2048"),
        ({"padding": float("nan")}, "padding must be a number, not nan"),
        ({"padding": float("inf")}, "padding is inf; give 0.1 to 10"),
        ({"padding": 10**400}, "architecture.padding is 1000"),
        ({"sigma_cells": -2}, "sigma_cells is -2.0; give 0.1 to 20"),
        ({"sigma_cells": 1e9}, "sigma_cells is 1000000000.0"),
        ({"deconv_channels": [16, 16]}, "deconv_channels is [16, 16]; give three numbers"),
        ({"deconv_channels": [16, 16, 0]}, "deconv_channels is [16, 16, 0]; give 1 to 1024"),
        ({"deconv_channels": [16, 16, 10**9]}, "give 1 to 1024"),
        ({"deconv_channels": 16}, "architecture.deconv_channels is 16; give an array"),
        ({"deconv_channels": [16, 16, [16]]}, "architecture.deconv_channels[2] is [16]"),
        ({"skeleton": ["coco"]}, "architecture.skeleton is ['coco']; give a value of type str"),
        ({"skeleton": "cat\n\x1b[31m"}, "skeleton is 'cat\\n\\x1b[31m'"),
        ({"backbone": {}}, "architecture.backbone is {}"),
        ({"all_slots": 1}, "architecture.all_slots is 1; give a value of type bool"),
        ({"convention": "own" * 10_000}, "the architecture in its header is damaged"),
        ({"later\n": 1}, "architecture.later\\n is unknown"),
    ],
    "detector": [
        ({"short_side": 32_000_000}, "architecture.short_side is 32000000; give 32 to 4096"),
        ({"short_side": 96.0}, "architecture.short_side is 96.0; give a value of type int"),
        ({"long_side": 10**18}, "architecture.long_side is 1000000000000000000"),
        ({"long_side": 64}, "architecture.short_side is 96; give 32 to long_side 64"),
        ({"pyramid_channels": -1}, "architecture.pyramid_channels is -1; give 1 to 512"),
        ({"head_channels": 10**9}, "architecture.head_channels is 1000000000; give 1 to 2048"),
        ({"anchor_sizes": [[1.0], [1.0]]}, "architecture.anchor_sizes must be 3 lists of one length"),
        ({"anchor_sizes": [[1.0], [1.0], [1.0, 2.0]]}, "architecture.anchor_sizes must be 3 lists"),
        ({"anchor_sizes": [[], [], []]}, "architecture.anchor_sizes must be 3 lists"),
        ({"anchor_sizes": [1, 2, 3]}, "architecture.anchor_sizes[0] is 1; give an array"),
        ({"anchor_sizes": [[-1.0]] * 3}, "architecture.anchor_sizes is "),
        ({"anchor_ratios": [float("nan")]}, "architecture.anchor_ratios must be a tuple[float, ...], not (nan,)"),
        ({"anchor_ratios": []}, "1 to 100 anchors"),
        ({"anchor_ratios": [1.0] * 60}, "1 to 100 anchors"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "kind, change, reason", [(kind, *case) for kind, cases in WRONG_FIELDS.items() for case in cases]
)
def test_every_field_of_an_architecture_is_checked(
    kind: str, change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    header = json.dumps(asdict(ARCHITECTURES[kind]) | change)
    path = write(tmp_path / "w.safetensors", kind, {"a": torch.ones(1)}, header)
    sentence = refusal(path, kind)
    assert f"is not a posetrack {kind}" in sentence and reason in sentence


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize(
    "header", ["[" * 100_000, '{"a":' * 9000, "[1]", "7", "null", "{", "\ud7ff", "{}" + "]" * 9]
)
def test_a_header_that_is_no_architecture_is_refused(kind: str, header: str, tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", kind, {"a": torch.ones(1)}, header)
    assert f"is not a posetrack {kind}: " in refusal(path, kind)


def test_a_file_of_another_kind_is_refused(weights: dict[str, dict[str, Tensor]], tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", "pose", weights["pose"])
    assert "is not a posetrack detector: its header names no architecture" in refusal(path, "detector")


@pytest.mark.parametrize("kind, name, value", [
    ("pose", "final_layer.bias", float("nan")),
    ("pose", "backbone.stage2.0.branch1.1.running_mean", float("-inf")),
    ("pose", "deconv_layers.0.weight", 1e300),
    ("detector", "rpn.head.cls_logits.bias", float("inf")),
    ("detector", "backbone.body.conv1.1.running_var", float("nan")),
])  # fmt: skip
def test_one_value_that_is_not_finite_is_enough(
    kind: str, name: str, value: float, weights: dict[str, dict[str, Tensor]], tmp_path: Path
) -> None:
    changed = weights[kind][name].double()
    changed[0] = value
    path = write(tmp_path / "w.safetensors", kind, weights[kind] | {name: changed})
    assert f"is damaged: {name} holds values that are not finite" in refusal(path, kind)


@pytest.mark.parametrize("kind, name", [("pose", "final_layer.weight"), ("detector", "rpn.head.conv.0.0.weight")])
def test_a_layer_of_zeros_is_refused(
    kind: str, name: str, weights: dict[str, dict[str, Tensor]], tmp_path: Path
) -> None:
    path = write(tmp_path / "w.safetensors", kind, weights[kind] | {name: torch.zeros_like(weights[kind][name])})
    assert f"{name} holds only zeros" in refusal(path, kind)


def test_weights_that_are_all_zero_are_refused(weights: dict[str, dict[str, Tensor]], tmp_path: Path) -> None:
    for kind, tensors in weights.items():
        zeros = {name: torch.zeros_like(value) for name, value in tensors.items()}
        assert "holds only zeros" in refusal(write(tmp_path / "w.safetensors", kind, zeros), kind)


@pytest.mark.parametrize("value", [1e11, -1e30])
def test_values_that_no_trained_network_has_are_refused(
    value: float, weights: dict[str, dict[str, Tensor]], tmp_path: Path
) -> None:
    changed = weights["pose"]["final_layer.bias"].clone()
    changed[3] = value
    path = write(tmp_path / "w.safetensors", "pose", weights["pose"] | {"final_layer.bias": changed})
    assert "final_layer.bias holds values beyond 1e+10" in refusal(path, "pose")


def test_variances_below_zero_are_refused(weights: dict[str, dict[str, Tensor]], tmp_path: Path) -> None:
    name = "backbone.stage3.0.branch1.1.running_var"
    path = write(tmp_path / "w.safetensors", "pose", weights["pose"] | {name: -weights["pose"][name]})
    assert f"{name} holds variances below zero" in refusal(path, "pose")


@pytest.mark.parametrize("kind", LOADERS)
def test_tensors_of_another_architecture_are_refused(
    kind: str, weights: dict[str, dict[str, Tensor]], tmp_path: Path
) -> None:
    own = weights[kind]
    name = next(name for name in own if name.endswith("running_var"))
    less = {key: value for key, value in own.items() if key != name}
    for tensors, reason in (
        (less, f"Missing key(s) in state_dict: \"{name}\""),
        (own | {"stray\n\x1b[2J": torch.ones(1)}, "Unexpected key(s) in state_dict: \"stray"),
        (own | {name: torch.ones(3)}, f"size mismatch for {name}"),
        (own | {name: torch.ones_like(own[name], dtype=torch.int32)}, f"{name} is of torch.int32"),
        (own | {name: torch.ones_like(own[name], dtype=torch.complex64)}, f"{name} is of torch.complex64"),
    ):  # fmt: skip
        path = write(tmp_path / "w.safetensors", kind, tensors)
        sentence = refusal(path, kind)
        assert (
            f"the tensors of {path} do not fit the architecture in its header: " in sentence and reason in sentence
        )


def raw(header: str, body: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header.encode() + body


def entry(start: int, stop: int, shape: str = "[1]", dtype: str = "F32") -> str:
    return f'{{"dtype": "{dtype}", "shape": {shape}, "data_offsets": [{start}, {stop}]}}'


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"{" * 99, bytes(99), struct.pack("<Q", 2**62) + b"{}", raw("{}", b""), raw("{}", b"1234"),
        raw(f'{{"a": {entry(0, 4)}, "b": {entry(0, 4)}}}', bytes(4)),
        raw(f'{{"a": {entry(0, 4)}, "b": {entry(2, 6)}}}', bytes(6)),
        raw(f'{{"a": {entry(0, 4)}, "a": {entry(4, 8)}}}', bytes(8)),
        raw(f'{{"a": {entry(0, 4)}, "b": {entry(8, 12)}}}', bytes(12)),
        raw(f'{{"a": {entry(4, 0)}}}', bytes(4)), raw(f'{{"a": {entry(0, 4)}}}', bytes(3)),
        raw(f'{{"a": {entry(0, 4)}}}', bytes(5)), raw(f'{{"a": {entry(0, 4, "[2]")}}}', bytes(4)),
        raw(f'{{"a": {entry(0, 4, "[-1]")}}}', bytes(4)), raw(f'{{"a": {entry(0, 4, "[1.0]")}}}', bytes(4)),
        raw(f'{{"a": {entry(0, 4, f"[{2**32}, {2**32}]")}}}', bytes(4)),
        raw(f'{{"a": {entry(0, 4, dtype="F7")}}}', bytes(4)), raw('{"a": ' * 9000 + "}" * 9000, b""),
        raw('{"__metadata__": {"posetrack.pose": 7}}', b""), raw('{"__metadata__": []}', b""),
    ],
    ids=lambda content: content[8:60].decode(errors="replace"),
)  # fmt: skip
def test_safetensors_of_contradictory_offsets_or_shapes_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    for kind in LOADERS:
        refusal(path, kind)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    for kind in LOADERS:
        assert "No such file" in refusal(tmp_path / "missing.safetensors", kind)
        assert "is not a file" in refusal(tmp_path, kind)


def test_a_file_too_large_for_weights_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 2**39) + b"{")
        file.truncate(2**40)
    assert "is larger than any known checkpoint" in refusal(path, "pose")


def test_the_command_line_says_it_in_a_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", "pose", {"a": torch.ones(1)}, '{"width": 96.0}')
    done = CliRunner().invoke(app, ["models", "export", str(path), "-o", str(tmp_path / "w.onnx")])
    assert isinstance(done.exception, WeightsError) and not (tmp_path / "w.onnx").exists()


def test_backbones_are_checked_like_networks(tmp_path: Path) -> None:
    path, own = tmp_path / "b.safetensors", PersonShuffleNet().state_dict()
    for tensors, reason in (
        (own | {"conv1.0.weight": torch.full((24, 3, 3, 3), float("nan"))}, "not finite"),
        (own | {"conv1.0.weight": torch.zeros(24, 3, 3, 3)}, "only zeros"),
        ({"conv1.0.weight": torch.ones(24, 3, 3, 3)}, "does not hold the weights of a ShuffleNetV2 1.0x backbone"),
    ):
        save_file(tensors, path)
        with pytest.raises(WeightsError, match=f"b.safetensors .*{reason}"):
            load_person_backbone(path)
