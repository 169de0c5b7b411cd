"""Checkpoints of somebody's own, given as files: used as their network, or refused in one sentence."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import detection

from posetrack.changes import Changes, customised
from posetrack.errors import ConfigError, WeightsError
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.detector import DetectorConfig
from posetrack.models.file_format import FileFormat
from posetrack.models.given_files import load_given_detector, load_given_pose, read_given_pose
from posetrack.models.pose import PoseConfig
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.models.runtime import CPU
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import get_preset, weights_of
from posetrack.types import Boxes

from . import publishers
from .in_process import posetrack
from .reference_networks import images, published, small_reference
from .stubs import StubDetector

LITE = get_preset("lite")
IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
BOXES = Boxes(np.array([[30, 10, 90, 110]], np.float32), np.ones(1, np.float32))
SMALL: dict[str, Any] = {"width": 64, "height": 64}
RESNET = FileFormat(architecture="resnet50", convention="mmpose", **SMALL)


@pytest.fixture(scope="module")
def fine_tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-50 as MMPose 1.x saves it in training: with its notes, its optimiser, and a name without a hash."""
    weights = published(small_reference("resnet50")[0], "MMPose 1.x")
    notes = {"epoch": 210, "iter": 1, "cfg": "model = dict()", "dataset_meta": {"sigmas": np.ones(17)}}
    optimiser = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 5e-4, "params": [0]}]}
    path = tmp_path_factory.mktemp("mine") / "epoch_210.pth"
    torch.save({"meta": notes, "state_dict": weights, "optimizer": optimiser}, path)
    return path


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip") / "frames"
    folder.mkdir()
    for index in range(2):
        cv2.imwrite(str(folder / f"{index}.png"), IMAGE)
    return folder


def test_a_fine_tuned_checkpoint_is_its_network(fine_tuned: Path, tmp_path: Path) -> None:
    network, architecture = read_given_pose(fine_tuned, RESNET)
    expected = small_reference("resnet50")[1]
    with torch.inference_mode():
        assert torch.allclose(network(images(64, 64)), expected, atol=1e-5)
    assert architecture.format.convention is CONVENTIONS["mmpose"] and architecture.skeleton == "coco"
    copy = tmp_path / "model.safetensors"
    save_file(published(small_reference("resnet50")[0], "official"), copy)
    with torch.inference_mode():
        assert torch.allclose(read_given_pose(copy, RESNET)[0](images(64, 64)), expected, atol=1e-5)


@pytest.mark.parametrize("backbone", ["resnet50", "shufflenet_v2_x1_0"])
def test_the_transposed_convolutions_are_as_wide_as_in_the_file(backbone: str, tmp_path: Path) -> None:
    """Nobody has to say how many channels there are, and there is no option for it."""
    network = PoseArchitecture(backbone=backbone, skeleton="coco", deconv_channels=(24, 16, 8)).build().eval()
    path = tmp_path / "narrow.pth"
    torch.save({"state_dict": network.state_dict()}, path)
    found, architecture = read_given_pose(path, replace(RESNET, architecture=backbone))
    assert architecture.deconv_channels == (24, 16, 8)
    with torch.inference_mode():
        assert torch.equal(found(images(64, 64)), network(images(64, 64)))


@pytest.mark.parametrize("widths, given", [((16, 8), "16, 8"), ((16, 8, 4096), "16, 8, 4096"), ((), "no")])
def test_other_transposed_convolutions_are_told_without_options(
    widths: tuple[int, ...], given: str, tmp_path: Path
) -> None:
    weights = published(small_reference("resnet50")[0], "MMPose 1.x")
    kept = {name: value for name, value in weights.items() if "deconv_layers" not in name}
    shapes = {f"head.deconv_layers.{3 * place}.weight": (1, width, 4, 4) for place, width in enumerate(widths)}
    torch.save({**kept, **{name: torch.zeros(shape) for name, shape in shapes.items()}}, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match=f"convolutions give {given} channels, not 256, 256, 256"):
        read_given_pose(tmp_path / "odd.pth", RESNET)


def test_the_official_convention_is_that_of_the_networks_authors(fine_tuned: Path) -> None:
    form = FileFormat(architecture="resnet50", convention="official", **SMALL)
    assert read_given_pose(fine_tuned, form)[1].convention == "official_simple_baseline"


