"""Motions: postures as functions of time or of gait phase."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posetrack.synthetic.anatomy import mirrored, posture
from posetrack.types import Doubles

_GAIT_SAMPLES = 128


def _periodic(percent: tuple[float, ...], degrees: tuple[float, ...], harmonics: int = 6) -> Doubles:
    """One sampled cycle through the given points, smoothed to its lowest harmonics; radians."""
    phase = np.arange(_GAIT_SAMPLES) / _GAIT_SAMPLES
    spectrum = np.fft.rfft(np.interp(phase, np.array(percent) / 100, degrees, period=1.0))
    spectrum[harmonics + 1 :] = 0
    return np.radians(np.fft.irfft(spectrum, _GAIT_SAMPLES))


# Sagittal joint angles over the gait cycle, from heel strike to heel strike of one leg: the well-known shapes
# of gait analysis (two knee waves, push-off of the ankle at 60 %), rounded to a few degrees.
_WALK = {
    "hip": _periodic((0, 12, 30, 50, 62, 75, 88), (29, 24, 6, -11, -4, 22, 31)),
    "knee": _periodic((0, 14, 38, 52, 62, 73, 86, 96), (5, 18, 6, 14, 38, 61, 30, 4)),
    "ankle": _periodic((0, 7, 30, 46, 62, 78, 92), (0, -6, 6, 10, -18, 1, 2)),
}
_RUN = {
    "hip": _periodic((0, 15, 38, 50, 70, 88), (38, 25, -12, -12, 30, 48)),
    "knee": _periodic((0, 14, 36, 52, 68, 85, 96), (20, 42, 18, 62, 108, 55, 18)),
    "ankle": _periodic((0, 14, 36, 50, 75), (4, 18, -22, -15, 4)),
}


def _sample(curve: Doubles, phase: float) -> float:
    return float(
        np.interp(np.mod(phase, 1.0), np.arange(_GAIT_SAMPLES + 1) / _GAIT_SAMPLES, np.append(curve, curve[0]))
    )


def _gait(curves: dict[str, Doubles], phase: float, vigour: float) -> Doubles:
    """Legs of a gait; the right leg is half a cycle behind the left."""
    vector = posture()
    for side, shift in enumerate((0.0, 0.5)):
        vector[15 + 3 * side] = vigour * _sample(curves["hip"], phase + shift)
        vector[23 + side] = vigour * _sample(curves["knee"], phase + shift)
        vector[25 + side] = vigour * _sample(curves["ankle"], phase + shift)
    return vector


def walk(phase: float, vigour: float = 1.0) -> Doubles:
    """Walking; ``phase`` counts strides (two steps each), ``vigour`` scales the angles."""
    vector = _gait(_WALK, phase, vigour)
    swing = np.cos(2 * np.pi * phase)
    vector[9], vector[12] = np.radians((3 - 24 * vigour * swing, 3 + 24 * vigour * swing))
    vector[21:23] = np.radians((20 - 12 * vigour * swing, 20 + 12 * vigour * swing))
    vector[0:3] = np.radians((5 * vigour * swing, 2, 2.5 * np.sin(2 * np.pi * phase)))
    vector[3:6] = np.radians((-9 * vigour * swing, 3, -3 * np.sin(2 * np.pi * phase)))
    vector[6] = np.radians(4 * vigour * swing)
    return vector


def run(phase: float, vigour: float = 1.0) -> Doubles:
    """Running, with a flight phase after each push-off."""
    vector = _gait(_RUN, phase, vigour)
    swing = np.cos(2 * np.pi * (phase - 0.05))
    vector[9], vector[12] = np.radians((-5 - 42 * vigour * swing, -5 + 42 * vigour * swing))
    vector[10], vector[13] = np.radians((12, 12))
    vector[11], vector[14] = np.radians((-25, -25))
    vector[21:23] = np.radians((88 - 14 * swing, 88 + 14 * swing))
    vector[0:3] = np.radians((8 * swing, 5, 0))
    vector[3:6] = np.radians((-18 * swing, 8, 0))
    vector[6:8] = np.radians((9 * swing, -8))
    vector[27] = 0.035 * vigour * max(0.0, float(np.sin(4 * np.pi * (phase - 0.33))))
    return vector


def _wave(time_s: float, hertz: float, shift: float = 0.0) -> float:
    return float(np.sin(2 * np.pi * (hertz * time_s + shift)))


def idle(time_s: float, vigour: float = 1.0) -> Doubles:
    """Standing, shifting weight, looking around and talking with the hands."""
    weight, look = 3 * _wave(time_s, 0.17), 25 * _wave(time_s, 0.11, 0.2) * vigour
    talk = max(0.0, _wave(time_s, 0.13, 0.1)) * vigour
    beat = _wave(time_s, 1.1)
    return posture(
        pelvis=(4 * _wave(time_s, 0.09), 0, weight),
        chest=(6 * _wave(time_s, 0.13), 2 + _wave(time_s, 0.3), -weight),
        head=(look, 4 * _wave(time_s, 0.23), 0),
        left_hip=(2, 4 + weight, 8),
        right_hip=(0, 4 - weight, 8),
        left_shoulder=(6 + 22 * talk, 8, -10 * talk),
        right_shoulder=(4 + 35 * talk, 7, -15 * talk),
        elbows=(16 + (55 + 12 * beat) * talk, 14 + (70 - 18 * beat) * talk),
        knees=(4 + max(0.0, weight), 4 + max(0.0, -weight)),
    )


def wave(time_s: float, vigour: float = 1.0) -> Doubles:
    """Standing and waving with the right hand raised."""
    swing = 28 * _wave(time_s, 1.4) * vigour
    return posture(
        chest=(4 * _wave(time_s, 0.2), 2, -3),
        head=(6 * _wave(time_s, 0.2), -4, 3),
        left_hip=(0, 4, 6),
        right_hip=(0, 4, 6),
        left_shoulder=(2, 8, 0),
        right_shoulder=(10, 105, 80),
        elbows=(15, 62 + swing),
        knees=(3, 3),
    )


def crouch(time_s: float, vigour: float = 1.0) -> Doubles:
    """Squatting down and getting up again every six seconds."""
    depth = (0.5 - 0.5 * float(np.cos(2 * np.pi * time_s / 6.0))) * vigour
    return posture(
        pelvis=(0, 18 * depth, 0),
        chest=(5 * _wave(time_s, 0.2), 28 * depth, 0),
        head=(0, -25 * depth, 0),
        left_hip=(118 * depth, 6 + 12 * depth, 8),
        right_hip=(112 * depth, 6 + 14 * depth, 8),
        left_shoulder=(6 + 62 * depth, 8, -15 * depth),
        right_shoulder=(6 + 58 * depth, 8, -15 * depth),
        elbows=(14 + 30 * depth, 14 + 36 * depth),
        knees=(2 + 128 * depth, 2 + 122 * depth),
        ankles=(26 * depth, 24 * depth),
    )


def dance(time_s: float, vigour: float = 1.0) -> Doubles:
    """Bouncing on the spot with swinging arms."""
    beat, sway = 0.5 - 0.5 * _wave(time_s, 1.7, 0.25), _wave(time_s, 0.85)
    return posture(
        lift=0.05 * vigour * max(0.0, _wave(time_s, 1.7)),
        pelvis=(14 * sway, 4, 8 * sway),
        chest=(-20 * sway, 6, -10 * sway),
        head=(8 * sway, 5 * beat, 5 * sway),
        left_hip=(18 * beat + 14 * sway, 9, 12),
        right_hip=(18 * beat - 14 * sway, 9, 12),
        left_shoulder=(55 + 45 * sway, 38 + 25 * beat, 10),
        right_shoulder=(55 - 45 * sway, 38 + 25 * beat, 10),
        elbows=(75 - 30 * sway, 75 + 30 * sway),
        knees=(14 + 32 * beat, 14 + 32 * beat),
        ankles=(8 * beat, 8 * beat),
    )


def jumping_jack(time_s: float, vigour: float = 1.0) -> Doubles:
    """Jumping jacks."""
    spread = (0.5 - 0.5 * float(np.cos(2 * np.pi * 0.8 * time_s))) * vigour
    return posture(
        lift=0.045 * abs(_wave(time_s, 0.8)) * vigour,
        left_hip=(2, 3 + 22 * spread, 5),
        right_hip=(2, 3 + 22 * spread, 5),
        left_shoulder=(0, 8 + 155 * spread, 30 * spread),
        right_shoulder=(0, 8 + 155 * spread, 30 * spread),
        elbows=(14, 14),
        knees=(6 + 10 * (1 - spread), 6 + 10 * (1 - spread)),
    )


ON_THE_SPOT: dict[str, Callable[[float, float], Doubles]] = {
    "idle": idle,
    "wave": wave,
    "crouch": crouch,
    "dance": dance,
    "jumping_jack": jumping_jack,
}
"""Motions that are functions of time."""

_ATHLETIC = (
    posture(left_hip=(85, 5, 5), right_hip=(-25, 5, 5), knees=(88, 25), pelvis=(0, 5, 0), ankles=(0, -20)),
    posture(left_shoulder=(10, 165, 20), right_shoulder=(10, 165, 20), left_hip=(0, 12, 8), right_hip=(0, 12, 8)),
    posture(pelvis=(0, 45, 0), chest=(0, 40, 0), head=(0, -20, 0), left_hip=(50, 6, 0), right_hip=(50, 6, 0),
            left_shoulder=(70, 10, 0), right_shoulder=(70, 10, 0)),
    posture(left_hip=(85, 14, 4), right_hip=(85, 14, 4), knees=(88, 88), elbows=(60, 60),
            left_shoulder=(25, 5, 0)),
    posture(left_hip=(60, 35, 30), right_hip=(0, 20, 20), knees=(70, 5), left_shoulder=(0, 90, 0),
            right_shoulder=(0, 95, 0), chest=(0, 0, 20), elbows=(5, 5)),
    posture(lift=0.16, left_hip=(70, 15, 5), right_hip=(-15, 10, 5), knees=(90, 60), elbows=(80, 40),
            right_shoulder=(120, 30, 0), left_shoulder=(-30, 20, 0), ankles=(-30, -30)),
    posture(left_hip=(100, 20, 10), right_hip=(95, 20, 10), knees=(125, 120), pelvis=(0, 25, 0), chest=(0, 20, 0),
            left_shoulder=(75, 15, 0), right_shoulder=(80, 15, 0), elbows=(40, 35), ankles=(25, 25)),
    posture(right_shoulder=(150, 20, 0), elbows=(30, 70), chest=(25, -5, 0), left_hip=(30, 5, 0), knees=(25, 10)),
    posture(left_shoulder=(45, 20, -40), right_shoulder=(45, 20, -40), elbows=(110, 110)),
    posture(left_shoulder=(0, 40, -30), right_shoulder=(0, 40, -30), elbows=(95, 95), left_hip=(0, 8, 5)),
)  # fmt: skip


_ATHLETIC_SPREAD = np.radians(
    [12, 7, 6, 14, 8, 8, 22, 12, 8, *[22, 18, 28] * 2, *[12, 7, 8] * 2, 22, 22, 12, 12, 10, 10]
)


def athletic(rng: np.random.Generator) -> Doubles:
    """A random energetic pose: a noisy blend of two out of a dozen; one in seven tumbles."""
    first, second = (_ATHLETIC[k] for k in rng.integers(len(_ATHLETIC), size=2))
    first, second = (mirrored(pose) if rng.random() < 0.5 else pose for pose in (first, second))
    vector = first + rng.uniform(0, 0.6) * (second - first)
    vector[:27] += rng.normal(0, 1, 27) * _ATHLETIC_SPREAD
    vector[21:25] = np.clip(vector[21:25], 0.0, 2.5)
    vector[9:15] = np.clip(vector[9:15], -1.2, 3.1)
    if rng.random() < 1 / 7:
        vector[1:3] += rng.uniform(-np.pi, np.pi, 2) * (1.0, 0.4)
        vector[27] += rng.uniform(0, 0.5)
    return vector
