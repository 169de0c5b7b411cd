"""C3D: markers over time, binary, for Visual3D, Mokka and Vicon. Read and written by ezc3d (an extra).

C3D has one frame rate and at most 65,535 frames. Missing joints have a residual of -1. A list of labels holds 255:
further ones are in POINT:LABELS2, LABELS3 and so on, as the C3D User Guide has it.
"""

from __future__ import annotations

import re
import struct
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from posetrack import __version__
from posetrack.errors import ConfigError, DataFormatError
from posetrack.formats.annotations import Annotations
from posetrack.formats.grid import Grid, grid_of, video_of_grid
from posetrack.formats.markers import (
    PIXELS,
    grid_of_markers,
    labels_of,
    pixels_per_unit,
    positions_of,
    unknown_markers,
)

_BLOCK_BYTES = 512
_BIG_ENDIAN = bytes([86])
"""How the parameters' header says that numbers are written as by MIPS processors."""

MOST_FRAMES = 65_535
_MOST_MARKERS = 2550
"""Ten lists of labels. A file's parameters have room for little more."""

_MOST_PLACES, _ONE_LIST = 20_000_000, 255
"""Markers x frames that are held at once (about 0.8 GB), unless one list of labels is enough."""

_LABELS = re.compile(r"LABELS(\d*)")


def _ezc3d() -> Any:
    try:
        import ezc3d
    except ImportError:
        raise ConfigError(
            "C3D needs the package ezc3d, which is not installed: pip install 'posetrack[c3d]'."
        ) from None
    return ezc3d


def check_c3d() -> None:
    """Refuse to begin work whose result could not be written.

    Raises:
        ConfigError: ezc3d is not installed.
    """
    _ezc3d()


def c3d_bytes(video: Annotations, metres_per_pixel: float | None) -> bytes:
    """The file of one video.

    Frames beyond ``MOST_FRAMES`` and people beyond ``most_people`` are left out, those seen in fewest frames
    first.

    Raises:
        ConfigError: ezc3d is not installed.
        DataFormatError: the frames have no times.
    """
    grid = _fitting(grid_of(video))
    file = _ezc3d().c3d()
    positions = positions_of(grid, metres_per_pixel)
    labels = labels_of(grid)
    points = np.ones((4, len(labels), len(positions)))
    points[:3] = positions.transpose(2, 1, 0)
    file["parameters"]["POINT"]["RATE"]["value"] = [grid.rate]
    file["parameters"]["POINT"]["UNITS"]["value"] = [PIXELS if metres_per_pixel is None else "m"]
    file["parameters"]["POINT"]["LABELS"]["value"] = labels
    if len(labels) <= _ONE_LIST:  # ezc3d splits labels into lists, and not descriptions
        file["parameters"]["POINT"]["DESCRIPTIONS"]["value"] = [f"posetrack {grid.skeleton.name}"] * len(labels)
    file["header"]["points"]["first_frame"] = int(grid.numbers[0]) if len(grid.numbers) else 0
    residuals = np.where(np.isnan(points[0]), -1.0, 0.0)[None]
    file["data"]["points"] = points
    file["data"]["meta_points"]["residuals"] = residuals
    file["data"]["meta_points"]["camera_masks"] = np.zeros((7, len(labels), len(positions)), dtype=bool)
    file.add_parameter("MANUFACTURER", "SOFTWARE", ["posetrack"])
    file.add_parameter("MANUFACTURER", "VERSION_LABEL", [__version__])
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.c3d"
        file.write(str(draft))
        return draft.read_bytes()


