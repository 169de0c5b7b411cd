"""Surfaces of clothed bodies: each part is a tube around the posed skeleton."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from posetrack.synthetic.accessories import mane, pack, skirt
from posetrack.synthetic.anatomy import ANKLE_HEIGHT, Skeletons
from posetrack.synthetic.figure import (
    ARM,
    FOOT,
    HEAD,
    HEAD_SEGMENTS,
    LEG,
    TORSO,
    arm_radii,
    hair_volume,
    leg_radii,
    smoothstep,
    torso_radii,
)
from posetrack.synthetic.outfits import Outfit
from posetrack.synthetic.tubes import Tube, patch, ring, sweep
from posetrack.types import Doubles


class Cast:
    """The surfaces of P people in fixed outfits; posing is vectorised over people.

    Args:
        outfits: What each of them looks like.
    """

    def __init__(self, outfits: Sequence[Outfit]) -> None:
        self._outfits = outfits
        self.stature = np.array([outfit.stature_m for outfit in outfits])
        self._torso = _stacked([torso_radii(outfit) for outfit in outfits], (len(TORSO), 2))
        self._legs = _stacked([leg_radii(outfit) for outfit in outfits], (len(LEG), 2))
        self._arms = _stacked([arm_radii(outfit) for outfit in outfits], (len(ARM), 2))
        self._hair = _stacked([hair_volume(outfit) for outfit in outfits], (len(HEAD), HEAD_SEGMENTS + 1))
        self._skirted = _indices([outfit.skirt > 0 for outfit in outfits])
        self._maned = _indices([outfit.hair in ("long", "bob", "ponytail") for outfit in outfits])
        self._packed = _indices([outfit.backpack for outfit in outfits])

    def tubes(self, bodies: Skeletons) -> list[Tube]:
        """The body parts of all people, posed."""
        everyone = np.arange(len(self.stature))
        parts = [
            (everyone, "torso", self._torso_tube(bodies)),
            (everyone, "leg", self._leg_tubes(bodies)),
            (everyone, "arm", self._arm_tubes(bodies)),
            (everyone, "foot", self._foot_tubes(bodies)),
            (everyone, "head", self._head_tube(bodies)),
            (self._skirted, "skirt", skirt([self._outfits[k] for k in self._skirted], bodies[self._skirted])),
            (self._maned, "mane", mane([self._outfits[k] for k in self._maned], bodies[self._maned])),
            (self._packed, "pack", pack(bodies[self._packed])),
        ]
        return [self._finished(*part) for part in parts]

    def _finished(self, people: NDArray[np.int64], name: str, shape: tuple[Doubles, Doubles]) -> Tube:
        vertices, centres = shape
        rows, segments = vertices.shape[-3], vertices.shape[-2] - 1
        return Tube(
            name=name,
            people=people,
            vertices=vertices,
            centres=centres,
            patch=patch(name, _ROWS[name] if name in _ROWS else np.arange(float(rows)), segments),
        )

    def _torso_tube(self, bodies: Skeletons) -> tuple[Doubles, Doubles]:
        height = self.stature[:, None, None]
        up, forward = TORSO[:, 0], TORSO[:, 3]
        weight = smoothstep(-0.06, 0.08, up)[:, None, None]
        frame = bodies.pelvis[:, None] * (1 - weight) + bodies.chest[:, None] * weight
        nod = smoothstep(0.215, 0.275, up)[:, None, None]
        frame = frame * (1 - nod) + bodies.head[:, None] * nod
        centres = bodies.waist[:, None] + height * (frame[..., 1] * up[:, None] + frame[..., 2] * forward[:, None])
        neck = bodies.joint("head_bottom")[:, None] + height * (
            frame[..., 1] * (up[:, None] - 0.232) + frame[..., 2] * (forward[:, None] - 0.006)
        )
        centres = np.where(up[:, None] > 0.2, neck, centres)
        radii = self._torso * height
        return sweep(centres, frame[..., 0], frame[..., 2], radii, ring(20, 2.3))[:, None], centres[:, None]

    def _head_tube(self, bodies: Skeletons) -> tuple[Doubles, Doubles]:
        height = self.stature[:, None, None]
        axes = bodies.head[:, None]
        centres = bodies.joint("head_bottom")[:, None] + height * (
            axes[..., 1] * HEAD[:, 0, None] + axes[..., 2] * HEAD[:, 3, None]
        )
        outline = ring(HEAD_SEGMENTS, 2.15)
        swept = sweep(centres, axes[..., 0], axes[..., 2], HEAD[None, :, 1:3] * height, outline)
        swept = centres[:, :, None] + (swept - centres[:, :, None]) * self._hair[..., None]
        crown = np.maximum(self._hair - 1, 0) * smoothstep(0.08, 0.1435, HEAD[:, 0])[:, None] * 0.05
        swept += (crown * height)[..., None] * axes[..., None, :, 1]
        nose = 0.014 * np.exp(-0.5 * ((HEAD[:, 0] - 0.061) / 0.006) ** 2)[:, None] * (outline[:, 1] > 0.995)
        swept += (nose * height)[..., None] * axes[..., None, :, 2]
        return swept[:, None], centres[:, None]

    def _leg_tubes(self, bodies: Skeletons) -> tuple[Doubles, Doubles]:
        hips, knees, ankles = (bodies.limb_joints(joint) for joint in ("hip", "knee", "ankle"))
        centres, across, ahead = _limb_path(LEG[:, 0], (hips, knees, ankles), (bodies.thighs, bodies.shanks))
        scale = self.stature[:, None, None, None]
        centres = centres - ahead * LEG[:, 2, None] * scale
        return sweep(centres, across, ahead, self._legs[:, None] * scale, ring(12)), centres

    def _arm_tubes(self, bodies: Skeletons) -> tuple[Doubles, Doubles]:
        shoulders, elbows, wrists = (bodies.limb_joints(joint) for joint in ("shoulder", "elbow", "wrist"))
        rotations = (bodies.upper_arms, bodies.forearms)
        centres, across, ahead = _limb_path(ARM[:, 0], (shoulders, elbows, wrists), rotations)
        scale = self.stature[:, None, None, None]
        return sweep(centres, across, ahead, self._arms[:, None] * scale, ring(10)), centres

    def _foot_tubes(self, bodies: Skeletons) -> tuple[Doubles, Doubles]:
        scale = self.stature[:, None, None, None]
        axes = bodies.feet[:, :, None]
        base = -ANKLE_HEIGHT + 0.010
        centres = bodies.limb_joints("ankle")[:, :, None] + scale * (
            axes[..., 1] * base + axes[..., 2] * FOOT[:, 0, None]
        )
        outline = ring(10, 2.4)
        upper = np.where(outline[:, 1] > 0, FOOT[:, 2, None] - 0.010, 0.010) * outline[:, 1]
        sideways = FOOT[:, 1, None] * outline[:, 0]
        swept = centres[..., None, :] + scale[..., None] * (
            axes[..., None, :, 0] * sideways[..., None] + axes[..., None, :, 1] * upper[..., None]
        )
        return swept, centres


_ROWS = {"torso": TORSO[:, 0], "head": HEAD[:, 0], "leg": LEG[:, 0], "arm": ARM[:, 0]}


def _limb_path(
    stations: Doubles, joints: tuple[Doubles, Doubles, Doubles], rotations: tuple[Doubles, Doubles]
) -> tuple[Doubles, Doubles, Doubles]:
    """Ring centres and axes [P, 2, R, 3] along a limb that bends smoothly at its middle joint."""
    start, middle, end = (joint[:, :, None] for joint in joints)
    s = stations[:, None]
    upper, lower = start + (middle - start) * s, middle + (end - middle) * (s - 1)
    weight = smoothstep(0.86, 1.14, s)
    across = np.broadcast_to(rotations[0][:, :, None, :, 0], (*upper.shape[:2], len(stations), 3))
    ahead = rotations[0][:, :, None, :, 2] * (1 - weight) + rotations[1][:, :, None, :, 2] * weight
    ahead = ahead / np.linalg.norm(ahead, axis=-1, keepdims=True)
    return np.where(s < 1, upper, lower), across, ahead


def _stacked(rows: list[Doubles], shape: tuple[int, ...]) -> Doubles:
    return np.array(rows).reshape(-1, *shape)


def _indices(flags: list[bool]) -> NDArray[np.int64]:
    return np.flatnonzero(np.array(flags, dtype=bool))
