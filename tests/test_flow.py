"""Optical flow against known motion."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.errors import ConfigError
from posetrack.flow import (
    FLOWS,
    DenseFlow,
    DisConfig,
    DisFlow,
    FarnebackConfig,
    FarnebackFlow,
    LucasKanadeConfig,
    LucasKanadeFlow,
)
from posetrack.stages import FlowEstimator
from posetrack.types import FloatArray, Image

SEEING = ["dis", "lk", "farneback"]
MARGIN = 60


def textured(height: int, width: int, seed: int = 0) -> Image:
    """Spots of all sizes, uint8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.GaussianBlur(rng.normal(size=(height, width, 3)), (0, 0), sigma) * sigma for sigma in (1.5, 4, 12)
    ]
    return np.clip(128 + 45 * sum(layers) / np.std(sum(layers)), 0, 255).astype(np.uint8)


def moved_pair(matrix: FloatArray, height: int = 240, width: int = 320) -> tuple[Image, Image]:
    """Two frames related by an affine map [2, 3] of frame coordinates."""
    world = textured(height + 2 * MARGIN, width + 2 * MARGIN)
    linear, shift = matrix[:, :2], matrix[:, 2]
    about_margin = np.hstack([linear, (shift + MARGIN - linear @ [MARGIN, MARGIN])[:, None]])
    after = cv2.warpAffine(world, about_margin, world.shape[1::-1], flags=cv2.INTER_CUBIC)
    inner = slice(MARGIN, -MARGIN)
    return np.ascontiguousarray(world[inner, inner]), np.ascontiguousarray(after[inner, inner])


def translation(x: float, y: float) -> FloatArray:
    return np.array([[1, 0, x], [0, 1, y]], float)


def turn(degrees: float, zoom: float) -> FloatArray:
    return np.asarray(cv2.getRotationMatrix2D((160, 120), degrees, zoom))


def points(count: int, height: int = 240, width: int = 320, border: int = 25) -> FloatArray:
    rng = np.random.default_rng(5)
    return rng.uniform(border, (width - border, height - border), (count, 2)).astype(np.float32)


@pytest.mark.parametrize("name", SEEING)
@pytest.mark.parametrize(
    ("matrix", "median_px", "worst_px"),
    [
        (translation(3.0, -2.0), 0.1, 0.5),
        (translation(-0.4, 0.7), 0.1, 0.5),
        (translation(11.3, 6.6), 0.15, 0.5),
        (turn(2.0, 1.01), 0.15, 0.8),
    ],
    ids=["whole pixels", "less than a pixel", "far", "turn and zoom"],
)
def test_flow_measures_known_motion(name: str, matrix: FloatArray, median_px: float, worst_px: float) -> None:
    """Forward, x before y, not truncated to whole pixels."""
    previous, current = moved_pair(matrix)
    asked = points(200)
    displacement, valid = FLOWS[name]().estimate(previous, current).at(asked)
    expected = asked @ matrix[:, :2].T + matrix[:, 2] - asked
    error = np.linalg.norm(displacement - expected, axis=1)[valid]
    assert valid.mean() > 0.95
    assert np.median(error) < median_px
    assert np.percentile(error, 95) < worst_px


@pytest.mark.parametrize(
    "build",
    [
        lambda side: DisFlow(DisConfig(max_side_px=side)),
        lambda side: FarnebackFlow(FarnebackConfig(max_side_px=side)),
        lambda side: LucasKanadeFlow(LucasKanadeConfig(max_side_px=side)),
    ],
    ids=SEEING,
)
def test_vectors_are_those_of_the_source_at_any_working_size(build: Callable[[int], FlowEstimator]) -> None:
    """Vectors of a shrunk frame are scaled back; a picture twice as large moves twice as far."""
    pair = moved_pair(translation(6.0, -3.5))
    asked = points(150)
    reduced, valid = build(160).estimate(*pair).at(asked)
    assert np.median(np.abs(reduced - [6.0, -3.5])[valid]) < 0.3
    doubled = [cv2.resize(frame, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for frame in pair]
    large, valid = build(640).estimate(*doubled).at(asked * 2 + np.float32(0.5))
    assert np.median(np.abs(large - [12.0, -7.0])[valid]) < 0.3


@pytest.mark.parametrize("name", SEEING)
def test_each_place_has_its_own_motion(name: str) -> None:
    """The field is read at row y and column x. The lower half moves right, the upper half stands still."""
    previous, right = moved_pair(translation(5.0, 0.0))
    current = np.concatenate([previous[:120], right[120:]])
    flow = FLOWS[name]().estimate(previous, current)
    above, below = points(60), points(60)
    above[:, 1], below[:, 1] = above[:, 1] % 70 + 15, below[:, 1] % 70 + 150
    assert np.abs(np.median(flow.at(above)[0], axis=0) - [0, 0]).max() < 0.1
    assert np.abs(np.median(flow.at(below)[0], axis=0) - [5, 0]).max() < 0.1


@pytest.mark.parametrize("name", SEEING)
def test_soft_and_pale_pictures_have_the_same_motion(name: str) -> None:
    pair = moved_pair(translation(4.0, -2.0))
    pale = [(110 + 0.15 * cv2.GaussianBlur(frame, (0, 0), 3).astype(float)).astype(np.uint8) for frame in pair]
    displacement, valid = FLOWS[name]().estimate(*pale).at(points(200))
    assert valid.mean() > 0.3  # sparse flow rightly rejects the palest spots
    assert np.abs(np.median(displacement[valid], axis=0) - [4.0, -2.0]).max() < 0.25


@pytest.mark.parametrize("name", FLOWS)
def test_points_outside_the_frame_are_not_valid(name: str) -> None:
    """Points up to half a pixel outside are in the frame; points further out, or NaN, are not."""
    flow = FLOWS[name]().estimate(*moved_pair(translation(3.0, 2.0)))
    outside = np.array([[-0.6, 5], [5, -0.6], [319.6, 5], [5, 239.6], [np.nan, 5], [-1e6, -1e6]], np.float32)
    displacement, valid = flow.at(outside)
    assert not valid.any()
    assert not displacement.any()
    nowhere, none_valid = flow.at(np.zeros((0, 2), np.float32))
    assert nowhere.shape == (0, 2) and none_valid.shape == (0,)
    mixed, both = flow.at(np.array([[-5, 5], [160, 120]], np.float32))
    assert both.tolist() == [False, True] and mixed.dtype == np.float32


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (5, 200), (200, 5), (33, 64), (12, 640)])
def test_frames_of_any_size_have_a_flow(name: str, size: tuple[int, int]) -> None:
    frame = textured(*size)
    displacement, _ = FLOWS[name]().estimate(frame, frame.copy()).at(np.array([[0.0, 0.0]], np.float32))
    assert np.abs(displacement).max() < 0.5


