"""Angles of joints and segments in the image plane.

Joint angles are named and signed as in Sports2D (Pagnon, JOSS 2024) and as the ISB recommends for the sagittal
plane (Wu et al. 2002, 2005): flexion is positive and 0 in the upright standing body. They are measured
in the image: right for motion in the image plane, seen from the side, and too small the more a limb points towards
or away from the camera.

| measure | angle between | sign |
|---|---|---|
| knee flexion | hip-knee continued, and knee-ankle | 0 straight, always positive |
| elbow flexion | shoulder-elbow continued, and elbow-wrist | 0 straight, always positive |
| ankle dorsiflexion | 90 degrees minus the angle between ankle-knee and heel-toe | positive: toes up |
| hip flexion | trunk (neck to hips) and hip-knee | positive: thigh in front |
| shoulder flexion | trunk (neck to hips) and shoulder-elbow | positive: arm in front |

Signed ones need to know which way the person faces (``facing``) and are empty where this cannot be seen, as from
the front. Segments have their angle with the horizontal, counter-clockwise, -180 to 180.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from posetrack.measures.body import Body, Point
from posetrack.types import Doubles

NOTHING_KNOWN = 180 / 3**0.5
"""Degrees: standard deviation of an angle that may be any. Limbs that point at the camera have no surer one."""

HIPS: Point = ("left_hip", "right_hip")
NECK: Point = ("left_shoulder", "right_shoulder")


@dataclass(frozen=True, slots=True)
class JointAngle:
    """The angle between the directions a1 to a2 and b1 to b2, times ``factor``, plus ``offset``, in degrees.

    ``signed`` angles are measured from a to b, positive where b points to the front of the person.
    """

    a: tuple[Point, Point]
    b: tuple[Point, Point]
    offset: float = 0.0
    factor: float = 1.0
    signed: bool = False


def _sides() -> dict[str, JointAngle]:
    angles: dict[str, JointAngle] = {}
    for side in ("left", "right"):
        hip, knee, ankle = (f"{side}_{joint}" for joint in ("hip", "knee", "ankle"))
        shoulder, elbow, wrist = (f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist"))
        angles |= {
            f"{side}_knee_flexion": JointAngle((hip, knee), (knee, ankle)),
            f"{side}_hip_flexion": JointAngle((NECK, HIPS), (hip, knee), signed=True),
            f"{side}_ankle_dorsiflexion": JointAngle(
                (ankle, knee), (f"{side}_heel", f"{side}_big_toe"), offset=90.0, factor=-1.0
            ),
            f"{side}_elbow_flexion": JointAngle((shoulder, elbow), (elbow, wrist)),
            f"{side}_shoulder_flexion": JointAngle((NECK, HIPS), (shoulder, elbow), signed=True),
        }
    return angles


JOINT_ANGLES: Mapping[str, JointAngle] = _sides()
"""Name of the measure -> its definition."""

SEGMENTS: Mapping[str, tuple[Point, Point]] = {
    **{
        f"{side}_{name}": (f"{side}_{start}", f"{side}_{end}")
        for side in ("left", "right")
        for name, start, end in (
            ("thigh", "hip", "knee"), ("shank", "knee", "ankle"), ("foot", "heel", "big_toe"),
            ("upper_arm", "shoulder", "elbow"), ("forearm", "elbow", "wrist"),
        )
    },
    "trunk": (HIPS, NECK),
    "pelvis": ("right_hip", "left_hip"),
    "shoulders": ("right_shoulder", "left_shoulder"),
}  # fmt: skip
"""Name of a segment -> where it begins and ends."""


def joint_angle(body: Body, angle: JointAngle) -> tuple[Doubles, Doubles]:
    """float64 [T] degrees and their standard deviations; NaN where a joint is missing or the sign unknown.

    Deviations follow from those of the joints to first order, up to ``NOTHING_KNOWN``; NaN where none is known.
    """
    first, second = _direction(body, angle.a), _direction(body, angle.b)
    cross = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    degrees = np.degrees(np.arctan2(cross, (first * second).sum(axis=1)))
    if angle.signed:
        # y points down: a thigh that swings to the right of the image turns counter-clockwise, which is negative
        degrees = -degrees * body.facing
    else:
        degrees = np.abs(degrees)
    sds = np.minimum(np.degrees(_angle_sd(body, angle)), NOTHING_KNOWN)
    return angle.offset + angle.factor * degrees, np.where(np.isnan(degrees), np.nan, sds)


def segment_angle(body: Body, segment: tuple[Point, Point]) -> tuple[Doubles, Doubles]:
    """float64 [T] degrees counter-clockwise from the horizontal, and their standard deviations."""
    direction = _direction(body, segment)
    length = np.hypot(*direction.T)
    sds = np.sqrt(sum(body.variance(point) for point in segment)) / length
    degrees = np.degrees(np.arctan2(-direction[:, 1], direction[:, 0]))
    return degrees, np.minimum(np.degrees(sds), NOTHING_KNOWN)


def segment_length(body: Body, segment: tuple[Point, Point]) -> tuple[Doubles, Doubles]:
    """float64 [T] pixels, and their standard deviations."""
    return np.hypot(*_direction(body, segment).T), np.sqrt(sum(body.variance(point) for point in segment))


def never_negative(name: str, unit: str) -> bool:
    """Whether a measure has no values below 0."""
    angle = JOINT_ANGLES.get(name)
    return unit != "deg" if angle is None else not angle.signed and angle.factor > 0


def points_of(angle: JointAngle) -> tuple[Point, ...]:
    """The points of an angle, each once."""
    return tuple(dict.fromkeys((*angle.a, *angle.b)))


def _direction(body: Body, ends: tuple[Point, Point]) -> Doubles:
    return body.at(ends[1]) - body.at(ends[0])


def _angle_sd(body: Body, angle: JointAngle) -> Doubles:
    """float64 [T] radians: the angle's gradient with respect to every point, times the point's deviation."""
    total = np.zeros(len(body.times))
    gradients: dict[str, Doubles] = {}  # of joints: the same one may be part of two points
    for (start, end), sign in ((angle.a, -1.0), (angle.b, 1.0)):
        direction = _direction(body, (start, end))
        turned = np.stack([-direction[:, 1], direction[:, 0]], axis=1) / (direction**2).sum(axis=1, keepdims=True)
        for point, factor in ((end, sign), (start, -sign)):
            joints = (point,) if isinstance(point, str) else point
            for joint in joints:
                share = factor / len(joints) * turned
                gradients[joint] = gradients.get(joint, np.zeros_like(turned)) + share
    for joint, gradient in gradients.items():
        total = total + (gradient**2).sum(axis=1) * body.variance(joint)
    return np.asarray(np.sqrt(total))
