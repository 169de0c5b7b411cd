"""Crops cut in torch, as on GPUs, are those that OpenCV cuts; here torch runs on the processor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from posetrack.models import device_crops
from posetrack.models.conventions import CONVENTIONS, InputConvention
from posetrack.models.crop import box_transforms, extract_crops, transforms_about
from posetrack.models.decoding import CODECS, reach_cells
from posetrack.models.device_crops import crops_on_device
from posetrack.models.heads import around_peaks
from posetrack.models.pose import HeatmapPoseEstimator, PoseConfig
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network
from posetrack.models.runtime import CPU, Runtime
from posetrack.networks import weight_files
from posetrack.presets import get_preset
from posetrack.synthetic import promenade, render
from posetrack.types import Boxes, Image
from posetrack.zoo import ModelStore

SIZE = (96, 128)
Maker = Callable[[bool, bool], HeatmapPoseEstimator]

BORDERS = [InputConvention(border_rgb=(124, 116, 104)), InputConvention(border_rgb=(0, 255, 9), antialias=False)]


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Soft spots of all grey levels."""
    coarse = noise(width // 24 + 2, height // 24 + 2, seed)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def moved(x: float, y: float, pixels: float = 1.0) -> np.ndarray:
    """From crop pixels to source pixels: a shift and a scale."""
    return np.array([[[pixels, 0, x], [0, pixels, y]]], np.float64)


def cut(image: np.ndarray, transforms: np.ndarray, convention: InputConvention, size: tuple[int, int] = SIZE):
    crops = crops_on_device(image, transforms, size, convention)
    assert crops.dtype == torch.uint8 and crops.shape == (len(transforms), size[1], size[0], 3)
    return crops.numpy()


@pytest.mark.parametrize("convention", BORDERS)
def test_a_crop_that_is_the_image_is_the_image(convention: InputConvention) -> None:
    image = noise(97, 61)
    np.testing.assert_array_equal(cut(image, moved(0, 0), convention, (97, 61))[0], image)


@pytest.mark.parametrize("convention", BORDERS)
@pytest.mark.parametrize(("x", "y"), [(7, -5), (-30, 20), (1200, 680), (-95, -127), (1279, 719), (5000, 0)])
def test_whole_shifts_move_pixels_and_paint_the_border_colour_beside_them(
    x: int, y: int, convention: InputConvention
) -> None:
    image = noise(1280, 720)
    rows, columns = np.arange(128) + y, np.arange(96) + x
    inside = ((rows >= 0) & (rows < 720))[:, None] & (columns >= 0) & (columns < 1280)
    expected = np.full((128, 96, 3), convention.border_rgb, np.uint8)
    expected[inside] = image[rows.clip(0, 719)[:, None], columns.clip(0, 1279)][inside]
    np.testing.assert_array_equal(cut(image, moved(x, y), convention)[0], expected)


@pytest.mark.parametrize("convention", BORDERS)
def test_between_pixels_colours_are_mixed_at_the_border_with_its_own(convention: InputConvention) -> None:
    image, border = noise(5, 4), np.array(convention.border_rgb, float)
    continued = np.tile(border, (6, 7, 1))
    continued[1:-1, 1:-1] = image
    upper = 0.75 * continued[:-1, :-1] + 0.25 * continued[:-1, 1:]
    lower = 0.75 * continued[1:, :-1] + 0.25 * continued[1:, 1:]
    crop = cut(image, moved(-1 + 0.25, -1 + 0.4), convention, (6, 5))[0]
    np.testing.assert_allclose(crop, 0.6 * upper + 0.4 * lower, atol=0.51)


def test_each_level_is_that_of_opencv_to_the_bit_also_with_odd_sides() -> None:
    image = noise(301, 203)
    level = torch.from_numpy(image).permute(2, 0, 1).float() - 124
    while min(image.shape[:2]) > 1:
        height, width = image.shape[:2]
        even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        image = cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        level = device_crops._halved(level)
        np.testing.assert_array_equal(level.permute(1, 2, 0) + 124, image)


def test_a_crop_of_four_times_its_size_is_the_image_halved_twice() -> None:
    image = noise(384, 512)
    quarter = image.reshape(256, 2, 192, 2, 3).mean((1, 3)) + 0.5
    quarter = np.floor(quarter).reshape(128, 2, 96, 2, 3).mean((1, 3)) + 0.5
    crop = cut(image, moved(1.5, 1.5, pixels=4), CONVENTIONS["own"])[0]
    np.testing.assert_array_equal(crop, np.floor(quarter))


def test_stripes_alias_only_where_the_convention_has_it_so() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::4] = 255
    aliased = cut(stripes, moved(0, 0, pixels=4), CONVENTIONS["mmpose"])[0]
    assert (aliased == 255).all()
    assert np.abs(cut(stripes, moved(1.5, 1.5, pixels=4), CONVENTIONS["own"])[0].astype(int) - 64).max() <= 1