@pytest.mark.parametrize("name", SEEING)
def test_caching_a_frame_changes_nothing(name: str) -> None:
    """The cached frame is recognised by its identity alone."""
    first, second = moved_pair(translation(3.0, 1.0))
    third, fourth = moved_pair(translation(-4.0, 2.0), 240, 320)
    asked, used = points(50), FLOWS[name]()
    for pair in ((first, second), (second, third), (fourth, first), (third.copy(), fourth)):
        displacement, valid = used.estimate(*pair).at(asked)
        expected, expected_valid = FLOWS[name]().estimate(*(frame.copy() for frame in pair)).at(asked)
        np.testing.assert_array_equal(valid, expected_valid)
        np.testing.assert_array_equal(displacement, expected)


@pytest.mark.parametrize("name", SEEING)
def test_frames_of_two_sizes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="same size"):
        FLOWS[name]().estimate(textured(40, 60), textured(60, 40))


def test_no_flow_leaves_everything_where_it_is() -> None:
    displacement, valid = FLOWS["none"]().estimate(*moved_pair(translation(9.0, 0.0))).at(points(20))
    assert valid.all() and not displacement.any()


def test_points_that_do_not_return_to_their_start_are_invalid() -> None:
    """Points on a patch that appears suddenly, and on a plain wall, fail the forward-backward check."""
    previous, current = moved_pair(translation(2.0, 0.0))
    current[60:180, 80:240] = textured(120, 160, seed=9)
    asked = points(300)
    covered = (np.abs(asked - [160, 120]) < [60, 40]).all(axis=1)
    clear = (np.abs(asked - [160, 120]) > [110, 90]).any(axis=1)
    _, valid = FLOWS["lk"]().estimate(previous, current).at(asked)
    assert valid[covered].mean() < 0.3
    assert valid[clear].mean() > 0.95
    wall = np.full((240, 320, 3), 128, np.uint8)
    displacement, known = FLOWS["lk"]().estimate(wall, wall.copy()).at(asked)
    assert not known.any() and not displacement.any()


def test_points_followed_as_one_move_as_if_followed_alone() -> None:
    pair = moved_pair(turn(3.0, 1.02))
    base = points(100)
    asked = np.concatenate([base, base + np.float32(0.3)])
    together, valid = LucasKanadeFlow(LucasKanadeConfig()).estimate(*pair).at(asked)
    alone, valid_alone = LucasKanadeFlow(LucasKanadeConfig(cell_px=0)).estimate(*pair).at(asked)
    both = valid & valid_alone
    assert both.mean() > 0.95
    assert np.abs(together - alone)[both].max() < 0.1


@given(seed=st.integers(0, 10_000), h=st.integers(1, 6), w=st.integers(1, 6), zoom=st.sampled_from([1, 2, 3.5]))
@settings(max_examples=60, deadline=None)
def test_a_field_is_sampled_bilinearly(seed: int, h: int, w: int, zoom: float) -> None:
    """Against the definition: weights (1 - |dx|)(1 - |dy|) of the four nearest cells, the border repeated."""
    rng = np.random.default_rng(seed)
    field = rng.normal(size=(h, w, 2)).astype(np.float32)
    frame = (round(w * zoom), round(h * zoom))
    scale = np.array([w / frame[0], h / frame[1]])
    asked = rng.uniform(-0.5, np.array(frame) - 0.5, (20, 2)).astype(np.float32)
    expected = np.zeros((20, 2))
    for index, (x, y) in enumerate(((asked.astype(float) + 0.5) * scale - 0.5).clip(0, (w - 1, h - 1))):
        for row in range(h):
            for column in range(w):
                weight = max(0, 1 - abs(x - column)) * max(0, 1 - abs(y - row))
                expected[index] += weight * field[row, column] / scale
    displacement, valid = DenseFlow(field, frame).at(asked)
    assert valid.all()
    np.testing.assert_allclose(displacement, expected, atol=1e-4)


def test_a_field_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 5\)"):
        DenseFlow(np.zeros((4, 5), np.float32), (5, 4))


@pytest.mark.parametrize(
    ("build", "option"),
    [
        (lambda: DisConfig(preset="best"), "preset"),
        (lambda: DisConfig(max_side_px=8), "max_side_px"),
        (lambda: FarnebackConfig(levels=0), "levels"),
        (lambda: LucasKanadeConfig(window_px=1), "window_px"),
        (lambda: LucasKanadeConfig(max_round_trip_px=0), "max_round_trip_px"),
    ],
)
def test_options_out_of_range_are_named(build: Callable[[], object], option: str) -> None:
    with pytest.raises(ConfigError, match=option):
        build()
