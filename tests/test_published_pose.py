"""RTMPose: outputs as written a second time, sizes as published, the publisher's joints in pictures."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from posetrack.errors import ConfigError, WeightsError
from posetrack.models import published_pose
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.pose import PoseConfig
from posetrack.models.pose_format import PoseFormat
from posetrack.models.published_pose import build_published_pose, load_published_pose, read_published_pose
from posetrack.skeletons import COCO, HALPE_26
from posetrack.types import Boxes
from tests import publishers
from tests.in_process import posetrack
from tests.reference_networks import Tape, images
from tests.reference_rtm import SIZES, rtmpose, small_rtmpose

SMALL = PoseFormat(skeleton=COCO, width=96, height=64, convention=CONVENTIONS["mmpose"])


def saved(tensors: dict[str, Tensor], folder: Path, prefix: str = "") -> Path:
    path = folder / "checkpoint.pth"
    torch.save({"meta": {}, "state_dict": {prefix + name: value for name, value in tensors.items()}}, path)
    return path


@pytest.mark.parametrize(("size", "prefix"), [("t", "module."), *((size, "") for size in SIZES)])
def test_outputs_equal_those_of_the_network_written_a_second_time(size: str, prefix: str, tmp_path: Path) -> None:
    """Single precision rounds: random layers amplify it, and in double precision nothing is left of it."""
    tape, expected = small_rtmpose(size)
    network = read_published_pose(f"rtmpose_{size}", saved(tape.weights, tmp_path, prefix), SMALL)
    exact = Tape(seed=0)
    exact.weights = {name: value.double() for name, value in tape.weights.items()}
    with torch.inference_mode():
        found = network(images(64, 96))
        finer = network.double()(images(64, 96).double())
        finest = rtmpose(exact, images(64, 96).double(), size, joints=17)
    assert [each.shape for each in found] == [(2, 17, 192), (2, 17, 128)] and not network.training
    for axis in range(2):
        assert expected[axis].std() > 0.2
        assert (found[axis] - expected[axis]).abs().max() <= 1e-4
        assert (finer[axis] - finest[axis]).abs().max() <= 1e-10


BOXES = np.array(
    [
        [40, 30, 140, 210], [-60, -80, 50, 90], [250, 150, 420, 300], [-30, 60, 360, 130],
        [100.3, 20.7, 103.1, 24.2], [310, -40, 330, 20], [0, 0, 319, 239],
    ],
    np.float32,
)  # fmt: skip
"""Inside, over corners and edges, wide, tiny, and the whole picture."""


@pytest.mark.parametrize("flip", [False, True])
def test_joints_in_pictures_are_the_publishers(flip: bool, tmp_path: Path) -> None:
    """Cut out, normalised, classified and mapped back by MMPose's rules, written a second time."""
    tape = small_rtmpose("t")[0]
    form = PoseFormat(skeleton=COCO, width=96, height=64, padding=1.25, convention=CONVENTIONS["mmpose"])
    config = PoseConfig(codec="simcc", flip_test=flip)
    stage = load_published_pose("rtmpose_t", saved(tape.weights, tmp_path), form, config)
    image = cv2.resize(np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8), (320, 240))
    poses = stage.estimate(image, Boxes(BOXES, np.ones(len(BOXES))))
    assert poses.present.any(axis=1).all()
    for number, box in enumerate(BOXES):
        crop = publishers.mmpose_input(publishers.crop(image[..., ::-1].copy(), box, (96, 64)))[None]
        with torch.inference_mode():
            x, y = (axis.numpy()[0] for axis in rtmpose(tape, crop, "t", 17))
            if flip:
                back_x, back_y = (axis.numpy()[0] for axis in rtmpose(tape, crop.flip(-1), "t", 17))
                twins = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
                x, y = (x + back_x[twins, ::-1]) / 2, (y + back_y[twins]) / 2
        bins = np.stack([x.argmax(-1), y.argmax(-1)], -1)
        expected = publishers.mmpose_to_source(bins / 2, box, (96, 64), 1.0)
        scores = np.minimum(x.max(-1), y.max(-1))
        np.testing.assert_array_equal(poses.present[number], scores > 0)
        # Two ways to turn a map around differ by a grey level here and there.
        np.testing.assert_allclose(poses.keypoint_scores[number], np.clip(scores, 0, 1), atol=0.01)
        clear = (lead(x) > 0.02) & (lead(y) > 0.02)
        assert clear.sum() >= 5
        np.testing.assert_allclose(poses.keypoints[number][clear], expected[clear], atol=0.01)


