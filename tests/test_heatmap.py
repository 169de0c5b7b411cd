"""Target heatmaps, and where their cells lie in the network's input."""

import numpy as np
import pytest
import torch

from posetrack.models.heatmap import gaussian_targets, heatmap_to_input, input_to_heatmap, mirrored_back
from posetrack.skeletons import COCO


def test_targets_peak_with_one_at_the_joint_and_fall_by_the_gaussian() -> None:
    target = gaussian_targets(np.array([[10.0, 20.0]]), (40, 48), sigma=2.0)[0]
    assert target[20, 10] == 1
    assert target[20, 12] == pytest.approx(np.exp(-0.5))
    assert target[23, 10] == pytest.approx(np.exp(-9 / 8))


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
    back = mirrored_back(torch.from_numpy(flipped), torch.from_numpy(COCO.flip_permutation))
    np.testing.assert_allclose(back, straight, atol=1e-6)
