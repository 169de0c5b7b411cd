"""Crops and source pixels agree to a fraction of a pixel."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.models.crop import box_transforms, extract_crops, to_crop, to_source, transforms_about

SIZE = (96, 128)


def blob(width: int, height: int, x: float, y: float, sigma: float) -> np.ndarray:
    """A bright Gaussian spot at an exact, sub-pixel place."""
    columns = np.exp(-((np.arange(width) - x) ** 2) / (2 * sigma**2))
    rows = np.exp(-((np.arange(height) - y) ** 2) / (2 * sigma**2))
    return np.repeat((255 * rows[:, None] * columns[None])[..., None], 3, axis=2).astype(np.uint8)


def centre_of_mass(image: np.ndarray) -> np.ndarray:
    weights = image[..., 0].astype(np.float64)
    rows, columns = np.indices(weights.shape)
    return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()


@given(
    points=st.lists(st.tuples(st.floats(-500, 2000), st.floats(-500, 2000)), min_size=1, max_size=5),
    angle=st.floats(-3, 3),
    pixels=st.floats(0.1, 10),
)
def test_source_to_crop_to_source_is_identity(
    points: list[tuple[float, float]], angle: float, pixels: float
) -> None:
    transforms = transforms_about(np.array([[100.0, 50.0]]), np.array([pixels]), np.array([angle]), SIZE)
    source = np.array([points])
    np.testing.assert_allclose(to_source(to_crop(source, transforms), transforms), source, atol=2e-3)


def test_a_box_of_the_crops_aspect_maps_its_edges_to_the_crops_edges() -> None:
    transforms = box_transforms(np.array([[9.5, 19.5, 105.5, 147.5]], np.float32), SIZE, padding=1.0)
    edges = np.array([[[-0.5, -0.5], [95.5, 127.5]]])
    np.testing.assert_allclose(to_source(edges, transforms)[0], [[9.5, 19.5], [105.5, 147.5]], atol=1e-4)


@pytest.mark.parametrize("box", [(0, 0, 300, 20), (0, 0, 20, 300)])
def test_wide_and_tall_boxes_are_seen_whole_and_undistorted(box: tuple[int, ...]) -> None:
    transform = box_transforms(np.array([box], np.float32), SIZE, padding=1.25)
    corners = to_crop(np.array([[box[:2], box[2:]]]), transform)[0]
    assert (corners >= -0.5).all() and (corners <= np.array(SIZE) - 0.5).all()
    assert transform[0, 0, 0] == pytest.approx(transform[0, 1, 1])


@pytest.mark.parametrize("factor", [0.4, 1.0, 1.7, 2.0, 3.3, 5.0, 9.0])
def test_a_spot_is_found_where_the_transform_says(factor: float) -> None:
    """Also where the source is halved first: no half-pixel is lost at any pyramid level."""
    spot = np.array([701.3, 649.6])
    image = blob(1401, 1301, *spot, sigma=4 * max(factor, 1))
    transforms = transforms_about(np.array([[695.0, 656.0]]), np.array([factor]), np.zeros(1), SIZE)
    crop = extract_crops(image, transforms, SIZE)[0]
    expected = to_crop(spot[None, None], transforms)[0, 0]
    np.testing.assert_allclose(centre_of_mass(crop), expected, atol=0.1)


def test_shrunken_crops_do_not_alias() -> None:
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    transforms = transforms_about(np.array([[400.0, 400.0]]), np.array([4.0]), np.zeros(1), SIZE)
    crop = extract_crops(stripes, transforms, SIZE)[0]
    assert np.abs(crop.astype(int) - 127).max() <= 2


def test_a_person_at_the_border_is_padded_not_stretched() -> None:
    image = np.full((100, 100, 3), 255, np.uint8)
    crop = extract_crops(image, box_transforms(np.array([[-40, 0, 40, 99]], np.float32), SIZE, 1.0), SIZE)[0]
    assert (crop[64, :30] == (124, 116, 104)).all()
    assert (crop[64, 60:] == 255).all()


def test_nobody_gives_no_crops() -> None:
    transforms = box_transforms(np.zeros((0, 4), np.float32), SIZE, 1.25)
    assert extract_crops(np.zeros((50, 50, 3), np.uint8), transforms, SIZE).shape == (0, 128, 96, 3)


def test_the_sources_pixels_are_not_changed() -> None:
    image = cv2.randu(np.zeros((301, 203, 3), np.uint8), 0, 255)
    before = image.copy()
    extract_crops(image, box_transforms(np.array([[0, 0, 203, 301]], np.float32), (24, 32), 1.25), (24, 32))
    np.testing.assert_array_equal(image, before)
