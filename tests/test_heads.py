"""Pose networks of any head: joints come back to source pixels, from heatmaps, SimCC and regression alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posetrack.changes import Changes, customised
from posetrack.errors import ConfigError, WeightsError
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.heads import HEADS, RegressionHead, SimCCHead
from posetrack.models.heatmap import gaussian_targets
from posetrack.models.onnx_reading import read_onnx
from posetrack.models.pose import CropPoseEstimator, PoseConfig
from posetrack.models.pose_format import PoseFormat
from posetrack.models.runtime import CPU
from posetrack.networks import LOADERS
from posetrack.presets import get_preset
from posetrack.skeletons import COCO, POSETRACK
from posetrack.types import Boxes, FloatArray
from posetrack.zoo import get_entry

WIDTH, HEIGHT, JOINTS = 96, 128, 17
MMPOSE = PoseFormat(skeleton=COCO, width=WIDTH, height=HEIGHT, convention=CONVENTIONS["mmpose"])
OWN = PoseFormat(skeleton=COCO, width=WIDTH, height=HEIGHT)
BOX = np.array([[100.0, 60.0, 196.0, 188.0]], np.float32)
"""As large as the input, padding aside."""


def pixels(people: int = 1, margin: int = 12) -> np.ndarray:
    """Joints [N, K, 2] in input pixels, away from the border."""
    return np.random.default_rng(0).uniform(margin, (WIDTH - margin, HEIGHT - margin), (people, JOINTS, 2))


def maps_at(points: np.ndarray, form: PoseFormat) -> Tensor:
    """Heatmaps of joints in input pixels, by the two conventions of where cells lie."""
    cells = points / form.stride if form.convention.grid == "corners" else (points + 0.5) / form.stride - 0.5
    size = (round(WIDTH / form.stride), round(HEIGHT / form.stride))
    return torch.from_numpy(gaussian_targets(cells, size, form.sigma_cells))


def simcc(points: np.ndarray, split: float, height: float = 0.8) -> tuple[Tensor, Tensor]:
    """Gaussian classifications of points in bins, as MMPose's SimCCLabel makes targets (corner grid)."""
    return tuple(  # type: ignore[return-value]
        torch.from_numpy(
            height * np.exp(-((np.arange(round(side * split)) - points[..., axis, None] * split) ** 2) / 72)
        ).float()
        for axis, side in enumerate((WIDTH, HEIGHT))
    )


def found(answer: Any, form: PoseFormat, codec: str) -> FloatArray:
    """Joints in source pixels of a crop that is the box itself. A ``Mirrored`` gets the flip test."""
    network = answer if isinstance(answer, Mirrored) else lambda images: answer
    config = PoseConfig(codec=codec, flip_test=isinstance(answer, Mirrored))
    stage = CropPoseEstimator(network, replace(form, padding=1.0), config)
    return stage.estimate(np.zeros((240, 320, 3), np.uint8), Boxes(BOX, np.ones(1))).keypoints


@pytest.mark.parametrize("split", [1.0, 2.0, 3.0])
def test_simcc_finds_the_pixel_of_the_highest_bins(split: float) -> None:
    form, points = replace(MMPOSE, split_ratio=split), pixels(3)
    decoded, scores = SimCCHead(form, False).joints([simcc(points[:2], split), simcc(points[2:], split)])
    np.testing.assert_allclose(decoded, np.round(points * split) / split, atol=1e-9)
    assert scores.dtype == np.float32 and ((scores > 0.75) & (scores <= 0.8)).all()


