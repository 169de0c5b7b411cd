"""From pixels to metres: one factor for everybody, one per person, or a homography of the floor."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posetrack.errors import ConfigError, DataFormatError
from posetrack.formats.reading import load_text
from posetrack.formats.scale import scale_in
from posetrack.measures.body import Body
from posetrack.types import Doubles

_HEIGHT = re.compile(r"(\d{1,9})=(.+?)(cm|m)")
_ANKLE_SHARE = 0.039
"""Height of the ankle above the floor as a share of a person's height (Winter, Biomechanics, table 4.1)."""

_COLUMNS = ("x", "y", "X", "Y")
_FEWEST_POINTS = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Scale:
    """Metres for pixels.

    Attributes:
        per_pixel: Metres per pixel for everybody; None if there is none.
        floor: float64 [3, 3], from pixels to metres on the floor; None if there is none.
    """

    per_pixel: float | None = None
    floor: Doubles | None = None

    @property
    def unit(self) -> str:
        """Unit of lengths."""
        return "px" if self.per_pixel is None else "m"

    @property
    def factor(self) -> float:
        """Of lengths in the image plane."""
        return 1.0 if self.per_pixel is None else self.per_pixel

    def on_floor(self, points: Doubles) -> Doubles:
        """float64 [.., 2] metres of points [.., 2] of the floor in pixels; only with a ``floor``."""
        assert self.floor is not None
        ones = np.ones((*points.shape[:-1], 1))
        mapped = np.concatenate([points, ones], axis=-1) @ self.floor.T
        return np.asarray(mapped[..., :2] / mapped[..., 2:])


def read_scale(text: str | None, bodies: list[Body]) -> Scale:
    """The scale of a text.

    Args:
        text: Metres per pixel (``0.005``), a known length (``1.8m=350px``), a person's height (``3=1.75m``), or a
            CSV file with the columns x, y (pixels) and X, Y (metres) of at least four points on the floor. None:
            pixels.
        bodies: The people; one of them may be measured for the height.

    Raises:
        ConfigError: the text is none of these, or names a person who is not there or is never seen whole.
        DataFormatError: the file is damaged, or its points lie on a line.
    """
    if text is None:
        return Scale()
    match = _HEIGHT.fullmatch(text.replace(" ", ""))
    if match:
        return Scale(per_pixel=_of_height(text, int(match[1]), match[2], match[3], bodies))
    if Path(text).suffix.lower() == ".csv":
        return Scale(floor=floor_homography(Path(text)))
    per_pixel = scale_in(text)
    if per_pixel is None:
        raise ConfigError(
            f"--scale {text}: give metres per pixel (0.005), a known length (1.8m=350px), a person's height "
            "(3=1.75m) or a CSV file of points on the floor (floor.csv, with the columns x, y, X and Y)."
        )
    return Scale(per_pixel=per_pixel)


def _of_height(text: str, track_id: int, number: str, unit: str, bodies: list[Body]) -> float:
    body = next((body for body in bodies if body.track.track_id == track_id), None)
    if body is None:
        there = ", ".join(str(one.track.track_id) for one in bodies)
        raise ConfigError(f"--scale {text}: there is no person {track_id}; the people are {there}.")
    pixels = standing_height(body)
    try:
        metres = float(number) * (0.01 if unit == "cm" else 1.0)
    except ValueError:
        metres = np.nan
    if not 0.3 <= metres <= 3:
        raise ConfigError(f"--scale {text}: a person's height lies between 0.3 m and 3 m.")
    if np.isnan(pixels):
        raise ConfigError(
            f"--scale {text}: person {track_id} is never seen from head to ankles; give a known length "
            "(1.8m=350px)."
        )
    return metres / pixels


def standing_height(body: Body) -> float:
    """A person's height in pixels: from the lower ankle to the crown, in the upright tenth of the frames; NaN if
    never."""
    ankles = np.stack([body.at("left_ankle")[:, 1], body.at("right_ankle")[:, 1]])
    crown = body.at("head_top")[:, 1]
    if np.isnan(crown).all():
        nose, neck = body.at("nose")[:, 1], body.at(("left_shoulder", "right_shoulder"))[:, 1]
        crown = neck + 1.65 * (nose - neck)  # as skeleton_conversion approximates it
    spans = np.max(ankles, axis=0) - crown
    if np.isnan(spans).all():
        return np.nan
    return float(np.nanquantile(spans, 0.9)) / (1 - _ANKLE_SHARE)


def floor_homography(path: Path) -> Doubles:
    """float64 [3, 3] of a file of points: the direct linear transform, in normalized coordinates (Hartley 1997).

    Raises:
        DataFormatError: the file has no four points, or they lie on a line.
    """
    rows = list(csv.DictReader(load_text(path).splitlines()))
    try:
        points = np.array([[float(row[name]) for name in _COLUMNS] for row in rows], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        raise DataFormatError(
            f"{path}: the columns must be x, y (pixels), X and Y (metres), and every cell a number; correct it."
        ) from None
    if len(points) < _FEWEST_POINTS or not np.isfinite(points).all():
        raise DataFormatError(
            f"{path}: there are {len(points)} points, and the floor needs {_FEWEST_POINTS}; add some."
        )
    source, into = _normalized(points[:, :2])
    target, outof = _normalized(points[:, 2:])
    (x, y), (u, v), one, no = source.T, target.T, np.ones(len(points)), np.zeros(len(points))
    upper = np.stack([x, y, one, no, no, no, -u * x, -u * y, -u], axis=1)
    lower = np.stack([no, no, no, x, y, one, -v * x, -v * y, -v], axis=1)
    _, strengths, axes = np.linalg.svd(np.concatenate([upper, lower]))
    if strengths[7] < 1e-9 * strengths[0]:
        raise DataFormatError(f"{path}: the points lie on a line; add some beside it.")
    return np.asarray(np.linalg.inv(outof) @ axes[-1].reshape(3, 3) @ into)


def _normalized(points: Doubles) -> tuple[Doubles, Doubles]:
    """Points around 0 with a mean distance of 1, and the matrix that makes them so."""
    centre = points.mean(axis=0)
    spread = max(float(np.hypot(*(points - centre).T).mean()), 1e-12)
    matrix = np.array([[1, 0, -centre[0]], [0, 1, -centre[1]], [0, 0, spread]]) / spread
    return (points - centre) / spread, matrix
