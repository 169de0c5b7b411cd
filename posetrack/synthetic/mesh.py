"""Surfaces of clothed bodies: every part is a tube of rings around the posed skeleton.

All lengths in the tables are fractions of stature. A tube is a grid of R rings with S + 1 vertices (the last
repeats the first, so that texture coordinates do not wrap); angle 0 is the body's right, 90 degrees its
front.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.synthetic.anatomy import ANKLE_HEIGHT, Skeletons
from posetrack.synthetic.atlas import PATCHES
from posetrack.synthetic.outfits import Column, Outfit, hairline

Array = NDArray[np.float64]

# height above the waist, half width, half depth, forward offset; top to bottom
_TORSO = np.array([
    (0.275, 0.029, 0.030, 0.016), (0.245, 0.030, 0.032, 0.010), (0.228, 0.036, 0.037, 0.003),
    (0.217, 0.055, 0.041, 0.000), (0.207, 0.078, 0.045, -0.002), (0.193, 0.100, 0.051, -0.002),
    (0.172, 0.109, 0.059, 0.000), (0.142, 0.107, 0.066, 0.004), (0.110, 0.102, 0.068, 0.006),
    (0.070, 0.094, 0.064, 0.004), (0.030, 0.086, 0.058, 0.002), (0.000, 0.083, 0.057, 0.002),
    (-0.030, 0.086, 0.060, 0.000), (-0.060, 0.093, 0.065, -0.004), (-0.090, 0.098, 0.067, -0.007),
    (-0.120, 0.099, 0.062, -0.008), (-0.150, 0.086, 0.052, -0.008), (-0.175, 0.050, 0.036, -0.004),
    (-0.186, 0.008, 0.008, 0.000),
])  # fmt: skip

# height above the neck, half width, half depth, forward offset; crown to chin
_HEAD = np.array([
    (0.1435, 0.004, 0.005, 0.004), (0.139, 0.021, 0.026, 0.003), (0.129, 0.033, 0.042, 0.001),
    (0.113, 0.041, 0.053, 0.000), (0.095, 0.044, 0.0575, 0.001), (0.078, 0.0445, 0.0575, 0.003),
    (0.070, 0.044, 0.056, 0.004), (0.062, 0.043, 0.0545, 0.006), (0.048, 0.040, 0.051, 0.010),
    (0.034, 0.036, 0.045, 0.015), (0.020, 0.030, 0.037, 0.021), (0.010, 0.022, 0.027, 0.025),
    (0.004, 0.008, 0.010, 0.028),
])  # fmt: skip

# station (0 hip, 1 knee, 2 ankle), skin radius, backward bulge
_LEG = np.array([
    (-0.25, 0.020, 0.0), (-0.13, 0.042, -0.004), (0.0, 0.053, -0.004), (0.12, 0.055, -0.002), (0.25, 0.053, 0.0),
    (0.4, 0.049, 0.0), (0.55, 0.045, 0.0), (0.7, 0.041, 0.0), (0.83, 0.037, 0.0), (0.93, 0.035, 0.0),
    (1.0, 0.034, 0.0), (1.07, 0.033, 0.001), (1.17, 0.0335, 0.004), (1.3, 0.035, 0.008), (1.45, 0.033, 0.008),
    (1.6, 0.028, 0.006), (1.75, 0.023, 0.004), (1.88, 0.0205, 0.003), (1.96, 0.020, 0.002), (2.06, 0.019, 0.0),
])  # fmt: skip

# station (0 shoulder, 1 elbow, 2 wrist), half width across the hinge, half depth
_ARM = np.array([
    (-0.13, 0.004, 0.005), (-0.115, 0.010, 0.013), (-0.07, 0.018, 0.024), (0.02, 0.027, 0.033),
    (0.18, 0.032, 0.036), (0.35, 0.031, 0.034), (0.55, 0.029, 0.031), (0.72, 0.027, 0.028),
    (0.88, 0.026, 0.026), (1.0, 0.026, 0.026), (1.12, 0.027, 0.027), (1.28, 0.026, 0.027),
    (1.5, 0.022, 0.024), (1.72, 0.018, 0.020), (1.9, 0.0155, 0.018), (2.02, 0.0145, 0.018),
    (2.14, 0.0145, 0.024), (2.3, 0.014, 0.027), (2.44, 0.012, 0.025), (2.56, 0.010, 0.020), (2.65, 0.002, 0.006),
])  # fmt: skip

# forward of the ankle, half width, height of the upper above the sole
_FOOT = np.array([
    (-0.037, 0.004, 0.020), (-0.034, 0.014, 0.030), (-0.022, 0.021, 0.046), (-0.004, 0.023, 0.052),
    (0.018, 0.023, 0.048), (0.042, 0.025, 0.036), (0.070, 0.028, 0.028), (0.093, 0.026, 0.023),
    (0.108, 0.017, 0.018), (0.114, 0.004, 0.012),
])  # fmt: skip

_SKIRT = np.linspace(0.0, 1.0, 8)
_MANE = np.linspace(0.0, 1.0, 7)
_PACK = np.linspace(-1.0, 1.0, 8)


@dataclass(frozen=True, slots=True, eq=False)
class Tube:
    """One body part of the people who have it.

    Attributes:
        name: Of the part.
        people: int [Q], which of the P people.
        vertices: float [Q, T, R, S + 1, 3], world; T = 2 for parts that come in pairs.
        normals: float [Q, T, R, S + 1, 3], outward.
        patch: float [R, S + 1, 2], place in the texture atlas, texels of the finest level.
    """

    name: str
    people: NDArray[np.int64]
    vertices: Array
    normals: Array
    patch: Array

    def thinned(self) -> Tube:
        """Every second ring and segment: a quarter of the quads, for silhouettes."""
        rows = np.unique(np.append(np.arange(0, self.vertices.shape[2], 2), self.vertices.shape[2] - 1))
        pick = np.ix_(rows, np.arange(0, self.vertices.shape[3], 2))
        return Tube(
            name=self.name,
            people=self.people,
            vertices=self.vertices[:, :, pick[0], pick[1]],
            normals=self.normals[:, :, pick[0], pick[1]],
            patch=self.patch[pick],
        )


def column_tube(column: Column, owner: int) -> Tube:
    """The surface of a pillar, drawn with the atlas of index ``owner``."""
    up = np.linspace(column.height, 0.0, 9)
    centres = np.stack([np.full(9, column.x), up, np.full(9, column.z)], axis=-1)
    swell = np.where(up > column.height - 0.1, 1.12, 1.0) * column.radius
    axes = np.broadcast_to(np.eye(3)[[0, 2]][:, None], (2, 9, 3))
    swept = _sweep(centres, axes[0], axes[1], np.stack([swell, swell], axis=-1), _ring(20))[None, None]
    return Tube(
        name="column",
        people=np.array([owner]),
        vertices=swept,
        normals=_normals(swept, centres[None, None]),
        patch=_patch("torso", up, 20),
    )


def _ring(count: int, exponent: float = 2.0) -> Array:
    """[S + 1, 2] unit superellipse."""
    angle = 2 * np.pi * np.arange(count + 1) / count
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    squared: Array = np.sign(unit) * np.abs(unit) ** (2 / exponent)
    return squared


def _sweep(centres: Array, across: Array, ahead: Array, radii: Array, ring: Array) -> Array:
    """Vertices [.., R, S + 1, 3] of rings around ``centres`` [.., R, 3] with axes [.., R, 3], radii [.., R, 2]."""
    sideways = (radii[..., 0, None] * ring[:, 0])[..., None] * across[..., None, :]
    forward = (radii[..., 1, None] * ring[:, 1])[..., None] * ahead[..., None, :]
    swept: Array = centres[..., None, :] + sideways + forward
    return swept


def _normals(vertices: Array, centres: Array) -> Array:
    """Outward unit normals by central differences on the grid; caps point away from the axis."""
    along = np.gradient(vertices, axis=-3)
    around = np.empty_like(vertices)
    around[..., 1:-1, :] = vertices[..., 2:, :] - vertices[..., :-2, :]
    around[..., 0, :] = around[..., -1, :] = vertices[..., 1, :] - vertices[..., -2, :]
    normals = _cross(around, along)
    outward = np.einsum("...i,...i->...", normals, vertices - centres[..., None, :])
    normals *= np.where(outward < 0, -1.0, 1.0)[..., None]
    normals /= np.sqrt(np.einsum("...i,...i->...", normals, normals))[..., None] + 1e-12
    return normals


def _cross(a: Array, b: Array) -> Array:
    """Cross product along the last axis; numpy's is several times slower on small arrays."""
    return np.stack([
        a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
        a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
        a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0],
    ], axis=-1)  # fmt: skip


