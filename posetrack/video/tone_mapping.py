"""Convert HDR (BT.2100: PQ and HLG) to SDR (BT.709), with a colour table for ffmpeg's ``lut3d`` filter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posetrack.types import Doubles
from posetrack.video.colour import Colour

TABLE_NAME = "hdr_to_sdr.cube"

_NODES = 33
"""Table entries along each axis, as broadcasters use; ffmpeg interpolates between them."""

_WHITE_NITS = 203.0
"""Luminance of diffuse white in HDR (ITU-R BT.2408), which becomes SDR's white."""

_HLG_PEAK_NITS, _PQ_PEAK_NITS = 1000.0, 10_000.0
_HLG_GAMMA = 1.2
_SDR_GAMMA = 2.4
"""Gamma of an SDR display (BT.1886)."""

_SHOULDER = 0.6
"""Up to this share of white nothing changes; above it light is compressed, so that highlights keep detail."""

_LUMINANCE = np.array([0.2627, 0.6780, 0.0593])
"""Weights of linear BT.2020 (BT.2020, table 4)."""

_TO_BT709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
)
"""From linear BT.2020 to linear BT.709 (BT.2407, annex 1)."""


def write_table(folder: Path, colour: Colour) -> None:
    """Write ``TABLE_NAME``, which maps the coded R'G'B' of HDR of that colour to the R'G'B' of SDR."""
    axis = np.linspace(0, 1, _NODES)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red changes fastest
    mapped = tone_mapped(np.stack([red, green, blue], axis=-1).reshape(-1, 3), colour)
    with (folder / TABLE_NAME).open("w") as file:
        file.write(f"LUT_3D_SIZE {_NODES}\n")
        np.savetxt(file, mapped, fmt="%.5f")


def tone_mapped(coded: Doubles, colour: Colour) -> Doubles:
    """Map HDR's R'G'B' to SDR's, both float64 [N, 3] in [0, 1].

    >>> white = np.full((1, 3), 0.58)  # PQ: 203 cd/m2
    >>> tone_mapped(white, Colour(transfer="smpte2084", primaries="bt2020")).round(2).tolist()
    [[0.91, 0.91, 0.91]]
    """
    pq = colour.transfer == "smpte2084"
    light = (_pq_nits(coded) if pq else _hlg_nits(coded)) / _WHITE_NITS
    if colour.primaries in (None, "bt2020"):
        light = light @ _TO_BT709.T
    light = np.maximum(light, 0)
    brightest = light.max(axis=-1, keepdims=True)
    peak = (_PQ_PEAK_NITS if pq else _HLG_PEAK_NITS) / _WHITE_NITS
    light *= _compressed(brightest, peak) / np.maximum(brightest, 1e-9)
    return np.minimum(light, 1) ** (1 / _SDR_GAMMA)


def _pq_nits(coded: Doubles) -> Doubles:
    """Display light in cd/m2 (SMPTE ST 2084)."""
    root = coded ** (32 / 2523)
    return _PQ_PEAK_NITS * (np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)) ** (8192 / 1305)


def _hlg_nits(coded: Doubles) -> Doubles:
    """Display light in cd/m2 on a display of 1000 cd/m2 (BT.2100, table 5)."""
    scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    luminance = scene @ _LUMINANCE
    return np.asarray(_HLG_PEAK_NITS * luminance[:, None] ** (_HLG_GAMMA - 1) * scene)


def _compressed(light: Doubles, peak: float) -> Doubles:
    """Compress light in [0, peak] to [0, 1]: a straight line, then a hyperbola ("Mobius" in ffmpeg)."""
    square = _SHOULDER**2
    a = -square * (peak - 1) / (square - 2 * _SHOULDER + peak)
    b = (square - 2 * _SHOULDER * peak + peak) / (peak - 1)
    curve = (b * b + 2 * b * _SHOULDER + square) / (b - a) * (light + a) / (light + b)
    return np.where(light <= _SHOULDER, light, curve)
