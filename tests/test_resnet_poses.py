"""ResNets with MMPose's heads for SimCC and regression: outputs as written a second time, joints as published."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from posetrack.changes import Changes, customised
from posetrack.errors import WeightsError
from posetrack.models import published_pose
from posetrack.models.file_format import FileFormat
from posetrack.models.given_files import load_given_pose
from posetrack.models.pose import PoseConfig
from posetrack.models.pose_format import PoseFormat
from posetrack.models.published_pose import build_published_pose, read_published_pose
from posetrack.models.runtime import CPU
from posetrack.presets import get_preset
from posetrack.skeletons import COCO, HALPE_26
from posetrack.types import Boxes

from . import publishers
from .reference_networks import RESNET_BLOCKS, Tape, images, resnet, simple_baseline

SIZE = (32, 64)
FORM = PoseFormat(skeleton=COCO, width=SIZE[0], height=SIZE[1])
VALUES = {"simcc": 0, "regression": 2, "rle": 4}


def linear(tape: Tape, x: Tensor, name: str, outputs: int, scale: float = 1.0) -> Tensor:
    return tape.dense(x, name, outputs, scale) + tape.draw(f"{name}.bias", outputs, scale=0.2)


def outputs(tape: Tape, pictures: Tensor, head: str) -> list[Tensor]:
    """Of ResNet-50 with a head for COCO's joints."""
    blocks = RESNET_BLOCKS["resnet50"]
    if head == "simcc":
        maps = simple_baseline(tape, pictures, blocks, 17).reshape(len(pictures), 17, -1)
        return [linear(tape, maps, f"mlp_head_{axis}", 2 * side) for axis, side in zip("xy", SIZE, strict=True)]
    means = resnet(tape, pictures, blocks).flatten(2).mean(-1)
    values = linear(tape, means, "fc", 17 * VALUES[head], 0.05).reshape(len(pictures), 17, VALUES[head])
    values[..., 2:] = 1 / (1 + torch.exp(-values[..., 2:]))
    return [values]


@cache
def reference(head: str) -> tuple[Tape, list[Tensor]]:
    tape = Tape(seed=3)
    with torch.inference_mode():
        return tape, outputs(tape, images(SIZE[1], SIZE[0]), head)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints as MMPose saves them; with RLE they hold the flow that only training uses, too."""
    folder = tmp_path_factory.mktemp("mine")
    for head in VALUES:
        weights = {as_mmpose(name): value for name, value in reference(head)[0].weights.items()}
        if head == "rle":
            weights["head.loss_module.flow_model.mask"] = torch.ones(6, 2)
        torch.save({"meta": {"epoch": 1}, "state_dict": weights, "message_hub": {}}, folder / f"{head}.pth")
    return {head: folder / f"{head}.pth" for head in VALUES}


def as_mmpose(name: str) -> str:
    part = name.split(".")[0]
    return {
        "deconv_layers": f"head.deconv_head.{name}", "final_layer": f"head.deconv_head.{name}",
        "mlp_head_x": f"head.{name}", "mlp_head_y": f"head.{name}", "fc": f"head.{name}",
    }.get(part, f"backbone.{name}")  # fmt: skip


@pytest.mark.parametrize("head", VALUES)
def test_outputs_equal_those_of_the_network_written_a_second_time(head: str, files: dict[str, Path]) -> None:
    expected = reference(head)[1]
    network = read_published_pose(f"resnet50_{head}", files[head], FORM)
    with torch.inference_mode():
        found = network(images(SIZE[1], SIZE[0]))
    for one, other in zip([found] if isinstance(found, Tensor) else found, expected, strict=True):
        assert one.shape == other.shape and other.std() > 0.01
        assert (one - other).abs().max() <= 1e-5 * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("head", VALUES)
def test_joints_are_the_publishers(head: str, files: dict[str, Path]) -> None:
    """The codecs ``SimCCLabel`` and ``RegressionLabel``, in a box inside the image and one across its corner."""
    tape, path = reference(head)[0], files[head]
    form = FileFormat(architecture=f"resnet50_{head}", width=SIZE[0], height=SIZE[1], convention="mmpose")
    preset = customised(get_preset("lite"), Changes(pose=str(path), pose_format=form))
    assert preset.pose_config.codec == ("simcc" if head == "simcc" else "regression")
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    boxes = np.array([[30, 10, 90, 110], [-20, -30, 40, 70]], np.float32)
    config = replace(preset.pose_config, flip_test=False)
    poses = load_given_pose(path, form, config, CPU).estimate(image, Boxes(boxes, np.ones(2)))
    for person, box in enumerate(boxes):
        crop = publishers.mmpose_input(publishers.crop(image[..., ::-1].copy(), box, SIZE))[None]
        values = outputs(tape, crop, head)
        if head == "simcc":
            points = np.stack([axis[0].argmax(-1).numpy() / 2 for axis in values], -1)
            scores = np.minimum(*(axis[0].max(-1).values.numpy() for axis in values))
        else:
            points = values[0][0, :, :2].numpy() * SIZE
            scores = 1 - values[0][0, :, 2:].numpy().mean(-1) if head == "rle" else np.ones(17)
        theirs = publishers.mmpose_to_source(points, box, SIZE, 1.0)
        assert np.abs(poses.keypoints[person] - theirs).max() < 0.01
        assert np.abs(poses.keypoint_scores[person] - scores.clip(0, 1)).max() < 1e-3


def test_a_file_of_another_head_is_refused_with_the_name_of_its_own(files: dict[str, Path]) -> None:
    form = FileFormat(architecture="resnet50", width=SIZE[0], height=SIZE[1], convention="mmpose")
    for head in ("rle", "regression"):
        with pytest.raises(WeightsError, match=f"its head gives no heatmaps: say --architecture resnet50_{head}"):
            load_given_pose(files[head], form, PoseConfig(), CPU)
    with pytest.raises(WeightsError, match="it gives 17 joints, and not 26: say --skeleton posetrack or coco"):
        read_published_pose("resnet50_simcc", files["simcc"], replace(FORM, skeleton=HALPE_26))


OTHERS = {
    "resnet50_rle": "resnet101_rle",
    "resnet50_regression": "resnet50_rle",
    "resnet152_rle": "resnet50_regression",
}


@pytest.mark.parametrize(("given", "made"), OTHERS.items())
def test_a_file_of_another_resnet_is_refused_with_its_name(
    given: str, made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two regressions have the same layers, which differ in the number of values."""
    with torch.device("meta"):
        weights = build_published_pose(made, FORM).state_dict()
    monkeypatch.setattr(published_pose, "read_checkpoint", lambda path: weights)
    with pytest.raises(WeightsError, match=f"does not fit {given}: .*; it is a checkpoint of {made}\\.$"):
        read_published_pose(given, tmp_path / "w.pth", FORM)


def test_another_number_of_joints_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for head in ("regression", "rle"):
        with torch.device("meta"):
            weights = build_published_pose(f"resnet50_{head}", replace(FORM, skeleton=HALPE_26)).state_dict()
        monkeypatch.setattr(published_pose, "read_checkpoint", lambda path, found=weights: found)
        with pytest.raises(WeightsError, match="it gives 26 joints, and not 17: say --skeleton halpe_26"):
            read_published_pose(f"resnet50_{head}", tmp_path / "w.pth", FORM)
