"""The articulated body: proportions, joint angles, and forward kinematics for many people at once.

Body coordinates are the person's (right, up, forward), in metres. The world has x right, y up, z away from the
camera, and the ground at y = 0. A person with heading 0 walks away from the camera, so their right is the viewer's
right; with heading pi they face the camera.

Segment lengths are fractions of stature, close to those of Drillis and Contini (Body Segment Parameters, 1966),
but measured between the joint centres that annotators mark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.skeletons import POSETRACK
from posetrack.types import Doubles

SIDES = ("left", "right")
_OUTWARD = np.array([-1.0, 1.0])  # sign of the body's right axis for the left and the right limbs

ANGLES = {
    "pelvis": slice(0, 3),  # yaw (to the person's right), pitch (forward), roll (to the person's right)
    "chest": slice(3, 6),  # the same, relative to the pelvis
    "head": slice(6, 9),  # the same, relative to the chest
    "left_shoulder": slice(9, 12),  # flexion (forward), abduction (outward), external rotation
    "right_shoulder": slice(12, 15),
    "left_hip": slice(15, 18),
    "right_hip": slice(18, 21),
    "elbows": slice(21, 23),  # left and right, flexion
    "knees": slice(23, 25),
    "ankles": slice(25, 27),  # upward
    "lift": slice(27, 28),  # clearance of the lowest point, in statures; not an angle
}
POSTURE_SIZE = 28

HIP_HALF_WIDTH, SHOULDER_HALF_WIDTH = 0.056, 0.101
THIGH, SHANK, ANKLE_HEIGHT = 0.245, 0.246, 0.039
UPPER_ARM, FOREARM = 0.174, 0.148
PELVIS_TO_WAIST, WAIST_TO_SHOULDERS, SHOULDERS_TO_NECK = 0.10, 0.190, 0.042
HEEL_BACK, TOE_FORWARD = 0.032, 0.112
NOSE_UP, NOSE_FORWARD, HEAD_UP = 0.063, 0.071, 0.143
_FLESH = 0.025  # around every joint; less than between ankle and sole
_SHOULDER_RISE = 0.028  # how far the shoulder joint climbs when the arm points straight up


def posture(lift: float = 0.0, **degrees: tuple[float, ...]) -> Doubles:
    """A posture vector [28] in radians; defaults to standing upright with hanging arms.

    Args:
        lift: Clearance of the lowest point above the ground, in statures (jumps).
        degrees: Angles in degrees, by their names in ``ANGLES``.
    """
    vector = np.zeros(POSTURE_SIZE)
    vector[9:15] = np.radians([4, 7, 0, 4, 7, 0])
    vector[21:23] = np.radians(12)
    for name, values in degrees.items():
        vector[ANGLES[name]] = np.radians(values)
    vector[27] = lift
    return vector


def mirrored(vector: Doubles) -> Doubles:
    """The posture [.., 28] with left and right exchanged."""
    result = vector.copy()
    result[..., [0, 2, 3, 5, 6, 8]] *= -1
    exchange = [12, 13, 14, 9, 10, 11, 18, 19, 20, 15, 16, 17, 22, 21, 24, 23, 26, 25]
    result[..., 9:27] = vector[..., exchange]
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Skeletons:
    """P posed people in world coordinates; every rotation's columns are right, up and forward.

    Attributes:
        stature: float [P], metres.
        joints: float [P, 17, 3], POSETRACK order; the ears have their true positions too.
        waist: float [P, 3], where the chest turns on the pelvis.
        pelvis, chest, head: float [P, 3, 3].
        upper_arms, forearms, thighs, shanks, feet: float [P, 2, 3, 3], left and right.
    """

    stature: Doubles
    joints: Doubles
    waist: Doubles
    pelvis: Doubles
    chest: Doubles
    head: Doubles
    upper_arms: Doubles
    forearms: Doubles
    thighs: Doubles
    shanks: Doubles
    feet: Doubles

    def __getitem__(self, people: NDArray[np.int64]) -> Skeletons:
        """The chosen people."""
        return Skeletons(*(getattr(self, name)[people] for name in self.__slots__))

    def limb_joints(self, joint: str) -> Doubles:
        """float [P, 2, 3]: the left and the right ``joint``."""
        return self.joints[:, [POSETRACK.index(f"{side}_{joint}") for side in SIDES]]

    def joint(self, name: str) -> Doubles:
        """float [P, 3]."""
        return self.joints[:, POSETRACK.index(name)]


def _rotation_x(pitch: Doubles) -> Doubles:
    """[.., 3, 3]: up turns forward."""
    cos, sin, zero = np.cos(pitch), np.sin(pitch), np.zeros_like(pitch)
    return _matrix(zero + 1, zero, zero, zero, cos, -sin, zero, sin, cos)


def _rotation_y(yaw: Doubles) -> Doubles:
    """[.., 3, 3]: forward turns right."""
    cos, sin, zero = np.cos(yaw), np.sin(yaw), np.zeros_like(yaw)
    return _matrix(cos, zero, sin, zero, zero + 1, zero, -sin, zero, cos)


def _rotation_z(roll: Doubles) -> Doubles:
    """[.., 3, 3]: up turns right."""
    cos, sin, zero = np.cos(roll), np.sin(roll), np.zeros_like(roll)
    return _matrix(cos, sin, zero, -sin, cos, zero, zero, zero, zero + 1)


def _matrix(*elements: Doubles) -> Doubles:
    stacked: Doubles = np.stack(elements, axis=-1)
    return stacked.reshape(*stacked.shape[:-1], 3, 3)


def _trunk_rotation(angles: Doubles) -> Doubles:
    turned: Doubles = _rotation_y(angles[..., 0]) @ _rotation_x(angles[..., 1]) @ _rotation_z(angles[..., 2])
    return turned


def _limb_rotation(parent: Doubles, angles: Doubles) -> Doubles:
    """[P, 2, 3, 3] of thighs or upper arms: ``parent`` [P, 3, 3], ``angles`` [P, 2, 3]."""
    flexed = parent[:, None] @ _rotation_x(-angles[..., 0])
    turned: Doubles = flexed @ _rotation_z(-_OUTWARD * angles[..., 1]) @ _rotation_y(_OUTWARD * angles[..., 2])
    return turned


def _offset(rotation: Doubles, right: Doubles | float, up: Doubles | float, forward: Doubles | float) -> Doubles:
    """[.., 3]: a vector given in the rotated axes."""
    vector: Doubles = (
        rotation[..., 0] * np.asarray(right)[..., None]
        + rotation[..., 1] * np.asarray(up)[..., None]
        + rotation[..., 2] * np.asarray(forward)[..., None]
    )
    return vector


def pose_bodies(stature: Doubles, postures: Doubles, positions: Doubles, headings: Doubles) -> Skeletons:
    """Forward kinematics.

    Args:
        stature: float [P], metres.
        postures: float [P, 28], see ``ANGLES``, radians.
        positions: float [P, 2], x and z in metres of the point on the ground below the pelvis.
        headings: float [P], radians; 0 walks away from the camera, pi / 2 to the viewer's right.

    Returns:
        The bodies, their lowest point at ``lift`` above the ground.
    """
    scale = stature[:, None]
    by_side = postures[:, 9:21].reshape(-1, 4, 3)
    pelvis = _rotation_y(headings) @ _trunk_rotation(postures[:, ANGLES["pelvis"]])
    chest = pelvis @ _trunk_rotation(postures[:, ANGLES["chest"]])
    head = chest @ _trunk_rotation(postures[:, ANGLES["head"]])
    thighs, upper_arms = _limb_rotation(pelvis, by_side[:, 2:]), _limb_rotation(chest, by_side[:, :2])
    shanks = thighs @ _rotation_x(postures[:, ANGLES["knees"]])
    forearms = upper_arms @ _rotation_x(-postures[:, ANGLES["elbows"]])
    feet = shanks @ _rotation_x(-postures[:, ANGLES["ankles"]])

    hips = _offset(pelvis[:, None], _OUTWARD * HIP_HALF_WIDTH * scale, 0.0, 0.0)
    knees = hips - thighs[..., 1] * (THIGH * scale)[..., None]
    ankles = knees - shanks[..., 1] * (SHANK * scale)[..., None]
    waist = pelvis[..., 1] * (PELVIS_TO_WAIST * scale)
    middle = waist + chest[..., 1] * (WAIST_TO_SHOULDERS * scale)
    raised = np.clip(0.3 - (upper_arms[..., 1] * chest[:, None, :, 1]).sum(-1), 0.0, 1.3) / 1.3
    shoulders = middle[:, None] + _offset(
        chest[:, None],
        _OUTWARD * (SHOULDER_HALF_WIDTH - 0.014 * raised) * scale,
        _SHOULDER_RISE * raised * scale,
        0.0,
    )
    elbows = shoulders - upper_arms[..., 1] * (UPPER_ARM * scale)[..., None]
    wrists = elbows - forearms[..., 1] * (FOREARM * scale)[..., None]
    neck = middle + _offset(chest, 0.0, SHOULDERS_TO_NECK * stature, 0.006 * stature)
    nose = neck + _offset(head, 0.0, NOSE_UP * stature, NOSE_FORWARD * stature)
    crown = neck + _offset(head, 0.0, HEAD_UP * stature, 0.006 * stature)
    ears = neck[:, None] + _offset(head[:, None], _OUTWARD * 0.046 * scale, 0.066 * scale, 0.0)

    pairs = np.stack([ears, shoulders, elbows, wrists, hips, knees, ankles], axis=1).reshape(-1, 14, 3)
    joints = np.concatenate([np.stack([nose, neck, crown], axis=1), pairs], axis=1)
    ground = np.zeros((len(stature), 3))
    ground[:, [0, 2]] = positions
    ground[:, 1] = postures[:, 27] * stature - _lowest_point(joints, ankles, feet, scale)
    return Skeletons(
        stature=stature,
        joints=joints + ground[:, None],
        waist=waist + ground,
        pelvis=pelvis,
        chest=chest,
        head=head,
        upper_arms=upper_arms,
        forearms=forearms,
        thighs=thighs,
        shanks=shanks,
        feet=feet,
    )


def _lowest_point(joints: Doubles, ankles: Doubles, feet: Doubles, scale: Doubles) -> Doubles:
    """float [P]: height of the lowest of heels, toes, and all joints with some flesh around them."""
    heels = ankles + _offset(feet, 0.0, -ANKLE_HEIGHT * scale, -HEEL_BACK * scale)
    toes = ankles + _offset(feet, 0.0, -ANKLE_HEIGHT * scale, TOE_FORWARD * scale)
    soles = np.concatenate([heels[..., 1], toes[..., 1]], axis=1)
    lowest: Doubles = np.minimum(soles.min(axis=1), (joints[..., 1] - _FLESH * scale).min(axis=1))
    return lowest
