"""TRC: markers over time as text, for OpenSim, Mokka and Visual3D.

The layout is that of OpenSim's documentation ("Marker (.trc) Files"): three lines of header, two of column names,
and a line per frame with its number from 1, its time and X, Y, Z of every marker. Empty cells are missing joints.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posetrack.errors import DataFormatError
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
from posetrack.types import Doubles

_HEADER = (
    "DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame",
    "OrigNumFrames",
)  # fmt: skip
_FIRST = 1
_HEADER_LINES = 5


def trc_lines(name: str, grid: Grid, metres_per_pixel: float | None) -> Iterator[str]:
    """The lines of a file, with their ends.

    Args:
        name: The file's name, which its first line repeats.
        grid: The people.
        metres_per_pixel: Scale to metres; None keeps pixels (unit ``px``).
    """
    labels, positions = labels_of(grid), positions_of(grid, metres_per_pixel)
    rate, frames = f"{grid.rate:.6g}", str(len(grid.numbers))
    unit = PIXELS if metres_per_pixel is None else "m"
    first = str(int(grid.numbers[0]) + _FIRST) if len(grid.numbers) else str(_FIRST)
    yield f"PathFileType\t4\t(X/Y/Z)\t{name}\n"
    yield "\t".join(_HEADER) + "\n"
    yield "\t".join((rate, rate, frames, str(len(labels)), unit, rate, first, frames)) + "\n"
    yield "\t".join(("Frame#", "Time", *(f"{label}\t\t" for label in labels))) + "\n"
    axes = (f"{axis}{number}" for number in range(1, len(labels) + 1) for axis in "XYZ")
    yield "\t".join(("", "", *axes)) + "\n"
    for number, time, row in zip(grid.numbers.tolist(), grid.times.tolist(), positions, strict=True):
        cells = ["" if value != value else f"{value:.6f}" for value in row.ravel().tolist()]
        if cells and not cells[-1]:
            cells[-1] = "nan"  # OpenSim takes a line that ends with an empty cell to be one short
        yield "\t".join((str(number + _FIRST), f"{time:.6f}", *cells)) + "\n"


def trc_text(path: Path, video: Annotations, metres_per_pixel: float | None) -> str:
    """The file of one video, with the joints of its own skeleton.

    Raises:
        DataFormatError: the frames have no times.
    """
    return "".join(trc_lines(path.name, grid_of(video), metres_per_pixel))


def parse_trc(path: Path, text: str, metres_per_pixel: float | None) -> Annotations:
    """The people of a file.

    Args:
        path: For messages and the video's name.
        text: The content.
        metres_per_pixel: Scale of files whose unit is a length.

    Raises:
        DataFormatError: names the line and what is wrong with it.
    """
    lines = text.splitlines()
    header, labels = _header(path, lines), _labels(lines)
    factor = pixels_per_unit(path, header.get("Units", ""), metres_per_pixel)
    rows = [(number, line) for number, line in enumerate(lines[_HEADER_LINES:], _HEADER_LINES + 1) if line.strip()]
    _refuse_cut(path, header, text, len(rows))
    table = np.array([_row(path, number, line, len(labels)) for number, line in rows], dtype=np.float64)
    table = table.reshape(len(rows), 2 + 3 * len(labels))
    frames, times = _frames(path, table, rows)
    positions = table[:, 2:].reshape(len(rows), len(labels), 3) * factor
    return video_of_grid(path, grid_of_markers(path, labels, positions, (frames, times)))


def _refuse_cut(path: Path, header: dict[str, str], text: str, count: int) -> None:
    """Refuse a file whose end is missing: its header tells the number of frames, and its lines end."""
    announced = header.get("NumFrames", "").strip()
    if announced.isascii() and announced.isdigit() and int(announced) > count:
        raise DataFormatError(
            f"{path}: the header announces {announced} frames, and there are {count}; the file may be cut short: "
            "copy or write it again, or correct NumFrames."
        )
    if count and not text.endswith(("\n", "\r")) and not text[-1:].isspace():
        width = max(line.count("\t") for line in text.splitlines()[_HEADER_LINES:-1] or [""])
        if text.splitlines()[-1].count("\t") < width:
            raise DataFormatError(f"{path}: the last line is cut short; copy or write the file again.")


def lost_in_trc(text: str) -> list[str]:
    """What a file holds that is not read."""
    unknown = unknown_markers(_labels(text.splitlines()))
    return [f"Markers that are not joints: {', '.join(unknown)}."] if unknown else []


def _header(path: Path, lines: list[str]) -> dict[str, str]:
    if len(lines) < _HEADER_LINES or not lines[0].startswith("PathFileType"):
        raise DataFormatError(
            f"{path}: this is not a TRC file (the first line of one begins with PathFileType); give another."
        )
    return dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=False))


def _labels(lines: list[str]) -> list[str]:
    cells = lines[3].split("\t")[2:] if len(lines) > 3 else []
    return [cell.strip() for cell in cells if cell.strip()]


def _row(path: Path, number: int, line: str, markers: int) -> list[float]:
    width = 2 + 3 * markers
    cells = line.rstrip("\r\n").split("\t")
    cells += [""] * (width - len(cells))
    try:
        numbers = [float(cell) if cell.strip() else np.nan for cell in cells[:width]]
        if any(cell.strip() for cell in cells[width:]) or np.isinf(numbers).any():
            raise ValueError
        return numbers
    except ValueError:
        raise DataFormatError(
            f"{path}, line {number}: a line is frame, time and three numbers for each of {markers} markers, "
            "between "
            "tabs; correct it."
        ) from None


def _frames(path: Path, table: Doubles, rows: list[tuple[int, str]]) -> tuple[Doubles, Doubles]:
    frames, times = table[:, 0] - _FIRST, table[:, 1]
    wrong = ~((frames >= 0) & (frames % 1 == 0) & (frames < 10**6)) | ~np.isfinite(times)
    wrong[1:] |= (np.diff(frames) <= 0) | (np.diff(times) <= 0)
    for place in np.flatnonzero(wrong)[:1].tolist():
        raise DataFormatError(
            f"{path}, line {rows[place][0]}: frames count from 1 and times are seconds, and both must grow from "
            "line "
            "to line; correct it."
        )
    return frames, times
