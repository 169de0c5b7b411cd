"""The pose stage: joints of people in boxes, in source pixels, whatever the network."""

import copy
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.pose import HeatmapPoseEstimator, PoseConfig
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network, save_pose_network
from posetrack.models.runtime import CPU, Runtime
from posetrack.types import Boxes

ARCHITECTURE = PoseArchitecture(width=96, height=128, deconv_channels=(16, 16, 16))


class BrightSpot(nn.Module):
    """Every joint's heatmap is the input's brightness, smoothed to a quarter of its size."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(images.mean(1, keepdim=True), 4).expand(-1, 15, -1, -1)


def spot(width: int, height: int, x: float, y: float) -> np.ndarray:
    columns = np.exp(-((np.arange(width) - x) ** 2) / 200)
    rows = np.exp(-((np.arange(height) - y) ** 2) / 200)
    return np.repeat((255 * rows[:, None] * columns)[..., None], 3, 2).astype(np.uint8)


@pytest.mark.parametrize("box", [(250, 150, 350, 290), (200, 100, 380, 250), (290, 140, 340, 290)])
def test_joints_come_back_in_source_pixels_from_any_box(box: tuple[float, ...]) -> None:
    estimator = HeatmapPoseEstimator(BrightSpot(), ARCHITECTURE)
    poses = estimator.estimate(spot(640, 480, 311.0, 207.0), Boxes(np.array([box], np.float32), np.ones(1)))
    cell = 4 * 1.25 * max((box[2] - box[0]) / 96, (box[3] - box[1]) / 128)
    used = poses.skeleton.in_use
    np.testing.assert_allclose(poses.keypoints[0, used], np.tile((311.0, 207.0), (15, 1)), atol=0.5 * cell)
    assert (poses.keypoint_scores[0, used] > 0.5).all()


def test_joints_that_are_never_annotated_are_missing() -> None:
    poses = HeatmapPoseEstimator(BrightSpot(), ARCHITECTURE).estimate(
        spot(64, 64, 30, 30), Boxes(np.array([[0, 0, 60, 60]], np.float32), np.ones(1))
    )
    ears = [poses.skeleton.index("left_ear"), poses.skeleton.index("right_ear")]
    assert (poses.keypoint_scores[0, ears] == 0).all()


def test_nobody_in_nobody_out() -> None:
    assert len(HeatmapPoseEstimator(BrightSpot(), ARCHITECTURE).estimate(spot(64, 64, 9, 9), Boxes.empty())) == 0


def random_estimator(runtime: Runtime = CPU, **options: object) -> HeatmapPoseEstimator:
    torch.manual_seed(1)
    network = ARCHITECTURE.build().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)  # type: ignore[union-attr]
    return HeatmapPoseEstimator(network, ARCHITECTURE, PoseConfig(**options), runtime)  # type: ignore[arg-type]


def test_batches_do_not_change_the_poses() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (7, 128, 96, 3), np.uint8)
    whole = random_estimator().heatmaps(crops)
    parts = random_estimator(max_batch=3).heatmaps(crops)
    np.testing.assert_allclose(whole, parts, atol=1e-5)


@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("people", [1, 4, 5, 9, 23])
def test_batches_side_by_side_give_the_heatmaps_of_one_after_the_other(people: int, flip_test: bool) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (people, 128, 96, 3), np.uint8)
    one = random_estimator(flip_test=flip_test).heatmaps(crops)
    two = random_estimator(Runtime(side_by_side=2), flip_test=flip_test).heatmaps(crops)
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("side_by_side", [1, 2])
@pytest.mark.parametrize(("people", "max_batch"), [(3, 1), (5, 1), (5, 2), (7, 3), (9, 8)])
def test_no_batch_is_empty_or_larger_than_asked_for(
    people: int, max_batch: int, side_by_side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    class Counting(BrightSpot):
        def forward(self, images: Tensor) -> Tensor:
            sizes.append(len(images))
            return super().forward(images)

    monkeypatch.setattr("posetrack.models.pose.prepared", lambda network, *_: network)
    config, runtime = PoseConfig(max_batch=max_batch), Runtime(side_by_side=side_by_side)
    crops = np.zeros((people, 128, 96, 3), np.uint8)
    HeatmapPoseEstimator(Counting(), ARCHITECTURE, config, runtime).heatmaps(crops)
    assert sum(sizes) == people and min(sizes) >= 1 and max(sizes) <= max_batch


def test_an_error_in_one_of_two_batches_side_by_side_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            raise MemoryError(f"{len(images)} crops")

    monkeypatch.setattr("posetrack.models.pose.prepared", lambda network, *_: network)
    estimator = HeatmapPoseEstimator(Failing(), ARCHITECTURE, runtime=Runtime(side_by_side=2))
    with pytest.raises(MemoryError, match="5 crops"):
        estimator.heatmaps(np.zeros((10, 128, 96, 3), np.uint8))


def test_threads_for_batches_side_by_side_begin_when_needed_and_end_with_the_estimator() -> None:
    def working() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name.startswith("pose")}

    before = working()
    crops = np.zeros((9, 128, 96, 3), np.uint8)
    one = random_estimator()
    one.heatmaps(crops)
    assert working() <= before
    np.testing.assert_array_equal(copy.deepcopy(one).heatmaps(crops), one.heatmaps(crops))
    two = random_estimator(Runtime(side_by_side=2))
    two.heatmaps(crops)
    new = working() - before
    assert len(new) == 2
    del two
    for thread in new:
        thread.join(10)
    assert not any(thread.is_alive() for thread in new)


def test_people_of_several_images_in_one_batch_have_the_poses_that_each_image_gives_alone() -> None:
    rng, estimator = np.random.default_rng(0), random_estimator(flip_test=True, codec="dark")
    images = [rng.integers(0, 256, (90, 120, 3), np.uint8) for _ in range(4)]
    corners = [rng.uniform(0, 60, (count, 2)) for count in (3, 0, 9, 1)]
    boxes = [Boxes(np.concatenate([xy, xy + 40], axis=1), np.ones(len(xy))) for xy in corners]
    for image, each, poses in zip(images, boxes, estimator.estimate_batch(images, boxes), strict=True):
        alone = estimator.estimate(image, each)
        assert len(poses) == len(each)
        np.testing.assert_array_equal(poses.boxes, alone.boxes)
        np.testing.assert_allclose(poses.keypoints, alone.keypoints, atol=1e-2)
        np.testing.assert_allclose(poses.keypoint_scores, alone.keypoint_scores, atol=1e-5)
    assert estimator.estimate_batch([], []) == []


def test_flip_test_sees_a_mirrored_person_as_mirrored() -> None:
    """Averaging with the mirrored image makes the estimate exactly symmetric, left and right exchanged."""
    estimator = random_estimator(flip_test=True)
    crop = np.random.default_rng(0).integers(0, 256, (1, 128, 96, 3), np.uint8)
    straight = estimator.heatmaps(crop)
    mirrored = estimator.heatmaps(np.ascontiguousarray(crop[:, :, ::-1]))
    names = [estimator.skeleton.joints[k] for k in estimator.skeleton.in_use]
    twins = [names.index(n.replace("left", "R").replace("right", "left").replace("R", "right")) for n in names]
    np.testing.assert_allclose(mirrored[:, twins, :, ::-1], straight, atol=1e-5)


def test_unknown_codec_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="codec must be one of .*, not 'magic'"):
        PoseConfig(codec="magic")


def test_a_saved_network_loads_to_the_same_heatmaps(tmp_path: Path) -> None:
    network = ARCHITECTURE.build().eval()
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    save_pose_network(network, ARCHITECTURE, tmp_path / "pose.safetensors")
    loaded, architecture = load_pose_network(tmp_path / "pose.safetensors")
    images = torch.rand(2, 3, 128, 96)
    assert architecture == ARCHITECTURE
    torch.testing.assert_close(loaded(images), network(images), atol=1e-4, rtol=1e-3)


def test_damaged_and_foreign_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "pose.safetensors"
    with pytest.raises(WeightsError, match=r"pose\.safetensors"):
        load_pose_network(path)
    path.write_bytes(b"\x80\x04not weights")
    with pytest.raises(WeightsError, match=r"pose\.safetensors"):
        load_pose_network(path)
    save_pose_network(ARCHITECTURE.build(), PoseArchitecture(deconv_channels=(8, 8, 8)), path)
    with pytest.raises(WeightsError, match="do not fit"):
        load_pose_network(path)


def test_joints_that_the_skeleton_does_not_use_are_estimated_where_they_were_learnt() -> None:
    """PoseTrack's ears: each heatmap has its peak in a column of its own."""

    class Columns(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            heatmaps = torch.zeros(len(images), 17, 32, 24)
            for slot in range(17):
                heatmaps[:, slot, 16, slot + 2] = 0.5
            return heatmaps

    learnt = replace(ARCHITECTURE, all_slots=True, fills_unused=True)
    box = Boxes(np.array([[0, 0, 95, 127]], np.float32), np.ones(1, np.float32))
    image = np.zeros((128, 96, 3), np.uint8)
    whole = HeatmapPoseEstimator(Columns(), learnt).estimate(image, box)
    without = HeatmapPoseEstimator(Columns(), replace(learnt, fills_unused=False)).estimate(image, box)
    assert (whole.keypoint_scores == 0.5).all()
    assert (np.diff(whole.keypoints[0, :, 0]) > 3).all(), "every joint comes from its own heatmap"
    used = whole.skeleton.in_use
    np.testing.assert_array_equal(whole.keypoints[:, used], without.keypoints[:, used])
    assert without.keypoint_scores[0].nonzero()[0].tolist() == used.tolist()
    with pytest.raises(ConfigError, match="fills_unused needs all_slots = true"):
        PoseArchitecture(fills_unused=True)


def test_the_flip_test_exchanges_the_ears_too() -> None:
    """A network that sees the left ear on the left half of the picture, whichever way that is turned."""

    class Halves(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            heatmaps = torch.zeros(len(images), 17, 32, 24)
            heatmaps[:, 3, 8, 4] = heatmaps[:, 4, 8, 19] = 0.8
            return heatmaps

    learnt = replace(ARCHITECTURE, all_slots=True, fills_unused=True)
    box = Boxes(np.array([[0, 0, 95, 127]], np.float32), np.ones(1, np.float32))
    found = HeatmapPoseEstimator(Halves(), learnt, PoseConfig(flip_test=True)).estimate(
        np.zeros((128, 96, 3), np.uint8), box
    )
    assert found.keypoint_scores[0, 3:5] == pytest.approx([0.8, 0.8])
    assert found.keypoints[0, 3, 0] < 40 < found.keypoints[0, 4, 0]
