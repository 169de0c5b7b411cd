"""Crops and source pixels agree to a fraction of a pixel."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.models.conventions import Grid
from posetrack.models.crop import (
    box_transforms,
    extract_crops,
    pyramid_transforms,
    to_crop,
    to_source,
    transforms_about,
)

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


@pytest.mark.parametrize("grid, middle", [("centres", (47.5, 63.5)), ("corners", (48.0, 64.0))])
def test_a_crop_is_turned_and_scaled_about_its_middle(grid: Grid, middle: tuple[float, float]) -> None:
    """A step to the right in the crop is ``pixels`` long in the source, and turned by the angle, y downwards."""
    centres, pixels, angles = np.array([[100.0, 50.0], [7.0, 3.0]]), np.array([2.0, 0.5]), np.array([0.6, -1.2])
    transforms = transforms_about(centres, pixels, angles, SIZE, grid)
    right = np.stack([np.cos(angles), np.sin(angles)], axis=1) * pixels[:, None]
    down = np.stack([-np.sin(angles), np.cos(angles)], axis=1) * pixels[:, None]
    steps = np.array([middle, np.add(middle, (1, 0)), np.add(middle, (0, 1))])
    found = to_source(np.repeat(steps[None], 2, axis=0), transforms)
    np.testing.assert_allclose(found, np.stack([centres, centres + right, centres + down], axis=1), rtol=1e-5)


@pytest.mark.parametrize("grid, middle", [("centres", (47.5, 63.5)), ("corners", (48.0, 64.0))])
def test_a_box_grows_to_the_crops_aspect_and_by_the_padding_about_its_centre(
    grid: Grid, middle: tuple[float, float]
) -> None:
    wide, tall = (10, 20, 130, 60), (10, 20, 40, 220)  # 120 x 40: as wide as the crop; 30 x 200: as high
    transforms = box_transforms(np.array([wide, tall]), SIZE, 1.2, grid)
    np.testing.assert_allclose(transforms[:, [0, 1], [0, 1]], [[1.2 * 120 / 96] * 2, [1.2 * 200 / 128] * 2])
    np.testing.assert_allclose(transforms[:, [0, 1], [1, 0]], 0, atol=1e-12)
    np.testing.assert_allclose(to_source(np.array([[middle]] * 2), transforms)[:, 0], [[70, 40], [25, 120]])


def test_boxes_without_width_or_height_are_one_pixel() -> None:
    transforms = box_transforms(np.array([[5, 5, 5, 5], [5, 5, 5.5, 5.25], [9, 9, 3, 3]]), SIZE, 1.25)
    np.testing.assert_allclose(transforms[:, 0, 0], 1.25 / 96)


@pytest.mark.parametrize(
    "pixels, level", [(0.1, 0), (1.0, 0), (1.99, 0), (2.0, 1), (3.99, 1), (4.0, 2), (8.0, 3), (15.9, 3)]
)
def test_sources_are_halved_until_bilinear_sampling_suffices(pixels: float, level: int) -> None:
    """A crop's pixel is then less than two of the level's; also where the crop is turned."""
    transforms = transforms_about(np.array([[300.0, 200.0]]), np.array([pixels]), np.array([0.7]), SIZE)
    levels, there = pyramid_transforms(transforms, antialias=True)
    assert levels.tolist() == [level] and levels.dtype == np.int64
    points = np.array([[[0.0, 0.0], [40.0, 7.0]]])
    halved = (to_source(points, transforms) + 0.5) / 2**level - 0.5
    np.testing.assert_allclose(to_source(points, there), halved, atol=1e-3)
    levels, there = pyramid_transforms(transforms, antialias=False)
    assert levels.tolist() == [0]
    np.testing.assert_array_equal(there, transforms)


def test_sources_of_odd_size_are_halved_with_their_last_row_and_column() -> None:
    """What is lost at the edge would be black: a white image stays white to its border."""
    image = np.full((201, 303, 3), 255, np.uint8)
    transforms = transforms_about(np.array([[151.0, 100.0]]), np.array([8.0]), np.zeros(1), (60, 40))
    crop = extract_crops(image, transforms, (60, 40))[0]
    inside = to_crop(np.array([[[3.5, 3.5], [299.5, 200.0]]]), transforms)[0]
    (left, top), (right, bottom) = np.ceil(inside[0]).astype(int), np.floor(inside[1]).astype(int)
    assert (crop[top : bottom + 1, left : right + 1] == 255).all()
    outside = crop.copy()
    outside[top - 2 : bottom + 3, left - 2 : right + 3] = (124, 116, 104)
    assert (outside == (124, 116, 104)).all(), "two cells farther out nothing of the image is left"


@pytest.mark.parametrize("sides", [(121, 122), (122, 123), (123, 121), (124, 125), (125, 124)])
def test_a_source_of_any_size_is_halved_in_place(sides: tuple[int, int]) -> None:
    """Grey levels grow by 2 with every column and every row, so a crop's pixel tells where it is from."""
    width, height = sides
    rows, columns = np.indices((height, width))
    image = np.stack([2 * columns, 2 * rows, 0 * rows], axis=-1).astype(np.uint8)
    transforms = transforms_about(np.array([[62.0, 61.0]]), np.array([2.0]), np.zeros(1), (50, 50))
    crop = extract_crops(image, transforms, (50, 50))[0]
    places = to_source(np.indices((50, 50))[::-1].reshape(1, 2, -1).swapaxes(1, 2).astype(float), transforms)[0]
    np.testing.assert_allclose(crop.reshape(-1, 3)[:, :2], 2 * places, atol=1.01)


@pytest.mark.parametrize("sides", [(2, 9), (9, 2), (7, 7), (8, 10), (5, 4), (4, 5), (6, 3)])
def test_a_halved_source_is_the_means_of_its_squares_of_four(sides: tuple[int, int]) -> None:
    """A crop whose pixels are those squares, two farther than the source; its last row and column count twice."""
    width, height = sides
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    size = (width + 1) // 2 + 2, (height + 1) // 2 + 2
    crop = extract_crops(image, np.array([[[2.0, 0.0, 0.5], [0.0, 2.0, 0.5]]]), size)[0]
    for y, x in np.ndindex(size[1], size[0]):
        if 2 * x < width and 2 * y < height:
            rows, columns = [2 * y, min(2 * y + 1, height - 1)], [2 * x, min(2 * x + 1, width - 1)]
            expected = image[rows][:, columns].reshape(4, 3).mean(axis=0)
        else:
            expected = np.array([124, 116, 104])
        np.testing.assert_allclose(crop[y, x], expected, atol=0.51)


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
