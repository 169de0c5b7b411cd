"""The heatmap codec, on analytic Gaussians."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.models.decoding import decode_quarter
from posetrack.models.heatmap import (
    gaussian_targets,
    heatmap_to_input,
    input_to_heatmap,
    mirrored_back,
)
from posetrack.skeletons import COCO


@given(x=st.floats(2, 37), y=st.floats(2, 45))
def test_the_quarter_offset_stays_within_a_quarter_of_a_cell_of_the_peak(x: float, y: float) -> None:
    heatmaps = gaussian_targets(np.array([[[x, y]]]), (40, 48), sigma=2.0)
    points, scores = decode_quarter(heatmaps)
    assert np.abs(points[0, 0] - (x, y)).max() <= 0.2501 + 1e-3
    assert 0.9 < scores[0, 0] <= 1


def test_targets_peak_with_one_at_the_joint_and_fall_by_the_gaussian() -> None:
    target = gaussian_targets(np.array([[10.0, 20.0]]), (40, 48), sigma=2.0)[0]
    assert target[20, 10] == 1
    assert target[20, 12] == pytest.approx(np.exp(-0.5))
    assert target[23, 10] == pytest.approx(np.exp(-9 / 8))


def test_every_joint_and_person_is_decoded_in_its_own_place() -> None:
    rng = np.random.default_rng(3)
    truth = rng.uniform(3, 20, (4, 15, 2))
    points, _ = decode_quarter(gaussian_targets(truth, (24, 32), sigma=1.5))
    assert np.abs(points - truth).max() < 0.3


@pytest.mark.parametrize("x, y", [(0, 0), (23, 0), (0, 31), (23, 31)])
def test_peaks_in_the_corners_are_decoded_inside(x: int, y: int) -> None:
    points, _ = decode_quarter(gaussian_targets(np.array([[[x, y]]]), (24, 32), sigma=1.5))
    np.testing.assert_array_equal(points[0, 0], (x, y))


def test_input_and_heatmap_pixels_are_inverse_and_share_the_image_edge() -> None:
    points = np.array([[-0.5, 159.5], [3.2, 7.9]])
    np.testing.assert_allclose(heatmap_to_input(input_to_heatmap(points, 4), 4), points)
    assert input_to_heatmap(np.array([-0.5]), 4)[0] == -0.5
    assert input_to_heatmap(np.array([159.5]), 4)[0] == 39.5


def test_mirrored_heatmaps_fall_on_those_of_the_image_itself() -> None:
    """Exactly, with no shift: the convention of cells is symmetric."""
    joints = np.random.default_rng(0).uniform(5, 150, (1, 17, 2))
    mirrored = np.stack([159 - joints[..., 0], joints[..., 1]], -1)[:, COCO.flip_permutation]
    straight = gaussian_targets(input_to_heatmap(joints, 4), (40, 40), 2.0)
    flipped = gaussian_targets(input_to_heatmap(mirrored, 4), (40, 40), 2.0)
    np.testing.assert_allclose(mirrored_back(flipped, COCO.flip_permutation), straight, atol=1e-6)


def test_nobody_is_decoded_to_nobody() -> None:
    points, scores = decode_quarter(np.zeros((0, 15, 48, 40), np.float32))
    assert points.shape == (0, 15, 2) and scores.shape == (0, 15)


def test_scores_lie_between_zero_and_one_whatever_the_network_says() -> None:
    _, scores = decode_quarter(np.random.default_rng(0).normal(0, 3, (3, 15, 48, 40)).astype(np.float32))
    assert scores.min() >= 0 and scores.max() <= 1
