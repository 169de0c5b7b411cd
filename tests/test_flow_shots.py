"""Cuts are detected, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.flow import ShotConfig, ShotDetector
from posetrack.types import Image

SIZE = (640, 360)


def place(seed: int, size: tuple[int, int] = (1280, 720)) -> Image:
    """A random scene: ground, sky and objects of all sizes and colours, uint8 [H, W, 3]."""
    rng = np.random.default_rng(seed)
    width, height = size
    horizon = int(height * rng.uniform(0.3, 0.6))
    picture = np.empty((height, width, 3), np.uint8)
    picture[:horizon], picture[horizon:] = rng.integers(60, 255, (2, 3))
    for _ in range(140):
        x, y = rng.integers(0, (width, height))
        axes = (rng.pareto(1.5, 2) * 12 + 5).clip(5, 260).astype(int)
        colour = rng.integers(0, 255, 3).tolist()
        cv2.ellipse(
            picture, (int(x), int(y)), tuple(axes.tolist()), float(rng.uniform(0, 180)), 0, 360, colour, -1
        )
    return cv2.GaussianBlur(picture, (0, 0), 1.5)


def view(picture: Image, x: float, y: float, zoom: float = 1.0) -> Image:
    """The view of a camera whose frame starts at (x, y) of a picture."""
    width, height = round(SIZE[0] / zoom), round(SIZE[1] / zoom)
    part = picture[round(y) : round(y) + height, round(x) : round(x) + width]
    return cv2.resize(part, SIZE, interpolation=cv2.INTER_AREA)


def cuts(frames: list[Image]) -> list[int]:
    detector = ShotDetector()
    return [
        index
        for index, (previous, current) in enumerate(zip(frames, frames[1:], strict=False), start=1)
        if detector.is_cut(previous, current)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_to_another_scene_is_found(seed: int) -> None:
    first, second = place(seed), place(seed + 100)
    frames = [view(first, 100 + k, 100) for k in range(4)] + [view(second, 200 + k, 150) for k in range(4)]
    assert cuts(frames) == [4]


def test_cuts_are_found_without_colours() -> None:
    """A grey source distinguishes scenes less well: nine cuts in ten are enough."""
    places = [view(place(seed), 100, 100) for seed in range(30)]
    grey = [np.repeat(picture.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2) for picture in places]
    assert len(cuts(grey)) >= 27


@pytest.mark.parametrize("seed", range(5))
def test_a_fast_pan_is_not_a_cut(seed: int) -> None:
    """A sixth of the frame's width per frame."""
    picture = place(seed)
    assert cuts([view(picture, 10 + 106 * k, 100) for k in range(6)]) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_shaking_camera_is_not_a_cut(seed: int) -> None:
    rng, picture = np.random.default_rng(seed), place(seed)
    blurred = [cv2.blur(view(picture, *rng.uniform(100, 170, 2)), (1 + 6 * (k % 2), 1)) for k in range(12)]
    assert cuts(blurred) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_zoom_is_not_a_cut(seed: int) -> None:
    picture = place(seed)
    assert cuts([view(picture, 100 + 16 * k, 100 + 9 * k, 1.06**k) for k in range(6)]) == []


@pytest.mark.parametrize("seed", range(5))
def test_flashes_and_lamps_are_not_cuts(seed: int) -> None:
    """Twice and three times the light, a white frame, a third of the light, darkness."""
    frame = view(place(seed), 100, 100).astype(float)
    light = [frame, frame * 2, frame, np.full_like(frame, 255), frame, frame * 0.3, frame * 3, frame * 0, frame]
    assert cuts([picture.clip(0, 255).astype(np.uint8) for picture in light]) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_person_who_fills_half_the_frame_is_not_a_cut(seed: int) -> None:
    """A person enters from the side and walks past a still camera."""
    background, clothes = view(place(seed), 100, 100), view(place(seed + 50), 300, 200)
    frames = []
    for k in range(14):
        frame, left = background.copy(), -300 + 70 * k
        x1, x2 = max(left, 0), min(left + 300, SIZE[0])
        frame[30:, x1:x2] = clothes[30:, x1 - left : x2 - left]
        frames.append(frame)
    assert cuts(frames) == []


def test_a_cut_through_black_is_found_at_the_next_picture() -> None:
    first, second, black = view(place(1), 100, 100), view(place(2), 100, 100), np.zeros((360, 640, 3), np.uint8)
    assert cuts([first, first, black, black, second, second]) == [4]


def test_cuts_are_found_in_portrait_format() -> None:
    first, second = (np.ascontiguousarray(view(place(seed), 100, 100).transpose(1, 0, 2)) for seed in (1, 2))
    assert cuts([first, np.roll(first, 40, axis=0), second, second]) == [2]


def test_another_size_of_frame_is_a_cut() -> None:
    frame = view(place(1), 100, 100)
    assert cuts([frame, np.ascontiguousarray(frame[:, :300])]) == [1]


def test_blank_and_tiny_pictures_are_not_cuts() -> None:
    assert cuts([np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)]) == []
    assert cuts([np.zeros((1, 900, 3), np.uint8), np.full((1, 900, 3), 255, np.uint8)]) == []


def test_real_clips_have_no_cut_but_the_one_between_them(shared: Path) -> None:
    """All frames of a moving street camera, and people entering a still one; then one clip after the other."""
    street = clip(shared / "data" / "clips" / "paris_street.avi", 205)
    hall = clip(shared / "data" / "clips" / "one_by_one.mp4", 400)
    assert cuts(street) == []
    assert cuts(street[::5]) == []
    assert cuts(hall) == []
    for start in range(0, 200, 20):
        assert cuts([*street[start : start + 3], *hall[2 * start : 2 * start + 3]]) == [3]


def test_unrelated_photographs_are_separated_by_cuts(shared: Path) -> None:
    files = sorted((shared / "data" / "lspe" / "images").glob("*.jpg"))[:60]
    photographs = [cv2.resize(cv2.imread(str(file)), SIZE, interpolation=cv2.INTER_AREA) for file in files]
    assert len(cuts(photographs)) >= 58


def clip(path: Path, count: int) -> list[Image]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while len(frames) < count and (read := capture.read())[0]:
        frames.append(np.ascontiguousarray(cv2.resize(read[1], SIZE, interpolation=cv2.INTER_AREA)[..., ::-1]))
    assert frames
    return frames


@pytest.mark.parametrize(
    ("option", "value"),
    [("min_correlation", 2.0), ("max_shift", -1.0), ("min_contrast", -1.0), ("thumbnail_px", 3)],
)
def test_options_out_of_range_are_named(option: str, value: float) -> None:
    with pytest.raises(ConfigError, match=option):
        ShotConfig(**{option: value})