def everywhere(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Boxes of all sizes: within, half and wholly outside, points, lines, huge."""
    low = rng.uniform(-0.5, 1.2, (12, 2)) * (width, height)
    sides = rng.uniform(1, 2, (12, 2)) * np.geomspace(1, 20 * max(width, height), 12)[:, None]
    sides[:3] = (0, 0), (1, 1), (0, height)
    return np.hstack([low, low + sides]).astype(np.float32)


@pytest.mark.parametrize("name", CONVENTIONS)
@pytest.mark.parametrize(("width", "height"), [(640, 360), (333, 217), (31, 501), (1, 9), (1, 1)])
def test_crops_are_those_of_opencv_to_a_grey_level(name: str, width: int, height: int) -> None:
    convention, rng = CONVENTIONS[name], np.random.default_rng(width)
    image, boxes = smooth(width, height), everywhere(rng, width, height)
    centres, pixels = boxes[:, :2].astype(np.float64), rng.uniform(0.05, 9, 12)
    for transforms in (
        box_transforms(boxes, SIZE, 1.25, convention.grid),
        transforms_about(centres, pixels, rng.uniform(-3, 3, 12), SIZE, convention.grid),
    ):
        apart = np.abs(
            cut(image, transforms, convention).astype(int) - extract_crops(image, transforms, SIZE, convention)
        )
        # Up to version 4, OpenCV rounds places to 1/32 of a pixel, which shows where the border colour begins.
        assert apart.mean() < 0.25 and np.percentile(apart, 99) <= 2 and apart.max() <= 16


def test_nobody_gives_no_crops_and_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_crops, "sent", None)
    assert cut(noise(9, 9), np.zeros((0, 2, 3)), CONVENTIONS["own"]).shape == (0, 128, 96, 3)


@pytest.mark.parametrize("at_once", [1, 5, 64])
def test_people_are_cut_in_their_order_some_at_once(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    image, boxes = noise(300, 200), everywhere(np.random.default_rng(1), 300, 200)
    transforms = box_transforms(boxes, SIZE, 1.25)
    alone = [cut(image, transforms[k : k + 1], CONVENTIONS["own"])[0] for k in range(12)]
    most, sampled = [], device_crops._sampled

    def watched(source: Tensor, matrices: np.ndarray, size: tuple[int, int]) -> Tensor:
        most.append(len(matrices))
        return sampled(source, matrices, size)

    monkeypatch.setattr(device_crops, "_AT_ONCE", at_once)
    monkeypatch.setattr(device_crops, "_sampled", watched)
    np.testing.assert_array_equal(cut(image, transforms, CONVENTIONS["own"]), alone)
    assert max(most) <= at_once and min(most) >= 1 and sum(most) == 12


@pytest.mark.parametrize("form", ["read-only", "bgr turned round", "a part of a larger one"])
def test_images_of_any_memory_layout_are_cut_and_left_as_they_are(form: str) -> None:
    image = noise(200, 120)
    given = {"read-only": image.copy(), "bgr turned round": image[..., ::-1].copy()[..., ::-1]}.get(form)
    given = np.pad(image, ((3, 3), (5, 5), (0, 0)))[3:-3, 5:-5] if given is None else given
    given.flags.writeable = False
    expected = cut(image, moved(3, 4), CONVENTIONS["own"])
    np.testing.assert_array_equal(cut(given, moved(3, 4), CONVENTIONS["own"]), expected)
    np.testing.assert_array_equal(given, image)


def test_an_image_may_be_written_to_once_its_crops_are_cut() -> None:
    image = noise(200, 120)
    crops = crops_on_device(image, moved(0, 0), SIZE)
    before = crops.clone()
    image[:] = 0
    assert torch.equal(crops, before)


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000), width=st.integers(1, 40), height=st.integers(1, 40),
    sigma=st.floats(0.5, 4), form=st.sampled_from(["noise", "spot", "steps", "not finite", "equal", "negative"]),
)  # fmt: skip
def test_the_cells_around_the_peaks_are_decoded_as_the_whole_maps(
    codec: str, seed: int, width: int, height: int, sigma: float, form: str
) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.random((3, 4, height, width)).astype(np.float32)
    if form == "spot":
        x, y = rng.uniform(-1, width, (3, 4, 1, 1)), rng.uniform(-1, height, (3, 4, 1, 1))
        rows, columns = np.indices((height, width))
        maps = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)).astype(np.float32)
    elif form == "steps":
        maps = np.round(maps * 2)  # several highest cells
    elif form == "not finite":
        maps[rng.random(maps.shape) < 0.1] = rng.choice([np.nan, np.inf, -np.inf])
    elif form in ("equal", "negative"):
        maps = np.full_like(maps, 0.0 if form == "equal" else -1.0)
    pieces, corners = around_peaks(torch.from_numpy(maps), reach_cells(codec, sigma))
    assert max(pieces.shape[2:]) <= 2 * reach_cells(codec, sigma) + 1
    cells, scores = CODECS[codec](pieces.numpy(), sigma)
    expected, expected_scores = CODECS[codec](maps, sigma)
    np.testing.assert_allclose(cells + corners.numpy(), expected, atol=1e-5)
    np.testing.assert_array_equal(scores, expected_scores)


@pytest.fixture(params=["quarter", "dark"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Maker:
    """Estimators of the bundled network: OpenCV and whole heatmaps, torch and the cells around peaks."""
    lite = get_preset("lite")
    network, architecture = load_pose_network(weight_files(lite, ModelStore(), fetch=None)[lite.pose])

    def made(near: bool, flip_test: bool) -> HeatmapPoseEstimator:
        monkeypatch.setattr("posetrack.models.pose.on_processor", lambda device: not near)
        return HeatmapPoseEstimator(network, architecture, PoseConfig(flip_test=flip_test, codec=request.param))

    return made


@pytest.fixture(scope="module")
def people() -> tuple[list[Image], list[Boxes]]:
    """Three rendered frames and a part of one, with the boxes of the people in them; nobody is in the last."""
    images, boxes = [], []
    for frame, truth in render(promenade(4, size=(640, 360), seconds=0.12)):
        images.append(frame.image)
        boxes.append(Boxes(truth.poses.boxes, np.ones(len(truth.poses))))
    return [*images, images[0][:100, :100]], [*boxes, Boxes.empty()]


@pytest.mark.parametrize("flip_test", [False, True])
def test_a_trained_network_finds_the_same_joints_both_ways(
    both_ways: Maker, people: tuple[list[Image], list[Boxes]], flip_test: bool
) -> None:
    images, boxes = people
    assert sum(map(len, boxes)) >= 8
    plain = both_ways(False, flip_test).estimate_batch(images, boxes)
    device = both_ways(True, flip_test)
    for image, each, expected, poses in zip(
        images, boxes, plain, device.estimate_batch(images, boxes), strict=True
    ):
        seen = expected.keypoint_scores > 0.3
        apart = np.linalg.norm(expected.keypoints - poses.keypoints, axis=-1)[seen]
        # A quarter of a cell goes the other way where two neighbours are all but alike.
        assert apart.size == 0 or (np.median(apart) < 0.1 and (apart < 0.5).mean() > 0.9)
        np.testing.assert_allclose(poses.keypoint_scores, expected.keypoint_scores, atol=0.02)
        np.testing.assert_allclose(device.estimate(image, each).keypoints, poses.keypoints, atol=0.01)
    assert device.estimate_batch([], []) == []
    assert len(device.estimate(images[0], Boxes.empty())) == 0


@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_network_is_fed_the_same_both_ways(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours, normalisation, mirror images; and no batch is larger than asked for."""
    seen: list[Tensor] = []

    class Recorder(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images)
            return images.mean(1, keepdim=True)[..., ::4, ::4].expand(-1, 15, -1, -1)

    monkeypatch.setattr("posetrack.models.pose.prepared", lambda network, *_: network)
    architecture = PoseArchitecture(width=96, height=128, convention=name)
    boxes = Boxes(everywhere(np.random.default_rng(0), 320, 240), np.ones(12))
    inputs = []
    for near in (False, True):
        monkeypatch.setattr("posetrack.models.pose.on_processor", lambda device, near=near: not near)
        config = PoseConfig(flip_test=True, max_batch=6)
        HeatmapPoseEstimator(Recorder(), architecture, config).estimate(smooth(320, 240), boxes)
        assert [len(batch) for batch in seen] == [6] * 4
        inputs.append(torch.cat(seen))
        seen.clear()
    torch.testing.assert_close(*inputs, atol=3 / 255 / 0.22, rtol=0)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_gpu_gives_the_crops_and_the_joints_of_the_processor(device: str) -> None:
    if not getattr(torch, device).is_available():
        pytest.skip(f"there is no {device} here")
    image, boxes = noise(640, 360), everywhere(np.random.default_rng(0), 640, 360)
    transforms = box_transforms(boxes, SIZE, 1.25)
    here, there = (crops_on_device(image, transforms, SIZE, device=place).cpu() for place in ("cpu", device))
    assert (here.int() - there.int()).abs().max() <= 1
    lite = get_preset("lite")
    network, architecture = load_pose_network(weight_files(lite, ModelStore(), fetch=None)[lite.pose])
    poses, expected = (
        HeatmapPoseEstimator(network, architecture, lite.pose_config, runtime).estimate_batch(
            [image, image], [Boxes(boxes, np.ones(12)), Boxes.empty()]
        )[0]
        for runtime in (Runtime(device=torch.device(device), precision="fp32"), CPU)
    )
    np.testing.assert_allclose(poses.keypoint_scores, expected.keypoint_scores, atol=0.02)


def test_real_photographs_are_cut_alike(shared: Path) -> None:
    paths = sorted((shared / "data" / "lspe" / "images").iterdir())[:5]
    for path in paths:
        image = cv2.imread(str(path))[..., ::-1]
        boxes = everywhere(np.random.default_rng(0), image.shape[1], image.shape[0])
        transforms = box_transforms(boxes, (160, 192), 1.25)
        opencv = extract_crops(np.ascontiguousarray(image), transforms, (160, 192)).astype(int)
        apart = np.abs(cut(image, transforms, CONVENTIONS["own"], (160, 192)) - opencv)
        assert apart.mean() < 0.5 and np.percentile(apart, 99) <= 4