def _patch(name: str, rows: Array, segments: int) -> Array:
    """[R, S + 1, 2] atlas coordinates; rows (any increasing or decreasing scale) become 0..1 downwards."""
    x, y, width, height = PATCHES[name]
    down = (rows - rows[0]) / (rows[-1] - rows[0])
    around = np.linspace(0.0, 1.0, segments + 1)
    grid = np.meshgrid(x + 0.5 + around * (width - 2), y + 0.5 + down * (height - 2))
    return np.stack(grid, axis=-1)


def _smoothstep(low: float, high: float, values: Array) -> Array:
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    smooth: Array = t * t * (3 - 2 * t)
    return smooth


class Cast:
    """The surfaces of P people whose looks are fixed; posing them is vectorised over people.

    Args:
        outfits: Their looks.
    """

    def __init__(self, outfits: tuple[Outfit, ...]) -> None:
        self._outfits = outfits
        self.stature = np.array([outfit.stature_m for outfit in outfits])
        self._torso = np.stack([_torso_radii(outfit) for outfit in outfits])
        self._legs = np.stack([_leg_radii(outfit) for outfit in outfits])
        self._arms = np.stack([_arm_radii(outfit) for outfit in outfits])
        self._hair = np.stack([_hair_volume(outfit) for outfit in outfits])
        self._skirted = np.flatnonzero([outfit.skirt > 0 for outfit in outfits])
        self._maned = np.flatnonzero([outfit.hair in ("long", "bob", "ponytail") for outfit in outfits])
        self._packed = np.flatnonzero([outfit.backpack for outfit in outfits])

    def tubes(self, bodies: Skeletons) -> list[Tube]:
        """The parts of all people, as posed."""
        everyone = np.arange(len(self.stature))
        parts: list[tuple[NDArray[np.int64], str, tuple[Array, Array]]] = [
            (everyone, "torso", self._torso_tube(bodies)),
            (everyone, "leg", self._leg_tubes(bodies)),
            (everyone, "arm", self._arm_tubes(bodies)),
            (everyone, "foot", self._foot_tubes(bodies)),
            (everyone, "head", self._head_tube(bodies)),
        ]
        parts += [
            (people, name, shape(self.stature[people], bodies[people]))
            for people, name, shape in (
                (self._skirted, "skirt", self._skirt_tube),
                (self._maned, "mane", self._mane_tube),
                (self._packed, "pack", _pack_tube),
            )
            if len(people)
        ]
        return [self._finished(*part) for part in parts]

    def _finished(self, people: NDArray[np.int64], name: str, shape: tuple[Array, Array]) -> Tube:
        vertices, centres = shape
        rows, segments = vertices.shape[-3], vertices.shape[-2] - 1
        return Tube(
            name=name,
            people=people,
            vertices=vertices,
            normals=_normals(vertices, centres),
            patch=_patch(name, _ROWS[name] if name in _ROWS else np.arange(float(rows)), segments),
        )

    def _torso_tube(self, bodies: Skeletons) -> tuple[Array, Array]:
        height = self.stature[:, None, None]
        up, forward = _TORSO[:, 0], _TORSO[:, 3]
        weight = _smoothstep(-0.06, 0.08, up)[:, None, None]
        frame = bodies.pelvis[:, None] * (1 - weight) + bodies.chest[:, None] * weight
        nod = _smoothstep(0.215, 0.275, up)[:, None, None]
        frame = frame * (1 - nod) + bodies.head[:, None] * nod
        centres = bodies.waist[:, None] + height * (frame[..., 1] * up[:, None] + frame[..., 2] * forward[:, None])
        neck = bodies.joint("head_bottom")[:, None] + height * (
            frame[..., 1] * (up[:, None] - 0.232) + frame[..., 2] * (forward[:, None] - 0.006)
        )
        centres = np.where(up[:, None] > 0.2, neck, centres)
        radii = self._torso * height
        return _sweep(centres, frame[..., 0], frame[..., 2], radii, _ring(20, 2.3))[:, None], centres[:, None]

    def _head_tube(self, bodies: Skeletons) -> tuple[Array, Array]:
        height = self.stature[:, None, None]
        axes = bodies.head[:, None]
        centres = bodies.joint("head_bottom")[:, None] + height * (
            axes[..., 1] * _HEAD[:, 0, None] + axes[..., 2] * _HEAD[:, 3, None]
        )
        ring = _ring(20, 2.15)
        swept = _sweep(centres, axes[..., 0], axes[..., 2], _HEAD[None, :, 1:3] * height, ring)
        swept = centres[:, :, None] + (swept - centres[:, :, None]) * self._hair[..., None]
        crown = np.maximum(self._hair - 1, 0) * _smoothstep(0.08, 0.1435, _HEAD[:, 0])[:, None] * 0.05
        swept += (crown * height)[..., None] * axes[..., None, :, 1]
        nose = 0.014 * np.exp(-0.5 * ((_HEAD[:, 0] - 0.061) / 0.006) ** 2)[:, None] * (ring[:, 1] > 0.995)
        swept += (nose * height)[..., None] * axes[..., None, :, 2]
        return swept[:, None], centres[:, None]

    def _leg_tubes(self, bodies: Skeletons) -> tuple[Array, Array]:
        hips, knees, ankles = (bodies.limb_joints(joint) for joint in ("hip", "knee", "ankle"))
        centres, across, ahead = _limb_path(_LEG[:, 0], (hips, knees, ankles), (bodies.thighs, bodies.shanks))
        scale = self.stature[:, None, None, None]
        centres = centres - ahead * _LEG[:, 2, None] * scale
        return _sweep(centres, across, ahead, self._legs[:, None] * scale, _ring(12)), centres

    def _arm_tubes(self, bodies: Skeletons) -> tuple[Array, Array]:
        shoulders, elbows, wrists = (bodies.limb_joints(joint) for joint in ("shoulder", "elbow", "wrist"))
        rotations = (bodies.upper_arms, bodies.forearms)
        centres, across, ahead = _limb_path(_ARM[:, 0], (shoulders, elbows, wrists), rotations)
        scale = self.stature[:, None, None, None]
        return _sweep(centres, across, ahead, self._arms[:, None] * scale, _ring(10)), centres

    def _foot_tubes(self, bodies: Skeletons) -> tuple[Array, Array]:
        scale = self.stature[:, None, None, None]
        axes = bodies.feet[:, :, None]
        base = -ANKLE_HEIGHT + 0.010
        centres = bodies.limb_joints("ankle")[:, :, None] + scale * (
            axes[..., 1] * base + axes[..., 2] * _FOOT[:, 0, None]
        )
        ring = _ring(10, 2.4)
        upper = np.where(ring[:, 1] > 0, _FOOT[:, 2, None] - 0.010, 0.010) * ring[:, 1]
        sideways = _FOOT[:, 1, None] * ring[:, 0]
        swept = centres[..., None, :] + scale[..., None] * (
            axes[..., None, :, 0] * sideways[..., None] + axes[..., None, :, 1] * upper[..., None]
        )
        return swept, centres

    def _skirt_tube(self, stature: Array, bodies: Skeletons) -> tuple[Array, Array]:
        wearers = [self._outfits[person] for person in self._skirted]
        length = np.array([outfit.skirt for outfit in wearers])[:, None]
        girth = np.array([0.5 * (outfit.build + 1) for outfit in wearers])[:, None]
        flare = np.array([0.25 + 0.9 * (outfit.seed % 7) / 7 for outfit in wearers])[:, None]
        down = _SKIRT * length  # in thighs, from the hips; the first rings lie above them
        start = np.clip(down, 0.0, 1.0)[..., None]
        hips, knees, ankles = (bodies.limb_joints(joint) for joint in ("hip", "knee", "ankle"))
        thigh = hips[:, :, None] * (1 - start[:, None]) + knees[:, :, None] * start[:, None]
        below = np.clip(down - 1.0, 0.0, 1.0)[:, None, :, None]
        points = thigh + (ankles - knees)[:, :, None] * below
        centres, half = points.mean(axis=1), (points[:, 1] - points[:, 0]) / 2
        top = (1 - _smoothstep(0.0, 0.35, _SKIRT))[:, None] * stature[:, None, None]
        centres = centres + bodies.pelvis[:, None, :, 1] * top * 0.085
        centres = centres - bodies.pelvis[:, None, :, 2] * 0.008 * stature[:, None, None]
        across = np.broadcast_to(bodies.pelvis[:, None, :, 0], centres.shape)
        slope = np.gradient(centres, axis=1)
        ahead = _cross(slope, across)
        ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True) + 1e-12
        leg = np.interp(_SKIRT, [0.0, 0.3, 1.0], [0.046, 0.074, 0.066])
        spread = np.abs(np.einsum("qri,qri->qr", half, across)), np.abs(np.einsum("qri,qri->qr", half, ahead))
        widening = (leg * girth + 0.05 * flare * _SKIRT * length) * stature[:, None]
        radii = np.stack([spread[0] + widening, 0.9 * spread[1] + widening * 1.15], axis=-1)
        return _sweep(centres, across, ahead, radii, _ring(20))[:, None], centres[:, None]

    def _mane_tube(self, stature: Array, bodies: Skeletons) -> tuple[Array, Array]:
        tail = np.array([self._outfits[person].hair == "ponytail" for person in self._maned])[:, None]
        long = np.array([self._outfits[person].hair == "long" for person in self._maned])[:, None]
        length = np.where(tail, 0.14, np.where(long, 0.19, 0.10))
        scale = stature[:, None, None]
        up = np.where(tail, 0.095, 0.085) - length * _MANE
        back = np.where(tail, -0.066, -0.034) - 0.016 * np.sin(np.pi * _MANE)
        width = np.where(tail, 0.014, 0.043) * np.sqrt(np.clip(1.02 - (2 * _MANE - 0.9) ** 4, 0.02, 1))
        depth = np.where(tail, 0.014, 0.026) * np.sqrt(np.clip(1.02 - (2 * _MANE - 0.9) ** 4, 0.02, 1))
        fall = _smoothstep(0.2, 1.0, _MANE)[None, :, None, None] * 0.7
        axes = bodies.head[:, None] * (1 - fall) + bodies.chest[:, None] * fall
        centres = bodies.joint("head_bottom")[:, None] + scale * (
            axes[..., 1] * up[..., None] + axes[..., 2] * back[..., None]
        )
        radii = np.stack([width, depth], axis=-1) * scale
        return _sweep(centres, axes[..., 0], axes[..., 2], radii, _ring(12))[:, None], centres[:, None]


