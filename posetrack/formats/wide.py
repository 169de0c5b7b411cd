"""The wide table: one row per frame, with three columns (x, y, score) per person and joint, for Excel, R and
pandas.

``frame``, ``time_s``, then ``person3_left_knee_x``, ``person3_left_knee_y``, ``person3_left_knee_score`` and so
on. Cells of missing joints are empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import Annotations
from posetrack.formats.checks import check_size
from posetrack.formats.grid import Grid, grid_of, video_of_grid
from posetrack.skeletons import Skeleton, skeleton_with

_COLUMN = re.compile(r"person(\d{1,9})_(\w+)_(x|y|score)")
_PARTS = ("x", "y", "score")


def wide_bytes(path: Path, video: Annotations) -> bytes:
    """The file: CSV, or Parquet if its name ends with ``.parquet``.

    Raises:
        DataFormatError: the frames have no times.
    """
    table = wide_table(grid_of(video))
    stream = pyarrow.BufferOutputStream()
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, stream)
    else:
        pyarrow.csv.write_csv(table, stream, pyarrow.csv.WriteOptions(quoting_style="none"))
    return bytes(stream.getvalue())


def wide_table(grid: Grid) -> Any:
    """The table of a grid."""
    columns: dict[str, Any] = {"frame": pyarrow.array(grid.numbers), "time_s": pyarrow.array(grid.times.round(6))}
    for place, track_id in enumerate(grid.people.tolist()):
        for slot in grid.skeleton.in_use:
            values = np.column_stack([grid.xy[:, place, slot], grid.scores[:, place, slot]]).astype(np.float32)
            for part, column in zip(_PARTS, values.T, strict=True):
                name = f"person{track_id}_{grid.skeleton.joints[slot]}_{part}"
                columns[name] = pyarrow.array(column, mask=np.isnan(column))
    return pyarrow.table(columns)


def is_wide(names: list[str]) -> bool:
    """Whether a table with these columns is a wide one."""
    return "joint" not in names and any(_COLUMN.fullmatch(name) for name in names)


def wide_columns(path: Path) -> list[str]:
    """The names of a table's columns; none if the file is damaged, which the readers of tables say better."""
    check_size(path)
    try:
        if path.suffix.lower() == ".parquet":
            return list(pyarrow.parquet.read_schema(path).names)
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [name.strip('"') for name in file.readline().rstrip("\r\n").split(",")]
    except (OSError, UnicodeDecodeError, pyarrow.ArrowException):
        return []


def parse_wide(path: Path) -> Annotations:
    """The people of a wide table as one video.

    Raises:
        DataFormatError: the file is damaged, or frames or times are missing or do not grow.
    """
    table = _load(path)
    keys = {name: match for name in table.column_names if (match := _COLUMN.fullmatch(name))}
    _refuse_halves(path, keys)
    people = np.unique(np.array([int(match[1]) for match in keys.values()], dtype=np.int64))
    skeleton = _skeleton(path, {match[2] for match in keys.values()})
    count = table.num_rows
    values = np.full((count, len(people), len(skeleton), len(_PARTS)), np.nan)
    for name, match in keys.items():
        place = int(np.searchsorted(people, int(match[1])))
        values[:, place, skeleton.index(match[2]), _PARTS.index(match[3])] = _numbers(path, table, name)
    numbers, times = _numbers(path, table, "frame"), _numbers(path, table, "time_s")
    wrong = ~((numbers >= 0) & (numbers % 1 == 0)) | np.isnan(times)
    wrong[1:] |= ~((np.diff(numbers) > 0) & (np.diff(times) > 0))
    for row in np.flatnonzero(wrong)[:1].tolist():
        raise DataFormatError(
            f"{path}, line {row + 2}: 'frame' counts from 0, 'time_s' is in seconds, and both must grow from "
            "line to "
            "line; correct it."
        )
    grid = Grid(
        numbers=numbers.astype(np.int64), times=times, people=people, skeleton=skeleton, xy=values[..., :2],
        scores=values[..., 2],
    )  # fmt: skip
    return video_of_grid(path, grid)


def _refuse_halves(path: Path, names: Iterable[str]) -> None:
    """Refuse a place with x and without y, or the other way round."""
    given = set(names)
    for name in sorted(given):
        other = f"{name[:-2]}_{'y' if name.endswith('_x') else 'x'}"
        if not name.endswith("_score") and other not in given:
            raise DataFormatError(f"{path}: there is a column {name!r}, but no {other!r}; add it.")


def _load(path: Path) -> Any:
    try:
        table = pyarrow.parquet.read_table(path) if path.suffix == ".parquet" else pyarrow.csv.read_csv(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataFormatError(f"{path}: this is no table that can be read ({error}); write it again.") from error
    for name in ("frame", "time_s"):
        if name not in table.column_names:
            raise DataFormatError(f"{path}: there is no column {name!r}; add it.")
    return table


def _numbers(path: Path, table: Any, name: str) -> Any:
    column = table[name]
    if pyarrow.types.is_null(column.type):
        return np.full(table.num_rows, np.nan)
    try:
        return column.cast(pyarrow.float64()).to_numpy().astype(np.float64)
    except pyarrow.ArrowException as error:
        raise DataFormatError(
            f"{path}: the column {name!r} has values that are no numbers; correct it."
        ) from error


def _skeleton(path: Path, names: set[str]) -> Skeleton:
    skeleton = skeleton_with(names)
    if skeleton is None:
        raise DataFormatError(
            f"{path}: no skeleton has all of the joints {', '.join(sorted(names))}; rename them."
        )
    return skeleton


def lost_in_wide(names: list[str]) -> list[str]:
    """What a table holds that is not read."""
    others = sorted(name for name in names if not _COLUMN.fullmatch(name) and name not in ("frame", "time_s"))
    return [f"Columns: {', '.join(others)}."] if others else []