def _fitting(grid: Grid) -> Grid:
    """The part of a grid that C3D can hold. It needs a frame and a marker: nobody is one who is never seen."""
    if not len(grid.people) or not len(grid.numbers):
        shape = (max(1, len(grid.numbers)), 1, len(grid.skeleton))
        grid = replace(
            grid,
            numbers=grid.numbers if len(grid.numbers) else np.zeros(1, np.int64),
            times=grid.times if len(grid.numbers) else np.zeros(1),
            people=np.zeros(1, np.int64),
            xy=np.full((*shape, 2), np.nan),
            scores=np.full(shape, np.nan),
        )
    most = most_people(grid)
    frames = (~np.isnan(grid.xy[..., 0])).any(axis=2).sum(axis=0)
    kept = np.sort(np.argsort(-frames, kind="stable")[:most])
    return Grid(
        numbers=grid.numbers[:MOST_FRAMES],
        times=grid.times[:MOST_FRAMES],
        people=grid.people[kept],
        skeleton=grid.skeleton,
        xy=grid.xy[:MOST_FRAMES, kept],
        scores=grid.scores[:MOST_FRAMES, kept],
    )


def most_people(grid: Grid) -> int:
    """How many people's markers a file can hold."""
    room = max(_ONE_LIST, _MOST_PLACES // max(1, min(MOST_FRAMES, len(grid.numbers))))
    return max(1, min(_MOST_MARKERS, room) // len(grid.skeleton.in_use))


def load_c3d(path: Path) -> Any:
    """What ezc3d reads of a file.

    Raises:
        ConfigError: ezc3d is not installed.
        DataFormatError: the file is missing, damaged or cut short.
    """
    if not path.is_file():
        raise DataFormatError(f"{path}: there is no such file; check the path.")
    try:
        file = _ezc3d().c3d(str(path))
    except (RuntimeError, OSError, ValueError, MemoryError, IndexError) as error:
        raise DataFormatError(f"{path}: this C3D file cannot be read ({error}); write it again.") from error
    _refuse_cut(path, file)
    return file


def _refuse_cut(path: Path, file: Any) -> None:
    """Refuse a file whose end is missing: ezc3d reads what is there, and hides what the file announces."""
    with path.open("rb") as stream:
        header = stream.read(_BLOCK_BYTES)
        stream.seek(_BLOCK_BYTES * (header[0] - 1))
        processor = stream.read(4)[3:]
    order = ">" if processor == _BIG_ENDIAN else "<"
    first, last = struct.unpack(f"{order}2H", header[6:10])
    announced, there = last - first + 1, np.asarray(file["data"]["points"]).shape[2]
    if there < announced:
        raise DataFormatError(
            f"{path}: the file is cut short: it announces {announced} frames and holds {there}; copy or write it "
            "again."
        )


def parse_c3d(path: Path, file: Any, metres_per_pixel: float | None) -> Annotations:
    """The people of a file; frames are numbered from the header's first frame.

    Raises:
        DataFormatError: unknown unit, no frame rate, markers that are not joints.
    """
    labels = c3d_labels(file)
    values = file["parameters"]["POINT"]
    unit = "".join(values["UNITS"]["value"][:1]) if "UNITS" in values else ""
    rate = float(values["RATE"]["value"][0]) if len(values["RATE"]["value"]) else 0.0
    if not 0 < rate < np.inf:
        raise DataFormatError(f"{path}: the frame rate is {rate:g}; set POINT:RATE of the file.")
    points = np.asarray(file["data"]["points"], dtype=np.float64)[:3].transpose(2, 1, 0)
    factor = pixels_per_unit(path, unit, metres_per_pixel)
    first = max(0, int(file["header"]["points"]["first_frame"]))
    numbers = first + np.arange(len(points))
    return video_of_grid(
        path, grid_of_markers(path, labels, points * factor, (numbers.astype(np.float64), numbers / rate))
    )


def c3d_labels(file: Any) -> list[str]:
    """[M] names of the markers."""
    values = file["parameters"]["POINT"]
    lists = sorted((int(match[1] or 1), name) for name in values if (match := _LABELS.fullmatch(name)))
    return [str(label).strip() for _, name in lists for label in values[name]["value"]]


def lost_in_c3d(file: Any) -> list[str]:
    """What a file holds that is not read."""
    unknown = unknown_markers(c3d_labels(file))
    return [f"Markers that are not joints: {', '.join(unknown)}."] if unknown else []