def _pack_tube(stature: Array, bodies: Skeletons) -> tuple[Array, Array]:
    scale = stature[:, None, None]
    axes = bodies.chest[:, None]
    up = 0.105 - 0.105 * _PACK
    swell = np.clip(1.0 - np.abs(_PACK) ** 6, 0.0, 1.0) ** 0.5
    centres = bodies.waist[:, None] + scale * (axes[..., 1] * up[:, None] - axes[..., 2] * 0.098)
    radii = np.stack([0.082 * swell + 0.004, 0.046 * swell + 0.002], axis=-1) * scale
    across, ahead = np.broadcast_to(axes[..., 0], centres.shape), np.broadcast_to(axes[..., 2], centres.shape)
    return _sweep(centres, across, ahead, radii, _ring(14, 3.0))[:, None], centres[:, None]


_ROWS = {"torso": _TORSO[:, 0], "head": _HEAD[:, 0], "leg": _LEG[:, 0], "arm": _ARM[:, 0]}


def _limb_path(
    stations: Array, joints: tuple[Array, Array, Array], rotations: tuple[Array, Array]
) -> tuple[Array, Array, Array]:
    """Ring centres and axes [P, 2, R, 3] along a limb that bends smoothly at its middle joint."""
    start, middle, end = (joint[:, :, None] for joint in joints)
    s = stations[:, None]
    upper, lower = start + (middle - start) * s, middle + (end - middle) * (s - 1)
    weight = _smoothstep(0.86, 1.14, s)
    across = np.broadcast_to(rotations[0][:, :, None, :, 0], (*upper.shape[:2], len(stations), 3))
    ahead = rotations[0][:, :, None, :, 2] * (1 - weight) + rotations[1][:, :, None, :, 2] * weight
    ahead = ahead / np.linalg.norm(ahead, axis=-1, keepdims=True)
    return np.where(s < 1, upper, lower), across, ahead


