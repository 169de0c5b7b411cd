"""Skirts, long hair and backpacks, which only some people have.

Each function returns the vertices [Q, 1, R, S + 1, 3] and ring centres [Q, 1, R, 3] of Q wearers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posetrack.synthetic.anatomy import Skeletons
from posetrack.synthetic.figure import smoothstep
from posetrack.synthetic.outfits import Outfit
from posetrack.synthetic.tubes import cross, ring, sweep
from posetrack.types import Doubles

_SKIRT = np.linspace(0.0, 1.0, 8)
_MANE = np.linspace(0.0, 1.0, 7)
_PACK = np.linspace(-1.0, 1.0, 8)


def skirt(wearers: Sequence[Outfit], bodies: Skeletons) -> tuple[Doubles, Doubles]:
    """Skirts, from the waist around both thighs."""
    stature = bodies.stature
    length = np.array([outfit.skirt for outfit in wearers])[:, None]
    girth = np.array([0.5 * (outfit.build + 1) for outfit in wearers])[:, None]
    flare = np.array([0.25 + 0.9 * (outfit.seed % 7) / 7 for outfit in wearers])[:, None]
    down = _SKIRT * length  # in thigh lengths below the hips; the first rings lie above the hips
    start = np.clip(down, 0.0, 1.0)[..., None]
    hips, knees, ankles = (bodies.limb_joints(joint) for joint in ("hip", "knee", "ankle"))
    thigh = hips[:, :, None] * (1 - start[:, None]) + knees[:, :, None] * start[:, None]
    below = np.clip(down - 1.0, 0.0, 1.0)[:, None, :, None]
    points = thigh + (ankles - knees)[:, :, None] * below
    centres, half = points.mean(axis=1), (points[:, 1] - points[:, 0]) / 2
    top = (1 - smoothstep(0.0, 0.35, _SKIRT))[:, None] * stature[:, None, None]
    centres = centres + bodies.pelvis[:, None, :, 1] * top * 0.085
    centres = centres - bodies.pelvis[:, None, :, 2] * 0.008 * stature[:, None, None]
    across = np.broadcast_to(bodies.pelvis[:, None, :, 0], centres.shape)
    slope = np.gradient(centres, axis=1)
    ahead = cross(slope, across)
    ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True) + 1e-12
    leg = np.interp(_SKIRT, [0.0, 0.3, 1.0], [0.046, 0.074, 0.066])
    spread = np.abs(np.einsum("qri,qri->qr", half, across)), np.abs(np.einsum("qri,qri->qr", half, ahead))
    widening = (leg * girth + 0.05 * flare * _SKIRT * length) * stature[:, None]
    radii = np.stack([spread[0] + widening, 0.9 * spread[1] + widening * 1.15], axis=-1)
    return sweep(centres, across, ahead, radii, ring(20))[:, None], centres[:, None]


def mane(wearers: Sequence[Outfit], bodies: Skeletons) -> tuple[Doubles, Doubles]:
    """Hair that hangs down behind, open or in a ponytail."""
    tail = np.array([outfit.hair == "ponytail" for outfit in wearers])[:, None]
    long = np.array([outfit.hair == "long" for outfit in wearers])[:, None]
    length = np.where(tail, 0.14, np.where(long, 0.19, 0.10))
    scale = bodies.stature[:, None, None]
    up = np.where(tail, 0.095, 0.085) - length * _MANE
    back = np.where(tail, -0.066, -0.034) - 0.016 * np.sin(np.pi * _MANE)
    rounded = np.sqrt(np.clip(1.02 - (2 * _MANE - 0.9) ** 4, 0.02, 1))
    width, depth = np.where(tail, 0.014, 0.043) * rounded, np.where(tail, 0.014, 0.026) * rounded
    fall = smoothstep(0.2, 1.0, _MANE)[None, :, None, None] * 0.7
    axes = bodies.head[:, None] * (1 - fall) + bodies.chest[:, None] * fall
    centres = bodies.joint("head_bottom")[:, None] + scale * (
        axes[..., 1] * up[..., None] + axes[..., 2] * back[..., None]
    )
    radii = np.stack([width, depth], axis=-1) * scale
    return sweep(centres, axes[..., 0], axes[..., 2], radii, ring(12))[:, None], centres[:, None]


def pack(bodies: Skeletons) -> tuple[Doubles, Doubles]:
    """Backpacks."""
    scale = bodies.stature[:, None, None]
    axes = bodies.chest[:, None]
    up = 0.105 - 0.105 * _PACK
    swell = np.clip(1.0 - np.abs(_PACK) ** 6, 0.0, 1.0) ** 0.5
    centres = bodies.waist[:, None] + scale * (axes[..., 1] * up[:, None] - axes[..., 2] * 0.098)
    radii = np.stack([0.082 * swell + 0.004, 0.046 * swell + 0.002], axis=-1) * scale
    across, ahead = np.broadcast_to(axes[..., 0], centres.shape), np.broadcast_to(axes[..., 2], centres.shape)
    return sweep(centres, across, ahead, radii, ring(14, 3.0))[:, None], centres[:, None]
