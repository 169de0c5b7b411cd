"""Draw people into their frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.ranges import require_above, require_fraction, require_kinds, require_whole
from posetrack.skeletons import Skeleton
from posetrack.types import FloatArray, Frame, Image, IntArray, Origin, Poses
from posetrack.video.background_motion import BackgroundMotion
from posetrack.video.crop import PersonCrop
from posetrack.video.faces import blur_faces
from posetrack.video.labels import draw_labels
from posetrack.video.palette import CENTRE, OUTLINE, SIDES, Rgb, faded, person_colour
from posetrack.video.trails import Trails

Points = NDArray[np.int32]

_SUBPIXEL_BITS = 4
_FARTHEST = 16_000
"""Coordinates are clipped to this many pixels: OpenCV's fixed-point numbers end at 2^31."""

_BODY_PER_LINE = 90
"""Size of a person divided by the thickness of the lines."""

_FADING_LEVELS = 4
"""Scores are drawn in so many steps of lightness."""

_SIDES = {"left": 0, "right": 1}
_CENTRE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatorConfig:
    """What to draw.

    Attributes:
        skeletons: Draw limbs, coloured by side, and joints, coloured by person.
        labels: Draw the track id of each person, where it covers nobody else.
        boxes: Draw the box of each person.
        trails: Draw the recent path of each person, on the background if the camera moves.
        blur_faces: Make faces unrecognisable.
        min_joint_score: Minimum score of a joint to be drawn.
        trail_s: Length of the trails in seconds.
        skeleton_only: Draw on black instead of the picture.
        only: Draw only the people with these track ids; everybody if empty.
        crop_person: Show only the surroundings of the person with this track id, who stays in the middle.

    Raises:
        ConfigError: a setting is out of range.
    """

    skeletons: bool = True
    labels: bool = True
    boxes: bool = False
    trails: bool = False
    blur_faces: bool = False
    min_joint_score: float = 0.1
    trail_s: float = 2.0
    skeleton_only: bool = False
    only: tuple[int, ...] = ()
    crop_person: int | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        require_fraction(min_joint_score=self.min_joint_score)
        require_above(0, trail_s=self.trail_s)
        require_whole(0, crop_person=0 if self.crop_person is None else self.crop_person)


class Annotator:
    """Draws the people of one video, frame by frame. Its state is their trails and where the crop is.

    Args:
        config: What to draw.
    """

    def __init__(self, config: AnnotatorConfig | None = None) -> None:
        self._config = config or AnnotatorConfig()
        self._trails = Trails(self._config.trail_s)
        self._background = BackgroundMotion()
        crop = self._config.crop_person
        self._crop = None if crop is None else PersonCrop(crop)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of what is drawn, for frames of that size."""
        return (width, height) if self._crop is None else self._crop.size(width, height)

    def reset(self) -> None:
        """Forget the trails and where the crop was (after a shot cut, or for another video)."""
        self._trails.reset()
        if self._crop is not None:
            self._crop.reset()

    def draw(self, frame: Frame, poses: Poses) -> Image:
        """A copy of the frame's image, uint8 [H, W, 3] RGB, with the people drawn in; or the part to show."""
        config = self._config
        if frame.scene is not None and frame.scene.cut:
            self.reset()
        image = np.zeros_like(frame.image) if config.skeleton_only else frame.image.copy()
        everybody = _drawable(poses, config.min_joint_score)
        poses = everybody[np.isin(everybody.track_ids, config.only)] if config.only else everybody
        thickness = line_thickness(poses.boxes, image.shape[0])
        if config.blur_faces:
            blur_faces(image, everybody)
            if poses.unreported is not None:
                blur_faces(image, _drawable(poses.unreported, config.min_joint_score))
        if config.trails:
            self._trails.add(frame.time_s, poses, self._background.next(frame.image, everybody.boxes))
            for track_id, lines in self._trails.lines().items():
                _polylines(
                    image, [_fixed(line) for line in lines], person_colour(track_id), _trail_thickness(image)
                )
        if config.boxes:
            _draw_boxes(image, poses, thickness)
        if config.skeletons:
            _draw_limbs(image, poses, thickness)
            _draw_joints(image, poses, thickness)
        if config.labels:
            draw_labels(image, poses)
        return image if self._crop is None else self._crop.cut(image, frame.time_s, everybody)