def _torso_radii(outfit: Outfit) -> Array:
    """[R, 2] half width and half depth, skin or cloth."""
    up, width, depth = _TORSO[:, 0], _TORSO[:, 1].copy(), _TORSO[:, 2].copy()
    trunk = up < 0.21
    girth = 1 + (outfit.build - 1) * np.where(up < 0.13, 1.25, 0.45) * trunk
    curve = outfit.curves * (
        0.05 * np.exp(-0.5 * ((up + 0.11) / 0.05) ** 2) - 0.12 * np.exp(-0.5 * ((up - 0.02) / 0.05) ** 2)
    )
    shoulders = -0.09 * outfit.curves * np.exp(-0.5 * ((up - 0.17) / 0.05) ** 2)
    bust = 0.22 * outfit.curves * np.exp(-0.5 * ((up - 0.115) / 0.03) ** 2)
    width = width * girth * (1 + curve + shoulders)
    depth = depth * girth * (1 + 0.6 * curve + bust)
    covered = (up > outfit.hem) & (up < 0.205)
    hips = covered & (up < -0.07)  # a long top hangs around the thighs
    width, depth = np.where(hips, np.maximum(width, 0.1 * girth), width), np.where(hips, 0.072 * girth, depth)
    hanging = np.where(up < 0.12, 1.0, 0.35) * outfit.top_loose + 0.002
    seat = np.where((up <= outfit.hem) & (up > -0.17), 0.3 * outfit.legs_loose, 0.0)
    extra = np.where(covered, hanging, seat)
    return np.stack([width + extra, depth + extra], axis=-1)