def test_simcc_equals_a_reference_by_loops() -> None:
    """MMPose's get_simcc_maximum, written down as loops: lower of both maxima, no joint at or below 0."""
    rng = np.random.default_rng(1)
    x, y = (rng.normal(0, 0.6, (4, JOINTS, side * 2)).astype(np.float32) for side in (WIDTH, HEIGHT))
    x[0, 3], y[1, 5], y[2, 7] = -1.0, -0.1, np.nan
    points, scores = SimCCHead(MMPOSE, False).joints([(torch.from_numpy(x), torch.from_numpy(y))])
    for person in range(4):
        for joint in range(JOINTS):
            column, row = x[person, joint].tolist(), y[person, joint].tolist()
            lower = min(max(column), max(row)) if np.isfinite(row).all() else 0
            assert scores[person, joint] == pytest.approx(min(max(lower, 0), 1), abs=1e-6)
            if lower > 0:
                expected = (column.index(max(column)) / 2, row.index(max(row)) / 2)
                assert tuple(points[person, joint]) == expected
    assert scores[0, 3] == scores[1, 5] == scores[2, 7] == 0


@pytest.mark.parametrize(
    ("extra", "expected"),
    [([], 1.0), ([0.7], 0.7), ([1.4], 1.0), ([np.nan], 0.0), ([0.1, 0.5], 0.7), ([2.0, 3.0], 0.0)],
)
def test_regression_gives_shares_of_the_input_and_scores(extra: list[float], expected: float) -> None:
    shares = np.random.default_rng(2).uniform(0, 1, (2, JOINTS, 2))
    values = np.concatenate([shares, np.tile(extra, (2, JOINTS, 1))], axis=-1) if extra else shares
    points, scores = RegressionHead(MMPOSE, False).joints([torch.from_numpy(values)])
    np.testing.assert_allclose(points, shares * [WIDTH, HEIGHT], rtol=1e-6)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    centres, _ = RegressionHead(OWN, False).joints([torch.from_numpy(values)])
    np.testing.assert_allclose(centres, points - 0.5, rtol=1e-6)


@pytest.mark.parametrize("stride", [2.0, 4.0, 8.0])
@pytest.mark.parametrize("form", [OWN, MMPOSE], ids=["own", "mmpose"])
def test_heatmaps_of_any_stride_give_the_same_joints(form: PoseFormat, stride: float) -> None:
    points, form = pixels(margin=32), replace(form, stride=stride, sigma_cells=1.0)
    exact, coarse = (found(maps_at(points, form), form, codec) for codec in ("dark", "argmax"))
    # The middle of the box lies at (size - 1) / 2 of the crop, or at size / 2 on the grid of corners.
    expected = points + BOX[0, :2] + (0.5 if form.convention.grid == "centres" else 0.0)
    assert np.abs(exact - expected).max() < 0.05 * stride
    assert np.abs(coarse - expected).max() <= 0.5 * stride + 1e-3


def test_all_heads_agree_where_joints_are() -> None:
    points = np.round(pixels(margin=32) / 2) * 2
    by_simcc = found(simcc(points, 2.0), MMPOSE, "simcc")
    by_regression = found(torch.from_numpy(points / [WIDTH, HEIGHT]), MMPOSE, "regression")
    by_heatmaps = found(maps_at(points, MMPOSE), MMPOSE, "dark")
    np.testing.assert_allclose(by_simcc, by_regression, atol=1e-3)
    np.testing.assert_allclose(by_simcc, by_heatmaps, atol=0.05)


class Mirrored:
    """Answers for the first half of a batch, and for its mirror image in the second."""

    def __init__(self, *halves: Any) -> None:
        self.halves = halves

    def __call__(self, images: Tensor) -> Any:
        pairs = [half if isinstance(half, tuple) else (half,) for half in self.halves]
        joined = tuple(torch.cat(parts) for parts in zip(*pairs, strict=True))
        return joined if len(joined) > 1 else joined[0]


@pytest.mark.parametrize("form", [OWN, MMPOSE], ids=["own", "mmpose"])
def test_the_flip_test_of_regression_maps_the_mirror_image_back_exactly(form: PoseFormat) -> None:
    """A pixel x of the crop is pixel width - 1 - x of its mirror image, and left is right."""
    points = pixels()
    mirror = points[:, COCO.flip_permutation] * [-1, 1] + [WIDTH - 1, 0]
    edge = 0.5 if form is OWN else 0.0
    halves = [torch.from_numpy((each + edge) / [WIDTH, HEIGHT]) for each in (points, mirror)]
    plain = found(halves[0], form, "regression")
    np.testing.assert_allclose(found(Mirrored(*halves), form, "regression"), plain, atol=1e-4)