def test_unbiased_data_processing_is_a_convention_with_its_own_codec(fine_tuned: Path) -> None:
    """As in MMPose's configurations with ``UDPHeatmap``. A codec that is given counts all the same."""
    form = FileFormat(architecture="resnet50", convention="udp", **SMALL)
    changes = Changes(pose=str(fine_tuned), pose_format=form)
    preset = customised(LITE, changes)
    assert preset.pose_config.codec == "dark-udp"
    assert customised(LITE, replace(changes, codec="argmax")).pose_config.codec == "argmax"
    assert customised(LITE, replace(changes, pose_format=RESNET)).pose_config.codec == "quarter"
    found = load_given_pose(fine_tuned, form, PoseConfig(codec="argmax"), CPU).estimate(IMAGE, BOXES).keypoints
    crop = publishers.udp_crop(IMAGE[..., ::-1].copy(), BOXES.xyxy[0] + 0.0, (64, 64))
    with torch.inference_mode():
        heatmaps = read_given_pose(fine_tuned, form)[0](publishers.mmpose_input(crop)[None])[0].flatten(1)
    cells = np.stack([heatmaps.argmax(1) % 16, heatmaps.argmax(1) // 16], -1)
    assert np.abs(found[0] - publishers.udp_to_source(cells, BOXES.xyxy[0], (64, 64))).max() < 0.01


def test_the_joints_are_those_of_the_skeleton_given(fine_tuned: Path) -> None:
    form = FileFormat(architecture="resnet50", convention="mmpose", skeleton="posetrack", **SMALL)
    pose = load_given_pose(fine_tuned, form, PoseConfig(), CPU)
    assert pose.skeleton.name == "posetrack"
    assert pose.estimate(IMAGE, BOXES).keypoints.shape == (1, 17, 2)


def test_a_preset_takes_the_file_and_nothing_is_downloaded(fine_tuned: Path) -> None:
    preset = customised(LITE, Changes(pose=str(fine_tuned), pose_format=RESNET))
    assert weights_of(preset) == ("detector_lite",)
    tracker = PoseTracker(preset, detector=StubDetector())
    assert all(poses.skeleton.name == "coco" for _, poses in tracker.track([IMAGE] * 2))
    assert customised(preset, Changes(pose="pose_lite")).pose_format is None


def test_it_runs_on_the_command_line(fine_tuned: Path, frames: Path, tmp_path: Path) -> None:
    described = ["--architecture", "resnet50", "--input", "64x96", "--convention", "udp"]
    done = posetrack("run", frames, "--pose", fine_tuned, *described, "--no-video", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "frames.json").is_file()


@pytest.mark.parametrize(
    "options, reason",
    [
        ([], "was not written by `posetrack train`: say which network it is of, such as --architecture hrnet_w32"),
        (["--architecture", "resnet50"], "say how large the input of"),
        (["--architecture", "resnet50", "--input", "64x96"], "--convention mmpose, udp, official or own"),
        (["--architecture", "resnet50", "--input", "96x64", "--convention", "own"], "is wider than high"),
        (["--architecture", "resnet50", "--input", "64", "--convention", "own"], "give WIDTHxHEIGHT"),
        (["--architecture", "resnet50", "--input", "64x70", "--convention", "own"], "height is 70; give a mult"),
        (["--architecture", "resnet51"], "there is no architecture 'resnet51'; choose one of"),
        (["--architecture", "resnet50", "--architecture", "hrnet_w32"], "are for the same network"),
        (["--architecture", "fasterrcnn_resnet50_fpn"], "give the file with --detector FILE"),
        (["--architecture", "resnet50", "--input", "64x96", "--convention", "mine"], "convention must be"),
        (["--onnx-kind", "yolo"], "there is no --onnx-kind 'yolo'"),
        (["--detector-input", "640x640"], "--detector-input describes a file of weights: give the file with --d"),
        (["--architecture", "resnet50", "--input", "64x96", "--convention", "own", "--skeleton", "cat"],
         "there is no skeleton 'cat'"),
        (["--architecture", "hrnet_w32", "--input", "64x96", "--convention", "mmpose"],
         "it is a checkpoint of resnet50"),
        (["--architecture", "resnet101", "--input", "64x96", "--convention", "mmpose"], "does not fit resnet101"),
    ],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_one_sentence(
    fine_tuned: Path, frames: Path, tmp_path: Path, options: list[str], reason: str
) -> None:
    done = posetrack("run", frames, "--pose", fine_tuned, *options, "--no-video", "-o", tmp_path / "out")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and reason in done.stderr, done.stderr
    assert not (tmp_path / "out" / "frames.json").exists()


def test_only_networks_trained_here_are_exported(fine_tuned: Path, tmp_path: Path) -> None:
    done = posetrack("models", "export", fine_tuned, "-o", tmp_path / "pose.onnx")
    assert done.returncode == 2 and "was not written by `posetrack train pose`" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_description_without_a_file_is_refused(frames: Path, tmp_path: Path) -> None:
    for pose in ([], ["--pose", "pose_lite"]):
        done = posetrack("run", frames, *pose, "--architecture", "resnet50", "-o", tmp_path)
        assert done.returncode == 2 and "--architecture describes a file of weights" in done.stderr


def test_a_description_of_a_file_of_another_kind_names_the_file(frames: Path, tmp_path: Path) -> None:
    (tmp_path / "keras.h5").write_bytes(b"\x89HDF")
    for flag in ("--pose", "--detector"):
        architecture = "resnet50" if flag == "--pose" else "yolox_s"
        done = posetrack(
            "run", frames, flag, tmp_path / "keras.h5", "--architecture", architecture, "-o", tmp_path
        )
        assert done.returncode == 2 and f"{tmp_path / 'keras.h5'} is not a file of weights" in done.stderr


def test_a_file_that_posetrack_trained_needs_no_description(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(WeightsError, match="did not write it, give --architecture"):
        read_given_pose(tmp_path / "foreign.safetensors", None)
    with pytest.raises(ConfigError, match="--architecture is missing"):
        read_given_pose(tmp_path / "foreign.safetensors", FileFormat(convention="mmpose"))


class Evil:
    """Would write a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    torch.save({"state_dict": {"backbone.conv1.weight": Evil(tmp_path / "ran")}}, tmp_path / "evil.pth")
    for load in (
        lambda path: read_given_pose(path, RESNET),
        lambda path: load_given_detector(
            path, FileFormat(architecture="fasterrcnn_resnet50_fpn"), DetectorConfig(), CPU
        ),
    ):
        with pytest.raises(WeightsError, match="is refused"):
            load(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("classes", [2, 91])
def test_a_fine_tuned_detector_gives_torchvisions_boxes(classes: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, num_classes=classes, box_detections_per_img=1_000_000,
        box_score_thresh=0.0,
    ).eval()  # fmt: skip
    # Somebody who starts from torchvision's weights has frozen norms, which count no batches.
    weights = {name: value for name, value in theirs.state_dict().items() if "num_batches_tracked" not in name}
    torch.save({"state_dict": weights, "epoch": 3}, tmp_path / "mine.pth")
    form = FileFormat(architecture="fasterrcnn_mobilenet_v3_large_320_fpn")
    detector = load_given_detector(tmp_path / "mine.pth", form, DetectorConfig(score_threshold=0.0), CPU)
    found = detector.detect([IMAGE])[0]
    with torch.inference_mode():
        result = theirs([torch.from_numpy(IMAGE).permute(2, 0, 1) / 255])[0]
    people = result["labels"] == 1
    expected = result["boxes"][people].numpy()[: len(found)]
    assert len(found) > 10 and np.allclose(found.xyxy, expected - 0.5, atol=0.05)


@pytest.mark.parametrize(
    "name", ["ssdlite320_mobilenet_v3_large", "fcos_resnet50_fpn", "retinanet_resnet50_fpn_v2"]
)
def test_fine_tuned_detectors_of_one_stage_give_torchvisions_boxes(name: str, tmp_path: Path) -> None:
    """For three classes, saved with the state of training, as torchvision's own training script does."""
    torch.manual_seed(0)
    theirs = getattr(detection, name)(weights=None, weights_backbone=None, num_classes=3).eval()
    for key, value in theirs.named_parameters():
        if "classification_head" in key and key.endswith("weight"):
            torch.nn.init.normal_(value, std=0.05)
    torch.save({"model": theirs.state_dict(), "optimizer": {"state": {}}, "epoch": 3}, tmp_path / "mine.pth")
    config = DetectorConfig(score_threshold=0.01, max_people=10_000, short_side=64, long_side=96)
    detector = load_given_detector(tmp_path / "mine.pth", FileFormat(architecture=name), config, CPU)
    theirs.score_thresh, theirs.nms_thresh, theirs.detections_per_img = 0.01, config.nms_iou, 1_000_000
    if theirs.transform.fixed_size is None:
        theirs.transform.min_size, theirs.transform.max_size = (64,), 96
    with torch.inference_mode():
        result = theirs([torch.from_numpy(IMAGE).permute(2, 0, 1) / 255])[0]
    expected = result["boxes"][result["labels"] == 1].numpy()
    found = detector.detect([IMAGE])[0].xyxy + 0.5
    assert len(found) == len(expected) > 10
    nearest = np.abs(found[:, None] - expected).max(-1).min(0)
    assert nearest.max() < 0.05


def test_a_detector_of_another_network_is_refused(fine_tuned: Path) -> None:
    form = FileFormat(architecture="fasterrcnn_resnet50_fpn")
    with pytest.raises(WeightsError, match="does not hold the weights of fasterrcnn_resnet50_fpn"):
        load_given_detector(fine_tuned, form, DetectorConfig(), CPU)
    with pytest.raises(ConfigError, match="say which network it is of"):
        load_given_detector(fine_tuned, None, DetectorConfig(), CPU)
