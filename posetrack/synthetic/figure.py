"""Body measurements: a table of rings for each part, and how build and clothes change it.

All lengths are fractions of stature.
"""

from __future__ import annotations

import numpy as np

from posetrack.synthetic.outfits import Outfit, hairline
from posetrack.types import Doubles

# height above the waist, half width, half depth, forward offset; top to bottom
TORSO = np.array([
    (0.275, 0.029, 0.030, 0.016), (0.245, 0.030, 0.032, 0.010), (0.228, 0.036, 0.037, 0.003),
    (0.217, 0.055, 0.041, 0.000), (0.207, 0.078, 0.045, -0.002), (0.193, 0.100, 0.051, -0.002),
    (0.172, 0.109, 0.059, 0.000), (0.142, 0.107, 0.066, 0.004), (0.110, 0.102, 0.068, 0.006),
    (0.070, 0.094, 0.064, 0.004), (0.030, 0.086, 0.058, 0.002), (0.000, 0.083, 0.057, 0.002),
    (-0.030, 0.086, 0.060, 0.000), (-0.060, 0.093, 0.065, -0.004), (-0.090, 0.098, 0.067, -0.007),
    (-0.120, 0.099, 0.062, -0.008), (-0.150, 0.086, 0.052, -0.008), (-0.175, 0.050, 0.036, -0.004),
    (-0.186, 0.008, 0.008, 0.000),
])  # fmt: skip

# height above the neck, half width, half depth, forward offset; crown to chin
HEAD = np.array([
    (0.1435, 0.004, 0.005, 0.004), (0.139, 0.021, 0.026, 0.003), (0.129, 0.033, 0.042, 0.001),
    (0.113, 0.041, 0.053, 0.000), (0.095, 0.044, 0.0575, 0.001), (0.078, 0.0445, 0.0575, 0.003),
    (0.070, 0.044, 0.056, 0.004), (0.062, 0.043, 0.0545, 0.006), (0.048, 0.040, 0.051, 0.010),
    (0.034, 0.036, 0.045, 0.015), (0.020, 0.030, 0.037, 0.021), (0.010, 0.022, 0.027, 0.025),
    (0.004, 0.008, 0.010, 0.028),
])  # fmt: skip

HEAD_SEGMENTS = 20

# station (0 hip, 1 knee, 2 ankle), skin radius, backward bulge
LEG = np.array([
    (-0.25, 0.020, 0.0), (-0.13, 0.042, -0.004), (0.0, 0.053, -0.004), (0.12, 0.055, -0.002), (0.25, 0.053, 0.0),
    (0.4, 0.049, 0.0), (0.55, 0.045, 0.0), (0.7, 0.041, 0.0), (0.83, 0.037, 0.0), (0.93, 0.035, 0.0),
    (1.0, 0.034, 0.0), (1.07, 0.033, 0.001), (1.17, 0.0335, 0.004), (1.3, 0.035, 0.008), (1.45, 0.033, 0.008),
    (1.6, 0.028, 0.006), (1.75, 0.023, 0.004), (1.88, 0.0205, 0.003), (1.96, 0.020, 0.002), (2.06, 0.019, 0.0),
])  # fmt: skip

# station (0 shoulder, 1 elbow, 2 wrist), half width across the hinge, half depth
ARM = np.array([
    (-0.13, 0.004, 0.005), (-0.115, 0.010, 0.013), (-0.07, 0.018, 0.024), (0.02, 0.027, 0.033),
    (0.18, 0.032, 0.036), (0.35, 0.031, 0.034), (0.55, 0.029, 0.031), (0.72, 0.027, 0.028),
    (0.88, 0.026, 0.026), (1.0, 0.026, 0.026), (1.12, 0.027, 0.027), (1.28, 0.026, 0.027),
    (1.5, 0.022, 0.024), (1.72, 0.018, 0.020), (1.9, 0.0155, 0.018), (2.02, 0.0145, 0.018),
    (2.14, 0.0145, 0.024), (2.3, 0.014, 0.027), (2.44, 0.012, 0.025), (2.56, 0.010, 0.020), (2.65, 0.002, 0.006),
])  # fmt: skip

# forward of the ankle, half width, height of the upper above the sole
FOOT = np.array([
    (-0.037, 0.004, 0.020), (-0.034, 0.014, 0.030), (-0.022, 0.021, 0.046), (-0.004, 0.023, 0.052),
    (0.018, 0.023, 0.048), (0.042, 0.025, 0.036), (0.070, 0.028, 0.028), (0.093, 0.026, 0.023),
    (0.108, 0.017, 0.018), (0.114, 0.004, 0.012),
])  # fmt: skip


def smoothstep(low: float, high: float, values: Doubles) -> Doubles:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    smooth: Doubles = t * t * (3 - 2 * t)
    return smooth


def torso_radii(outfit: Outfit) -> Doubles:
    """[R, 2] half width and half depth of the skin or cloth."""
    up, width, depth = TORSO[:, 0], TORSO[:, 1].copy(), TORSO[:, 2].copy()
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


def leg_radii(outfit: Outfit) -> Doubles:
    """[R, 2] half width and half depth of a leg, skin or cloth."""
    station, skin = LEG[:, 0], LEG[:, 1]
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


def arm_radii(outfit: Outfit) -> Doubles:
    """[R, 2] half width and half depth of an arm, skin or cloth."""
    station, skin = ARM[:, 0], ARM[:, 1:3] * (1 + 0.6 * (outfit.build - 1)) * (1 - 0.12 * outfit.curves)
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


def hair_volume(outfit: Outfit) -> Doubles:
    """[R, S + 1] factor on the head's radii for hair."""
    from_front = np.abs(np.mod(np.linspace(0, 360, HEAD_SEGMENTS + 1) - 90 + 180, 360) - 180)
    line = hairline(outfit.hair, from_front)
    return 1 + _HAIR_VOLUME[outfit.hair] * smoothstep(-0.002, 0.010, HEAD[:, 0, None] - line)
