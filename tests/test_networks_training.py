"""``posetrack train pose`` trains the published networks like the bundled one."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from posetrack.cli.train import train
from posetrack.errors import ConfigError
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network, save_pose_network
from posetrack.skeletons import POSETRACK
from posetrack.training.pose import DataSource, PoseTask, PoseTraining

RESNET = PoseArchitecture(width=64, height=64, deconv_channels=(16, 16, 16), backbone="resnet50")


@pytest.fixture
def people(tmp_path: Path) -> DataSource:
    """Four grey images with one person each, all joints labelled."""
    rng = np.random.default_rng(3)
    images, annotations = [], []
    for index in range(4):
        cv2.imwrite(str(tmp_path / f"{index}.png"), rng.integers(0, 255, (80, 80, 3), np.uint8))
        keypoints = np.column_stack([rng.uniform(20, 60, (17, 2)), np.full(17, 2)])
        images.append({"id": index, "file_name": f"{index}.png"})
        person = {"id": index, "image_id": index, "bbox": [10, 10, 60, 60], "num_keypoints": 17, "iscrowd": 0}
        annotations.append({**person, "keypoints": keypoints.ravel().tolist()})
    categories = [{"id": 1, "name": "person", "keypoints": list(POSETRACK.joints)}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "people.json").write_text(json.dumps(content))
    return DataSource(annotations=tmp_path / "people.json", images=tmp_path)


@pytest.mark.parametrize("backbone, head", [("resnet50", "deconv_channels = [16, 16, 16]"), ("hrnet_w32", "")])
def test_a_configuration_names_the_backbone(backbone: str, head: str, people: DataSource, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"""
        [pose]
        batch_size = 4
        [pose.architecture]
        backbone = "{backbone}"
        width = 64
        height = 64
        all_slots = true
        {head}
        [[pose.train]]
        annotations = "people.json"
        images = "."
        [pose.validation]
        annotations = "people.json"
        images = "."
        [schedule]
        epochs = 1
        warmup_iterations = 0
    """)
    done = CliRunner().invoke(train, ["pose", str(config), "--output", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    network, architecture = load_pose_network(tmp_path / "run" / "last.safetensors")
    assert architecture.backbone == backbone
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 17, 16, 16)


def test_initial_weights_of_another_network_are_named(people: DataSource, tmp_path: Path) -> None:
    lite = PoseArchitecture(width=64, height=64, deconv_channels=(16, 16, 16))
    save_pose_network(lite.build(), lite, tmp_path / "lite.safetensors")
    settings = PoseTraining(train=(people,), validation=people, architecture=RESNET)
    for fields in ({"initial": tmp_path / "lite.safetensors"}, {"backbone": tmp_path / "lite.safetensors"}):
        with pytest.raises(ConfigError, match=r"lite\.safetensors is a network of another|not of resnet50: leave"):
            PoseTask(PoseTraining(**{**vars(settings), **fields}))
