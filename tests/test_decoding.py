"""Heatmap codecs on analytic Gaussians, whose true peaks are known to a fraction of a cell."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.models.conventions import CONVENTIONS
from posetrack.models.decoding import (
    CODECS,
    codec_of,
    decode_argmax,
    decode_dark,
    decode_integral,
    decode_quarter,
    decode_soft_argmax,
    reach_cells,
)
from posetrack.models.heatmap import gaussian_targets
from tests import publishers

SIZE = (48, 64)
SIGMA = 2.0


def errors(codec: str, noise: float, sigma: float = SIGMA, margin: float = 7.0) -> np.ndarray:
    """Distances in cells from 600 random peaks, on heatmaps with noise of that standard deviation."""
    rng = np.random.default_rng(5)
    truth = rng.uniform((margin, margin), (SIZE[0] - 1 - margin, SIZE[1] - 1 - margin), (40, 15, 2))
    heatmaps = gaussian_targets(truth, SIZE, sigma)
    heatmaps += rng.normal(0, noise, heatmaps.shape).astype(np.float32)
    points, _ = CODECS[codec](heatmaps, sigma)
    return np.asarray(np.linalg.norm(points - truth, axis=-1).ravel())


def one(x: float, y: float, sigma: float = SIGMA) -> np.ndarray:
    return gaussian_targets(np.array([[[x, y]]]), SIZE, sigma)


@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("noise", [0.0, 0.02, 0.05, 0.1])
def test_dark_is_at_least_twice_as_exact_as_the_quarter_offset(noise: float, sigma: float) -> None:
    dark, quarter = (errors(codec, noise, sigma, margin=9) for codec in ("dark", "quarter"))
    assert dark.mean() * 2 <= quarter.mean()
    assert np.percentile(dark, 95) * 2 <= np.percentile(quarter, 95)


@pytest.mark.parametrize("codec", ["dark", "soft-argmax", "integral"])
def test_clean_gaussians_are_found_to_a_hundredth_of_a_cell(codec: str) -> None:
    assert errors(codec, noise=0).max() < 0.01


def test_each_codec_is_better_than_the_one_before() -> None:
    means = [errors(codec, noise=0.02).mean() for codec in ("argmax", "quarter", "soft-argmax", "dark")]
    assert means == sorted(means, reverse=True)


@settings(max_examples=60, deadline=None)
@given(x=st.floats(2, 45), y=st.floats(2, 61))
def test_the_quarter_offset_stays_within_a_quarter_of_a_cell_of_the_peak(x: float, y: float) -> None:
    points, scores = decode_quarter(one(x, y))
    assert np.abs(points[0, 0] - (x, y)).max() <= 0.2501 + 1e-3
    assert 0.9 < scores[0, 0] <= 1


@settings(max_examples=60, deadline=None)
@given(x=st.floats(5, 42), y=st.floats(5, 58))
def test_dark_is_never_worse_than_the_highest_cell_inside_of_the_map(x: float, y: float) -> None:
    points, _ = decode_dark(one(x, y), SIGMA)
    highest, _ = decode_argmax(one(x, y))
    assert np.linalg.norm(points[0, 0] - (x, y)) <= np.linalg.norm(highest[0, 0] - (x, y)) + 2e-3


@settings(max_examples=60, deadline=None)
@given(x=st.floats(2, 45), y=st.floats(2, 61))
def test_darks_pull_at_the_border_stays_below_a_quarter_of_a_cell(x: float, y: float) -> None:
    points, _ = decode_dark(one(x, y), SIGMA)
    assert np.abs(points[0, 0] - (x, y)).max() < 0.25


@pytest.mark.parametrize("sigma, kernel", [(2.0, 11), (3.0, 17)])
def test_dark_is_the_published_code_on_noisy_peaks_of_any_height(sigma: float, kernel: int) -> None:
    """The whole-map smoothing, scaling and Taylor step of DarkPose and MMPose, written a second time."""
    rng = np.random.default_rng(1)
    truth = rng.uniform((2, 2), (SIZE[0] - 3, SIZE[1] - 3), (8, 17, 2))
    heatmaps = gaussian_targets(truth, SIZE, sigma) * rng.uniform(0.2, 1, (8, 17, 1, 1))
    heatmaps = (heatmaps + rng.normal(0, 0.01, heatmaps.shape)).astype(np.float32)
    points, _ = decode_dark(heatmaps, sigma)
    np.testing.assert_allclose(points, publishers.dark_peaks(heatmaps, kernel), atol=1e-4)


@pytest.mark.parametrize("sigma, kernel", [(2.0, 11), (3.0, 17)])
def test_dark_is_the_published_code_at_the_border(sigma: float, kernel: int) -> None:
    """Peaks in the two outermost cells stay where they are, those in the third move."""
    rng = np.random.default_rng(4)
    truth = rng.uniform((0, 0), (SIZE[0] - 1, SIZE[1] - 1), (3, 16, 2))
    truth[0, :, 0] = np.repeat([0, 1, 2, 3, SIZE[0] - 4, SIZE[0] - 3, SIZE[0] - 2, SIZE[0] - 1], 2)
    truth[1, :, 1] = np.repeat([0, 1, 2, 3, SIZE[1] - 4, SIZE[1] - 3, SIZE[1] - 2, SIZE[1] - 1], 2)
    truth[0, ::2, 0] += 0.2
    heatmaps = gaussian_targets(truth, SIZE, sigma) + rng.normal(0, 0.002, (3, 16, *SIZE[::-1])).astype(np.float32)
    points, _ = decode_dark(heatmaps, sigma)
    expected = publishers.dark_peaks(heatmaps, kernel)
    assert {0, 1, SIZE[0] - 2, SIZE[0] - 1} <= set(expected[0, :, 0]), "some stay"
    np.testing.assert_allclose(points, expected, atol=1e-4)


def test_dark_of_mmposes_networks_takes_every_step_that_the_published_code_takes() -> None:
    """On the maps of an untrained network: also to saddles, over cells below 0, and far, but not off the map."""
    heatmaps = np.random.default_rng(6).normal(0, 0.1, (12, 17, *SIZE[::-1])).astype(np.float32)
    published, highest = publishers.dark_peaks(heatmaps, 11), decode_argmax(heatmaps)[0]
    points, _ = codec_of("dark", CONVENTIONS["mmpose"])(heatmaps, 3.0)
    steps = np.abs(published - highest).max(axis=-1)
    np.testing.assert_allclose(points[steps < 10], published[steps < 10], atol=1e-3)
    np.testing.assert_array_equal(points[steps > max(SIZE)], highest[steps > max(SIZE)])
    assert (steps > 2).mean() > 0.1 and (np.abs(decode_dark(heatmaps, SIGMA)[0] - published) > 0.1).mean() > 0.3
    assert reach_cells("dark", 3.0, CONVENTIONS["mmpose"]) >= max(SIZE)


@pytest.mark.parametrize("form", ["negative", "ridge", (1, -1), (-1, 1), (1, 1)])
def test_dark_leaves_a_peak_alone_that_has_no_maximum_nearby(form: str | tuple[int, int]) -> None:
    """Cells below 0 beside it, a ridge without end, a spike on a saddle or in a hollow."""
    rows, columns = np.indices(SIZE[::-1])
    if form == "negative":
        heatmap = one(20.3, 30.8, 1.0)[0, 0] - 0.6
    elif form == "ridge":
        heatmap = np.exp(-((columns - 20.3) ** 2) / 8)
    else:
        along_x, along_y = np.minimum((columns - 20.3) ** 2, 16), np.minimum((rows - 30.8) ** 2, 16)
        heatmap = 0.3 + 0.003 * (form[0] * along_x + form[1] * along_y)
        heatmap[31, 20] = 0.46
    y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
    points, _ = decode_dark(heatmap[None, None].astype(np.float32), SIGMA)
    np.testing.assert_array_equal(points[0, 0], (x, y))


@pytest.mark.parametrize("off", [(1.5, 0.3), (0.3, -1.5), (2.6, 0.3), (0.3, 2.6), (-2.6, -2.6)])
def test_dark_moves_a_peak_by_two_cells_at_most_in_x_and_in_y(off: tuple[float, float]) -> None:
    """A wide hill, and a cell beside its top that is a little higher: where the hill is too far away it stays."""
    rows, columns = np.indices(SIZE[::-1])
    hill = np.exp(-((columns - 20 - off[0]) ** 2 + (rows - 31 - off[1]) ** 2) / (2 * 8**2))
    hill[31, 20] = 1.001
    heatmaps = hill[None, None].astype(np.float32)
    published = publishers.dark_peaks(heatmaps, 11)[0, 0]
    step = np.abs(published - (20, 31)).max()
    assert 1 < step < 1.9 or 2.1 < step < 2.9
    expected = published if step < 2 else (20, 31)
    np.testing.assert_allclose(decode_dark(heatmaps, 2.0)[0][0, 0], expected, atol=1e-4)


@pytest.mark.filterwarnings("error")
def test_dark_leaves_a_spike_among_cells_of_zero_alone() -> None:
    """The smoothed map is still 0 two cells away, and 0 has no logarithm."""
    heatmaps = np.zeros((1, 1, *SIZE[::-1]), np.float32)
    heatmaps[0, 0, 31, 20:22] = 0.9, 0.4
    np.testing.assert_array_equal(decode_dark(heatmaps, 0.5)[0][0, 0], (20, 31))


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (2, 2), (3, 3), (4, 5), (9, 7)])
def test_the_quarter_offset_is_the_published_code_wherever_the_peak_is(shape: tuple[int, int]) -> None:
    """Peaks in every cell of small maps, with every kind of neighbours."""
    heatmaps = np.random.default_rng(2).random((12, shape[0] * shape[1], *shape)).astype(np.float32)
    heatmaps[::3] = np.round(heatmaps[::3] * 2) / 2  # neighbours alike
    for joint, (y, x) in enumerate(np.ndindex(shape)):
        heatmaps[:, joint, y, x] = 2
    np.testing.assert_array_equal(decode_quarter(heatmaps)[0], publishers.quarter_peaks(heatmaps))
    found, _ = decode_quarter(heatmaps, each_axis=True)
    np.testing.assert_array_equal(found, publishers.quarter_peaks_of_mmpose(heatmaps))


def test_only_the_quarter_offset_of_mmpose_looks_at_each_axis_alone() -> None:
    heatmaps = np.random.default_rng(0).random((1, 40, 4, 5)).astype(np.float32)
    published = {False: publishers.quarter_peaks(heatmaps), True: publishers.quarter_peaks_of_mmpose(heatmaps)}
    assert (published[False] != published[True]).any()
    for name, convention in CONVENTIONS.items():
        points, scores = codec_of("quarter", convention)(heatmaps, SIGMA)
        np.testing.assert_array_equal(points, published[name.startswith("mmpose")])
        np.testing.assert_array_equal(scores, heatmaps.max(axis=(2, 3)))
        for codec in ("argmax", "soft-argmax"):
            assert codec_of(codec, convention) is CODECS[codec]


def test_soft_argmax_is_the_expectation_over_the_window() -> None:
    """The sum, cell by cell, of the place times exp(5 h / peak) - 1."""
    heatmaps = one(20.3, 30.8) * np.float32(0.6)
    total, place = 0.0, np.zeros(2)
    for y in range(31 - 6, 31 + 7):
        for x in range(20 - 6, 20 + 7):
            weight = np.exp(5.0 * heatmaps[0, 0, y, x] / heatmaps.max()) - 1
            total, place = total + weight, place + weight * np.array([x, y])
    np.testing.assert_allclose(decode_soft_argmax(heatmaps, SIGMA)[0][0, 0], place / total, atol=1e-5)


def test_integral_is_the_mean_position_under_a_sharp_softmax_without_a_floor() -> None:
    heatmaps = np.maximum(one(20.4, 30.2), 0.9 * one(30.0, 31.0)).astype(np.float32)
    weights = np.exp(12.0 * heatmaps[0, 0].astype(np.float64)) - 1
    rows, columns = np.indices(weights.shape)
    place = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
    np.testing.assert_allclose(decode_integral(heatmaps)[0][0, 0], place, atol=1e-5)
    assert np.linalg.norm(place - (20.4, 30.2)) > 0.5  # other people do pull


def test_integral_reads_the_whole_map() -> None:
    heatmaps = one(24.3, 31.2)
    reach = reach_cells("integral", SIGMA)
    assert reach >= max(SIZE)
    spoilt = heatmaps.copy()
    spoilt[0, 0, 0, 47] = 0.9
    assert np.abs(CODECS["integral"](spoilt, SIGMA)[0] - CODECS["integral"](heatmaps, SIGMA)[0]).max() > 0.1


@pytest.mark.parametrize(
    "codec, sigma, reach",
    [
        ("argmax", 2.0, 0),
        ("quarter", 2.0, 2),
        ("dark", 0.5, 3),
        ("dark", 2.0, 7),
        ("dark", 3.0, 10),
        ("soft-argmax", 1.5, 5),
        ("soft-argmax", 2.0, 6),
    ],
)
def test_cells_beyond_the_reach_of_a_codec_change_nothing(codec: str, sigma: float, reach: int) -> None:
    """The quarter offset reaches one cell farther than it looks: a border there keeps the peak in place."""
    assert reach_cells(codec, sigma) == reach
    heatmaps = one(24.3, 31.2, sigma)
    points, _ = CODECS[codec](heatmaps, sigma)
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        spoilt, touched = heatmaps.copy(), heatmaps.copy()
        spoilt[0, 0, 31 + y * (reach + 1), 24 + x * (reach + 1)] = 0.5
        np.testing.assert_array_equal(CODECS[codec](spoilt, sigma)[0], points)
        if codec in ("dark", "soft-argmax"):
            touched[0, 0, 31 + y * reach, 24 + x * reach] = 0.3
            assert np.abs(CODECS[codec](touched, sigma)[0] - points).max() > 1e-4


@pytest.mark.parametrize("codec", ["dark", "soft-argmax"])
def test_a_second_person_in_the_crop_does_not_pull(codec: str) -> None:
    heatmaps = np.maximum(one(12.3, 40.2), 0.8 * one(35.0, 41.0)).astype(np.float32)
    points, _ = CODECS[codec](heatmaps, SIGMA)
    np.testing.assert_allclose(points[0, 0], (12.3, 40.2), atol=0.02)


@pytest.mark.parametrize("codec", CODECS)
def test_every_joint_and_person_is_decoded_in_its_own_place(codec: str) -> None:
    truth = np.random.default_rng(3).uniform(3, 40, (4, 15, 2))
    points, _ = CODECS[codec](gaussian_targets(truth, SIZE, 1.5), 1.5)
    assert np.abs(points - truth).max() < 0.51
    alone = np.stack(
        [[CODECS[codec](gaussian_targets(j[None, None], SIZE, 1.5), 1.5)[0][0, 0] for j in p] for p in truth]
    )
    np.testing.assert_allclose(points, alone, atol=1e-5)


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "dark-udp"])
@pytest.mark.parametrize("x, y", [(0, 0), (47, 0), (0, 63), (47, 63), (0, 30), (23, 63), (1, 1), (46, 62)])
def test_peaks_on_borders_stay_inside(codec: str, x: int, y: int) -> None:
    points, scores = CODECS[codec](one(x, y), SIGMA)
    assert (points >= 0).all() and (points <= (47, 63)).all()
    assert np.abs(points[0, 0] - (x, y)).max() < 1.2
    assert scores[0, 0] == 1


@pytest.mark.parametrize("codec", CODECS)
def test_codecs_take_heatmaps_in_any_layout_and_precision(codec: str) -> None:
    """Networks for processors give the channels of a pixel side by side."""
    rng = np.random.default_rng(4)
    heatmaps = rng.normal(0.3, 0.1, (2, 5, 16, 12)).astype(np.float32)
    channels_last = np.ascontiguousarray(heatmaps.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    expected = CODECS[codec](heatmaps, SIGMA)
    for ours, others in zip(CODECS[codec](channels_last, SIGMA), expected, strict=True):
        np.testing.assert_array_equal(ours, others)
    for ours, others in zip(CODECS[codec](heatmaps.astype(np.float64), SIGMA), expected, strict=True):
        np.testing.assert_allclose(ours, others, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("amplitude", "offset"), [(0.01, 0.0), (0.3, -0.4), (1.0, 0.0), (8.0, 0.0)])
def test_dark_udp_is_the_publishers_whatever_the_heatmaps(amplitude: float, offset: float) -> None:
    """Also of a network with random weights, whose heatmaps have values below 0, above 1 and above 50."""
    noise = np.random.default_rng(5).normal(size=(2, 100, 64, 48)).astype(np.float32)
    smooth = np.stack([[cv2.GaussianBlur(heatmap, (0, 0), 2) for heatmap in each] for each in noise])
    heatmaps = (amplitude * smooth / smooth.std() + offset).astype(np.float32)
    expected = publishers.udp_peaks(heatmaps, 11)
    highest = CODECS["argmax"](heatmaps, SIGMA)[0]
    points, _ = CODECS["dark-udp"](heatmaps, SIGMA)
    steps = np.abs(expected - highest).max(-1)
    assert (steps < 2).mean() > 0.85 and (steps > 2).any()
    np.testing.assert_allclose(points[steps < 2], expected[steps < 2], atol=0.002)
    far = (steps >= 2) & (steps < 20)  # where the Hessian is nearly singular, which amplifies rounding
    np.testing.assert_allclose(points[far], expected[far], atol=0.05)


@pytest.mark.parametrize("codec", CODECS)
def test_mirrored_heatmaps_give_mirrored_joints(codec: str) -> None:
    heatmaps = gaussian_targets(np.random.default_rng(8).uniform(3, 40, (3, 5, 2)), SIZE, SIGMA)
    points, _ = CODECS[codec](heatmaps, SIGMA)
    mirrored, _ = CODECS[codec](np.ascontiguousarray(heatmaps[..., ::-1]), SIGMA)
    np.testing.assert_allclose(mirrored[..., 0], 47 - points[..., 0], atol=1e-4)
    np.testing.assert_allclose(mirrored[..., 1], points[..., 1], atol=1e-4)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("shape", [(0, 15, 48, 40), (3, 0, 48, 40), (0, 0, 1, 1)])
def test_nobody_is_decoded_to_nobody(codec: str, shape: tuple[int, ...]) -> None:
    points, scores = CODECS[codec](np.zeros(shape, np.float32), SIGMA)
    assert points.shape == (*shape[:2], 2) and points.dtype == np.float32
    assert scores.shape == shape[:2] and scores.dtype == np.float32


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3), (4, 4), (5, 5), (64, 48)])
@pytest.mark.parametrize(
    "content", ["zeros", "negative", "flat", "noise", "huge", "nan", "inf", "-inf", "all nan"]
)
def test_no_heatmap_makes_a_joint_that_is_not_finite_or_far_outside(
    codec: str, shape: tuple[int, int], content: str
) -> None:
    rng = np.random.default_rng(0)
    heatmaps = rng.normal(0, 1, (2, 3, *shape)).astype(np.float32)
    filled = {"zeros": 0.0, "negative": -3.0, "flat": 0.5, "all nan": np.nan}
    if content in filled:
        heatmaps[:] = filled[content]
    elif content == "huge":
        heatmaps *= np.float32(1e30)
    elif content != "noise":
        heatmaps[:, :, shape[0] // 2, shape[1] // 2] = float(content)
    points, scores = CODECS[codec](heatmaps, SIGMA)
    assert np.isfinite(points).all() and ((scores >= 0) & (scores <= 1)).all()
    reach = 1 << 20 if codec == "dark-udp" else 0  # its publisher's has no limit
    assert (points > -2.5 - reach).all() and (points < np.array(shape[::-1]) + 1.5 + reach).all()
    if content in ("zeros", "negative", "nan", "inf", "all nan"):
        assert (scores == 0).all()


@pytest.mark.parametrize("codec", CODECS)
def test_heatmaps_are_not_changed(codec: str) -> None:
    heatmaps = np.random.default_rng(0).normal(0, 1, (2, 3, 20, 16)).astype(np.float32)
    before = heatmaps.copy()
    CODECS[codec](heatmaps, SIGMA)
    np.testing.assert_array_equal(heatmaps, before)


def test_scores_are_the_peaks_own_values() -> None:
    heatmaps = np.concatenate([one(10.0, 12.0) * height for height in (0.3, 0.9, 1.7)]).astype(np.float32)
    for codec in CODECS.values():
        np.testing.assert_allclose(codec(heatmaps, SIGMA)[1][:, 0], (0.3, 0.9, 1.0), rtol=1e-6)