def _drawable(poses: Poses, min_joint_score: float) -> Poses:
    """The same people without joints of low score, with finite and clipped coordinates."""
    seen = (poses.keypoint_scores >= min_joint_score) & np.isfinite(poses.keypoints).all(axis=-1)
    return poses.replace(
        boxes=np.clip(np.nan_to_num(poses.boxes), -_FARTHEST, _FARTHEST),
        keypoints=np.clip(np.where(seen[..., None], poses.keypoints, 0), -_FARTHEST, _FARTHEST),
        keypoint_scores=np.where(seen, poses.keypoint_scores, 0),
    )


def line_thickness(boxes: FloatArray, frame_height: int) -> IntArray:
    """Thickness of each person's lines in pixels, int64 [N]. Grows with the person, up to 1 % of the frame height.

    Args:
        boxes: float32 [N, 4].
        frame_height: Height of the frame in pixels.
    """
    size = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    return np.asarray(np.clip(np.rint(size / _BODY_PER_LINE), 1, max(1, frame_height // 100)), np.int64)


def _trail_thickness(image: Image) -> int:
    return max(1, int(image.shape[0]) // 300)


def _draw_limbs(image: Image, poses: Poses, thickness: IntArray) -> None:
    """Draw all limbs of one thickness and side in one call, over outlines that are slightly thicker.

    Outlines are not anti-aliased: that would take three times as long, and only a pixel of them is visible.
    """
    slots = poses.skeleton.limb_slots
    person, limb = np.nonzero(poses.present[:, slots].all(axis=-1))
    ends = _fixed(poses.keypoints[person[:, None], slots[limb]])
    thick, side = thickness[person], _limb_sides(poses.skeleton)[limb]
    for width in np.unique(thick).tolist():
        _polylines(image, list(ends[thick == width]), OUTLINE, width + 3, cv2.LINE_8)
    for width in np.unique(thick).tolist():
        for number, colour in enumerate(SIDES):
            _polylines(image, list(ends[(thick == width) & (side == number)]), colour, width)


def _draw_joints(image: Image, poses: Poses, thickness: IntArray) -> None:
    """Draw dots in the person's colour, the paler the lower the score; hollow where a joint was filled in.

    A closed line through one point is a round dot.
    """
    dots, present = _fixed(poses.keypoints)[:, :, None], poses.present
    levels = np.minimum((poses.keypoint_scores * _FADING_LEVELS).astype(np.int64), _FADING_LEVELS - 1)
    hollow = present & (poses.origin == Origin.FILLED)
    for person, (track_id, width) in enumerate(zip(poses.track_ids.tolist(), thickness.tolist(), strict=True)):
        colour = person_colour(track_id)
        for level in np.unique(levels[person, present[person]]).tolist():
            chosen = list(dots[person, present[person] & (levels[person] == level)])
            _dots(image, chosen, faded(colour, (level + 1) / _FADING_LEVELS), 2 * width)
        if hollow[person].any():
            rings = list(dots[person, hollow[person]])
            _dots(image, rings, colour, 2 * width + 2)
            _dots(image, rings, CENTRE, 2 * width)


def _dots(image: Image, points: list[Points], colour: Rgb, thickness: int) -> None:
    cv2.polylines(image, points, True, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def _draw_boxes(image: Image, poses: Poses, thickness: IntArray) -> None:
    corners = _fixed(poses.boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2))
    for box, track_id, width in zip(corners, poses.track_ids.tolist(), thickness.tolist(), strict=True):
        cv2.polylines(image, [box], True, person_colour(track_id), width, cv2.LINE_AA, _SUBPIXEL_BITS)


@lru_cache(maxsize=16)
def _limb_sides(skeleton: Skeleton) -> IntArray:
    """Side of each limb, int64 [L], as an index of ``SIDES``: left or right if both ends are, otherwise centre."""
    ends = [{joint.partition("_")[0] for joint in limb} for limb in skeleton.limbs]
    sides = [_SIDES.get(next(iter(words)), _CENTRE) if len(words) == 1 else _CENTRE for words in ends]
    return np.array(sides, dtype=np.int64)


def _fixed(points: FloatArray) -> Points:
    """Points in OpenCV's fixed-point format for subpixel drawing, int32."""
    return np.asarray(np.rint(points * 2**_SUBPIXEL_BITS), np.int32)


def _polylines(
    image: Image, lines: list[Points], colour: Rgb, thickness: int, line_type: int = cv2.LINE_AA
) -> None:
    if lines:
        cv2.polylines(image, lines, False, colour, thickness, line_type, _SUBPIXEL_BITS)
