"""A teacher's joints over several views: mapped back, averaged where views agree."""

import cv2
import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.skeletons import COCO
from posetrack.training.views import Views, estimate_in_views
from posetrack.types import UNLINKED, Boxes, Image, Poses

BOXES = Boxes(np.array([[30, 20, 69, 79], [90, 10, 149, 49]], np.float32), np.ones(2, np.float32))
DOTS = ((40.0, 60.0), (125.0, 30.0))
HALVES = np.array([[19.5, 29.5], [29.5, 19.5]])


class BrightestSpot:
    """A teacher for whom every joint is the brightest spot in the box."""

    skeleton = COCO

    def __init__(self, scores: tuple[float, ...] = (1.0,)) -> None:
        self.boxes: list[np.ndarray] = []
        self._scores = scores

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        points = []
        for box in boxes.xyxy:
            x1, y1, x2, y2 = np.clip(box.round().astype(int), 0, 10**6)
            spot = np.asarray(image[y1 : y2 + 1, x1 : x2 + 1, 0], np.float64).clip(128, None) - 128
            rows, columns = np.indices(spot.shape)
            points.append([(spot * columns).sum() / spot.sum() + x1, (spot * rows).sum() / spot.sum() + y1])
        self.boxes.append(boxes.xyxy)
        keypoints = np.repeat(np.array(points, np.float32)[:, None], 17, axis=1)
        scores = np.full((len(boxes), 17), self._scores[(len(self.boxes) - 1) % len(self._scores)], np.float32)
        return Poses(boxes.xyxy, boxes.scores, keypoints, scores, np.full(len(boxes), UNLINKED), COCO)


def picture() -> Image:
    image = np.zeros((100, 160, 3), np.uint8)
    for x, y in DOTS:
        cv2.circle(image, (round(x), round(y)), 3, (255, 255, 255), -1, cv2.LINE_AA)
    return image


@pytest.mark.parametrize("turn", [0.0, 30.0, -45.0, 90.0, 180.0])
@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_joints_of_a_turned_or_scaled_view_come_back_to_their_place(turn: float, scale: float) -> None:
    poses = estimate_in_views(BrightestSpot(), picture(), BOXES, Views(scales=(scale,), turns_deg=(turn,)))
    np.testing.assert_allclose(poses.keypoints[:, 0], DOTS, atol=0.3)
    np.testing.assert_array_equal(poses.boxes, BOXES.xyxy)
    np.testing.assert_allclose(poses.keypoint_scores, 1)


def test_views_turn_anticlockwise() -> None:
    seen: list[Image] = []

    class Keeping(BrightestSpot):
        def estimate(self, image: Image, boxes: Boxes) -> Poses:
            seen.append(image)
            return super().estimate(image, boxes)

    estimate_in_views(Keeping(), picture(), BOXES[:1], Views(turns_deg=(90.0,)))
    rows, columns = np.nonzero(seen[0][..., 0] > 128)
    middle = (np.array(seen[0].shape[:2]) - 1) / 2
    # The dot is left of the box's middle and below it: after a quarter turn anticlockwise below and right.
    assert rows.mean() > middle[0] and columns.mean() > middle[1]


@pytest.mark.parametrize("scale", [1.0, 1.25])
def test_a_scale_multiplies_the_box_about_its_middle(scale: float) -> None:
    teacher = BrightestSpot()
    estimate_in_views(teacher, picture(), BOXES, Views(scales=(scale,)))
    middles = (BOXES.xyxy[:, :2] + BOXES.xyxy[:, 2:]) / 2
    np.testing.assert_allclose(teacher.boxes[0][:, :2], middles - scale * HALVES)
    np.testing.assert_allclose(teacher.boxes[0][:, 2:], middles + scale * HALVES)


class Wandering(BrightestSpot):
    """A teacher whose view number n shifts every joint by ``shifts[n]`` pixels."""

    def __init__(self, shifts: tuple[float, ...], scores: tuple[float, ...]) -> None:
        super().__init__(scores)
        self._shifts = shifts

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        poses = super().estimate(image, boxes)
        moved = poses.keypoints + np.float32(self._shifts[len(self.boxes) - 1])
        return Poses(poses.boxes, poses.scores, moved, poses.keypoint_scores, poses.track_ids, poses.skeleton)


def test_views_that_agree_are_averaged_by_score_and_others_lower_the_score() -> None:
    teacher = Wandering(shifts=(0.0, 1.0, 20.0), scores=(0.8, 0.4, 0.6))
    poses = estimate_in_views(teacher, picture(), BOXES[:1], Views(scales=(1.0, 1.1, 1.2)))
    expected = np.array(DOTS[0]) + 0.4 * 1.0 / 1.2
    np.testing.assert_allclose(poses.keypoints[0, 0], expected, atol=0.1)
    assert poses.keypoint_scores[0, 0] == pytest.approx(1.2 / 3)


@pytest.mark.parametrize("options", [{"scales": (0.0,)}, {"turns_deg": (181.0,)}])
def test_views_out_of_range_are_refused(options: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        Views(**options)