def test_the_flip_test_of_simcc_mirrors_bins_and_exchanges_left_and_right() -> None:
    points = np.round(pixels() * 2) / 2
    x, y = simcc(points, 2.0)
    mirror = (x[:, COCO.flip_permutation].flip(-1), y[:, COCO.flip_permutation])
    plain = found((x, y), MMPOSE, "simcc")
    np.testing.assert_allclose(found(Mirrored((x, y), mirror), MMPOSE, "simcc"), plain, atol=1e-4)


@pytest.mark.parametrize("codec", HEADS)
def test_a_codec_that_does_not_decode_the_output_says_so(codec: str) -> None:
    wrong = torch.zeros(1, JOINTS, 5) if codec not in ("regression",) else torch.zeros(1, JOINTS, 5, 5)
    with pytest.raises(ConfigError, match=rf"codec {codec} decodes .*; the network returns \[1, 17, 5"):
        found(wrong, OWN, codec)


def test_channels_may_be_any_joints_of_the_skeleton() -> None:
    form = PoseFormat(skeleton=POSETRACK, width=WIDTH, height=HEIGHT, slots=(16, 0, 3))
    shares = np.array([[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]])
    stage = CropPoseEstimator(lambda images: torch.from_numpy(shares), form, PoseConfig(codec="regression"))
    poses = stage.estimate(np.zeros((240, 320, 3), np.uint8), Boxes(BOX, np.ones(1)))
    assert np.flatnonzero(poses.keypoint_scores[0]).tolist() == [0, 16], "the left ear is not in use"
    assert poses.keypoints[0, 16].tolist() != poses.keypoints[0, 0].tolist()
    for slots in ([0, 0], [17], [-1]):
        with pytest.raises(ConfigError, match="^slots are "):
            replace(form, slots=tuple(slots))


class TinySimCC(nn.Module):
    """A network whose classifications depend on its input, to be exported."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        rows, columns = images.mean((1, 3)), images.mean((1, 2))
        heights = torch.linspace(0.1, 1, JOINTS)[:, None]
        return tuple(each.repeat_interleave(2, 1)[:, None] * heights for each in (columns, rows))  # type: ignore


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime")
    path = tmp_path_factory.mktemp("onnx") / "simcc.onnx"
    from posetrack.models.onnx_file import Interface, write_onnx

    write_onnx(TinySimCC(), Interface(name="tiny", channels=3, size=(HEIGHT, WIDTH)), path)
    return path


def test_an_entry_of_an_onnx_file_with_simcc_is_a_pose_network(onnx_file: Path) -> None:
    entry = replace(
        get_entry("hrnet_w32_coco_256x192"), name="tiny", loader="onnx_pose", codec="simcc", width=WIDTH,
        height=HEIGHT, split_ratio=2.0, sigma_cells=None,
    )  # fmt: skip
    preset = customised(get_preset("lite"), Changes(codec="simcc", flip_test=False))
    stage = LOADERS[entry.loader](entry, onnx_file, preset, CPU)
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    boxes = Boxes(np.concatenate([BOX, BOX + 20]), np.ones(2))
    expected = CropPoseEstimator(TinySimCC(), MMPOSE, preset.pose_config).estimate(image, boxes)
    poses = stage.estimate(image, boxes)
    np.testing.assert_allclose(poses.keypoint_scores, expected.keypoint_scores, atol=1e-5)
    assert poses.skeleton is COCO and poses.present.any()
    np.testing.assert_allclose(poses.keypoints[poses.present], expected.keypoints[poses.present], atol=1e-3)


def test_a_file_that_is_not_onnx_is_told(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="x.onnx is not an ONNX network"):
        read_onnx(tmp_path / "x.onnx")
    with pytest.raises(WeightsError, match="cannot read .*y.onnx"):
        read_onnx(tmp_path / "y.onnx")
