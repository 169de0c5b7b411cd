"""Names of markers in files of motion capture (TRC, C3D), and people as markers.

Joints are named as Pose2Sim and its OpenSim models name them: ``RKnee``, ``LShoulder``, ``Neck``, ``Head``.
Markers of a clip with one person have these names alone; with several people, the person stands in front
(``person3:RKnee``), as Vicon's files have it. The plane of the picture is X (right) and Y (up); Z is 0. The
origin is the centre of the top-left pixel, so Y is negative inside the picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.grid import Grid
from posetrack.skeletons import SKELETONS, Skeleton
from posetrack.types import Doubles

PIXELS = "px"
_METRES = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001}
_OWN_NAMES = {"head_bottom": "Neck", "head_top": "Head", "mid_hip": "Hip"}
_WITH_PERSON = re.compile(r"person(\d{1,9}):(.+)", re.DOTALL)


def marker_name(joint: str) -> str:
    """The marker of a joint.

    >>> marker_name("right_knee"), marker_name("left_big_toe"), marker_name("head_top")
    ('RKnee', 'LBigToe', 'Head')
    """
    side, _, rest = joint.partition("_")
    letter = {"left": "L", "right": "R"}.get(side, "")
    words = rest if letter else joint
    return _OWN_NAMES.get(joint, letter + "".join(word.capitalize() for word in words.split("_")))


def labels_of(grid: Grid) -> list[str]:
    """[P x K'] labels of the joints in use: person by person, joint by joint."""
    names = [marker_name(grid.skeleton.joints[slot]) for slot in grid.skeleton.in_use]
    if len(grid.people) == 1:
        return names
    return [f"person{track_id}:{name}" for track_id in grid.people.tolist() for name in names]


def positions_of(grid: Grid, metres_per_pixel: float | None) -> Doubles:
    """float64 [F, P x K', 3] in metres, or in pixels without a scale; NaN where a joint is absent."""
    scale = 1.0 if metres_per_pixel is None else metres_per_pixel
    xy = (
        grid.xy[:, :, grid.skeleton.in_use].reshape(
            len(grid.numbers), len(grid.people) * len(grid.skeleton.in_use), 2
        )
        * scale
    )
    depth = np.where(np.isnan(xy[..., 0]), np.nan, 0.0)
    return np.stack([xy[..., 0], -xy[..., 1], depth], axis=-1)


def pixels_per_unit(path: Path, unit: str, metres_per_pixel: float | None) -> float:
    """Factor from a file's unit to pixels.

    Raises:
        DataFormatError: the unit is unknown, or is a length and there is no scale.
    """
    name = unit.strip().lower()
    if name in (PIXELS, "pixel", "pixels"):
        return 1.0
    if name not in _METRES:
        raise DataFormatError(
            f"{path}: the unit {unit!r} is unknown; give positions in px, m, cm or mm, and say which in the file."
        )
    if metres_per_pixel is None:
        raise DataFormatError(
            f"{path}: positions are in {name}, and poses in pixels; give the metres per pixel (--scale 0.005)."
        )
    return _METRES[name] / metres_per_pixel


def grid_of_markers(
    path: Path, labels: Sequence[str], positions: Doubles, frames: tuple[Doubles, Doubles]
) -> Grid:
    """The people of a file of markers.

    Args:
        path: For messages.
        labels: [M] as ``labels_of`` gives them.
        positions: float64 [F, M, 2 or 3] in pixels; NaN where there is none. Z is not used.
        frames: int64 [F] numbers from 0, and float64 [F] times in seconds.

    Raises:
        DataFormatError: a label is given twice, or no known skeleton has the markers.
    """
    twice = next((label for label in labels if list(labels).count(label) > 1), None)
    if twice is not None:
        raise DataFormatError(f"{path}: two markers are named {twice!r}; rename one.")
    found = [_WITH_PERSON.fullmatch(label) for label in labels]
    owners = np.array([int(match[1]) if match else 0 for match in found], dtype=np.int64)
    names = [match[2] if match else label for match, label in zip(found, labels, strict=True)]
    skeleton, slots = _skeleton_of(path, names)
    people, places = np.unique(owners, return_inverse=True)
    shape = (len(positions), len(people), len(skeleton))
    xy = np.full((*shape, 2), np.nan)
    for marker, (place, slot) in enumerate(zip(places.tolist(), slots, strict=True)):
        if slot >= 0:
            xy[:, place, slot] = positions[:, marker, :2] * (1, -1)
    numbers, times = frames
    return Grid(
        numbers=numbers.astype(np.int64), times=times, people=people, skeleton=skeleton, xy=xy,
        scores=np.full(shape, np.nan),
    )  # fmt: skip


def _skeleton_of(path: Path, names: Sequence[str]) -> tuple[Skeleton, list[int]]:
    """The skeleton that has most of the markers (the first of equals), and each marker's slot, -1 if it has
    none."""
    known = {
        skeleton.name: {marker_name(skeleton.joints[slot]): int(slot) for slot in skeleton.in_use}
        for skeleton in SKELETONS.values()
    }
    wanted = set(names)

    def fit(name: str) -> tuple[int, int]:
        return len(wanted & set(known[name])), -len(set(known[name]) - wanted)

    best = max(known, key=fit)
    if names and not fit(best)[0]:
        raise DataFormatError(
            f"{path}: none of the markers ({', '.join(sorted(wanted)[:5])} ...) is a joint; name them as in "
            f"{', '.join(list(known[best])[-3:])}, with R and L for right and left."
        )
    return SKELETONS[best], [known[best].get(name, -1) for name in names]


def unknown_markers(labels: Sequence[str]) -> list[str]:
    """Names of markers that are not joints of any skeleton, sorted."""
    joints = {marker_name(joint) for skeleton in SKELETONS.values() for joint in skeleton.joints}
    bare = [match[2] if (match := _WITH_PERSON.fullmatch(label)) else label for label in labels]
    return sorted(set(bare) - joints)
