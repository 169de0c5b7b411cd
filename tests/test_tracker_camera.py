"""The camera's motion by the flow of the background, with people walking through it."""

import numpy as np
import pytest

from posetrack.tracker.camera import CameraMotion, background

RNG = np.random.default_rng(0)
PLACES = RNG.uniform((0, 0), (1280, 720), (40, 2)).T


def moved(places: np.ndarray, zoom: float, turn: float, shift: tuple[float, float]) -> np.ndarray:
    """Displacement of places by a camera that zooms and turns about the picture's middle, and pans."""
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * zoom
    middle = np.array([[640], [360]])
    return linear @ (places - middle) + middle + np.array(shift)[:, None] - places


@pytest.mark.parametrize(("zoom", "turn", "shift"), [(1, 0, (12, -5)), (1.015, 0, (0, 0)), (0.99, 0.01, (-8, 3))])
def test_pans_zooms_and_turns_are_found_with_a_quarter_of_the_points_on_people(
    zoom: float, turn: float, shift: tuple[float, float]
) -> None:
    displacement = moved(PLACES, zoom, turn, shift)
    displacement[:, ::4] += [[25], [4]]
    camera = CameraMotion.fitted(PLACES, displacement + RNG.normal(0, 0.2, displacement.shape))
    elsewhere = np.array([[100, 1200, 640], [100, 650, 360]], np.float32)
    errors = camera.at(elsewhere) - moved(elsewhere, zoom, turn, shift)
    assert np.abs(errors).max() < 1.5


def test_one_point_says_how_the_camera_moves_but_not_how_it_turns() -> None:
    camera = CameraMotion.fitted(np.array([[10.0], [20]]), np.array([[3.0], [-4]]))
    np.testing.assert_allclose(camera.at(np.array([[500.0, 10], [400, 20]])), [[3, 3], [-4, -4]], atol=1e-5)


def test_without_points_nothing_moves() -> None:
    camera = CameraMotion.fitted(np.zeros((2, 0)), np.zeros((2, 0)))
    assert camera.at(np.ones((2, 3, 4), np.float32)).shape == (2, 3, 4)
    assert not camera.at(np.ones((2, 3, 4), np.float32)).any()


def test_the_surroundings_of_people_in_sight_decide_unless_nobody_is() -> None:
    points = np.array([[0.0, 1, 2, 3], [0, 0, 0, 0]])
    displacement = np.array([[1.0, 1, 9, 9], [0, 0, 0, 0]])
    here = np.zeros((2, 1), np.float32)
    known, in_sight = np.array([True, True, True, False]), np.array([True, True, False, False])
    assert background(points, displacement, known, in_sight).at(here)[0, 0] == pytest.approx(1)
    assert background(points, displacement, ~known, in_sight).at(here)[0, 0] == pytest.approx(9)