def _leg_radii(outfit: Outfit) -> Array:
    """[R, 2]."""
    station, skin = _LEG[:, 0], _LEG[:, 1]
    skin = skin * (1 + 0.7 * (outfit.build - 1) * (station < 1.9))
    straight = np.interp(station, [0.0, 0.5, 1.0, 2.0], [0.05, 0.044, 0.037, 0.026])
    cloth = (
        np.maximum(skin, straight * (1 + 10 * outfit.legs_loose))
        + outfit.legs_loose * np.clip(station, 0, 1)
        + 0.002
    )
    reaches = -1.0 if outfit.skirt else outfit.legs
    radius = np.where((station > -0.2) & (station < reaches + 0.05), cloth, skin)
    return np.stack([radius, radius], axis=-1)


def _arm_radii(outfit: Outfit) -> Array:
    """[R, 2]."""
    station, skin = _ARM[:, 0], _ARM[:, 1:3] * (1 + 0.6 * (outfit.build - 1)) * (1 - 0.12 * outfit.curves)
    flare = outfit.sleeve_loose * np.clip(0.3 + 0.7 * station, 0, 1)
    cloth = np.maximum(skin, np.where(station > 0.3, 0.019, 0.0)[:, None]) + flare[:, None] + 0.0015
    return np.where(((station > -0.1) & (station < min(outfit.sleeve, 1.98) + 0.03))[:, None], cloth, skin)


_HAIR_VOLUME = {
    "bald": 0.0,
    "cropped": 0.02,
    "short": 0.10,
    "bob": 0.16,
    "long": 0.14,
    "ponytail": 0.07,
    "cap": 0.08,
}


def _hair_volume(outfit: Outfit) -> Array:
    """[R, S + 1] factor on the head's radii."""
    from_front = np.abs(np.mod(np.linspace(0, 360, 21) - 90 + 180, 360) - 180)
    line = hairline(outfit.hair, from_front)
    return 1 + _HAIR_VOLUME[outfit.hair] * _smoothstep(-0.002, 0.010, _HEAD[:, 0, None] - line)
