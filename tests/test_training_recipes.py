"""The configurations of the bundled networks train: one epoch of each, on a handful of people."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from posetrack.models.backbone import PersonShuffleNet
from posetrack.models.detector_weights import read_detector
from posetrack.models.pose_weights import load_pose_network
from posetrack.skeletons import COCO, POSETRACK
from tests.in_process import posetrack
from tests.published_movenet import Published

CONFIGS = Path(__file__).parents[1] / "configs"
POSES = ("lite", "medium")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders as the configurations name them: a labelled person, one whom only a teacher labels, and nobody."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(3)
    categories = [{"id": 1, "name": "person", "keypoints": POSETRACK.joints, "teacher_keypoints": COCO.joints}]
    people = []
    for number, kind in enumerate(("labelled", "taught", "nobody")):
        left = 10 + 80 * number
        joints = np.column_stack([rng.uniform(left, left + 60, 17), rng.uniform(20, 180, 17), np.full(17, 2)])
        taught = np.column_stack([joints[:, :2], np.full(17, 0.9)])
        person = {"id": number, "image_id": 0, "category_id": 1, "bbox": [left, 20, 60, 160], "iscrowd": 0}
        if kind == "nobody":
            person["nobody"] = True
        else:
            person["teacher_keypoints"] = taught.ravel().tolist()
        if kind == "labelled":
            person |= {"keypoints": joints.ravel().tolist(), "num_keypoints": 17}
        people.append(person)
    content = {"images": [{"id": 0, "file_name": "a.png", "width": 340, "height": 200}], "annotations": people}
    for name in ("lspe", "multi", "people_unlabelled", "renderings"):
        (folder / "data" / name / "images").mkdir(parents=True)
        cv2.imwrite(
            str(folder / "data" / name / "images" / "a.png"), rng.integers(0, 255, (200, 340, 3), np.uint8)
        )
    (folder / "labels").mkdir()
    for path in (
        "data/lspe/train.json", "data/lspe/val.json", "data/multi/multi.json", "data/renderings/annotations.json",
        "labels/lspe.json", "labels/multi.json", "labels/unlabelled.json", "labels/street_boxes.json",
    ):  # fmt: skip
        (folder / path).write_text(json.dumps({**content, "categories": categories}))
    (folder / "data" / "backbone").mkdir()
    for name in ("movenet_lightning", "movenet_thunder"):
        save_file(Published(name).tensors, folder / "data" / "backbone" / f"{name}_backbone.safetensors")
    torch.manual_seed(0)
    save_file(
        PersonShuffleNet().state_dict(), folder / "data" / "backbone" / "shufflenetv2_1.0x_person.safetensors"
    )
    return folder


def train(name: str, data: Path, start: Path | None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run a configuration for one epoch, by the command line; gives the folder of weights."""
    kind = name.split("_")[0]
    variables = {
        "POSETRACK_SHARED": data, "LABELS": data / "labels", "RENDERINGS": data / "data" / "renderings",
        f"{kind.upper()}_START": start or data / "missing",
    }  # fmt: skip
    for variable, path in variables.items():
        monkeypatch.setenv(variable, str(path))
    config = data / f"{name}.toml"
    config.write_text(re.sub(r"^epochs = \d+$", "epochs = 1", (CONFIGS / f"{name}.toml").read_text(), flags=re.M))
    done = posetrack("train", kind, config, "-o", data / "runs" / name)
    assert done.returncode == 0, done.stderr
    return data / "runs" / name


@pytest.mark.parametrize("network", POSES)
def test_a_pose_networks_parts_run_one_after_the_other(
    network: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(f"pose_{network}_start", data, None, monkeypatch)
    second = train(f"pose_{network}", data, first / "last.safetensors", monkeypatch)
    _, before = load_pose_network(first / "last.safetensors")
    _, after = load_pose_network(second / "last.safetensors")
    assert (after.backbone, after.fills_unused) == (before.backbone, True)
    assert after.width > before.width and after.height > before.height
    if network == "medium":
        third = train("pose_medium_more", data, second / "last.safetensors", monkeypatch)
        fourth = train("pose_medium_last", data, third / "last.safetensors", monkeypatch)
        assert load_pose_network(fourth / "last.safetensors")[1] == after


@pytest.mark.parametrize("recipe", ["detector", "detector_more"])
def test_the_detectors_recipes_run(recipe: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, architecture = read_detector(train(recipe, data, None, monkeypatch) / "last.safetensors")
    assert architecture.short_side == 384