def lead(values: np.ndarray) -> np.ndarray:
    """By how much the highest value of each row exceeds the next."""
    ordered = np.sort(values, axis=-1)
    return ordered[:, -1] - ordered[:, -2]


def refusal(name: str, path: Path, form: PoseFormat = SMALL) -> str:
    with pytest.raises(WeightsError) as refused:
        read_published_pose(name, path, form)
    sentence = str(refused.value)
    assert str(path) in sentence and "\n" not in sentence
    return sentence


def test_checkpoints_of_other_networks_are_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published_pose, "PUBLISHED_POSES", ("rtmpose_t", "rtmpose_m", "vitpose_small"))
    tape = small_rtmpose("t")[0]
    path = saved(tape.weights, tmp_path)
    assert "it is a checkpoint of rtmpose_t" in refusal("rtmpose_m", path)
    assert "another input size than 192x256" in refusal("rtmpose_t", path, replace(SMALL, width=192, height=256))
    halpe = refusal("rtmpose_t", path, replace(SMALL, skeleton=HALPE_26))
    assert "head.final_layer.weight 17x384x7x7 instead of 26x384x7x7" in halpe
    assert "it gives 17 joints, and not 26: say --skeleton posetrack or coco" in halpe
    less = {name: value for name, value in tape.weights.items() if name != "head.gau.ln.g"}
    assert "1 missing (head.gau.ln.g)" in refusal("rtmpose_t", saved(less, tmp_path))
    more = {**tape.weights, "head.gau.w": torch.ones(33)}
    assert "1 unexpected (head.gau.w)" in refusal("rtmpose_t", saved(more, tmp_path))
    other = {"layer.weight": torch.ones(2, 2)}
    assert "it is not a checkpoint of rtmpose_t" in refusal("rtmpose_t", saved(other, tmp_path))


def test_impossible_networks_are_named() -> None:
    with pytest.raises(
        ConfigError, match=re.escape("the network 'rtmpose_q' is unknown; choose one of rtmpose_t")
    ):
        build_published_pose("rtmpose_q", SMALL)
    with pytest.raises(ConfigError, match=re.escape("the input of rtmpose_t is 100x64; give multiples of 32")):
        build_published_pose("rtmpose_t", replace(SMALL, width=100))


def test_a_checkpoint_of_somebody_else_runs_on_the_command_line(tmp_path: Path) -> None:
    """Fine-tuned for Halpe's joints, with feet, which are in the table that is written."""
    tape = Tape(seed=2)
    with torch.inference_mode():
        rtmpose(tape, images(96, 64), "t", joints=26)
    torch.save({"meta": {}, "state_dict": tape.weights, "optimizer": {}}, tmp_path / "epoch_9.pth")
    (tmp_path / "frames").mkdir()
    with Path(__file__).parents[1].joinpath("docs/pictures/failures.jpg").open("rb") as picture:
        image = cv2.imdecode(np.frombuffer(picture.read(), np.uint8), cv2.IMREAD_COLOR)
    for number in range(2):
        cv2.imwrite(str(tmp_path / "frames" / f"{number}.png"), image)
    described = [
        "--architecture",
        "rtmpose_t",
        "--input",
        "64x96",
        "--convention",
        "mmpose",
        "--skeleton",
        "halpe_26",
    ]
    # Its joints are random: nobody is left out for what they are.
    thresholds = ["--score-threshold", "0.1", "--min-joint-score", "0", "--min-person-score", "0", "--online"]
    done = posetrack(
        "run", tmp_path / "frames", "--pose", tmp_path / "epoch_9.pth", *described, *thresholds, "--no-video",
        "--format", "csv", "-o", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "frames.csv").open(newline="") as table:
        assert {row["joint"] for row in csv.DictReader(table)} == set(HALPE_26.joints)


def test_another_seed_gives_other_outputs() -> None:
    """The comparison above would notice a network that ignores its weights."""
    tape, expected = small_rtmpose("t")
    other = Tape(seed=1)
    with torch.inference_mode():
        found = rtmpose(other, images(64, 96), "t", 17)
    assert (found[0] - expected[0]).abs().max() > 1
    assert other.weights.keys() == tape.weights.keys()
