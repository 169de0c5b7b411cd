"""The wide table: one row per frame, with three columns (x, y, score) per person and joint, for Excel, R and
pandas.

``frame``, ``time_s``, then ``person3_left_knee_x``, ``person3_left_knee_y``, ``person3_left_knee_score`` and so
on; behind all of these, where it is known how joints were found, ``person3_left_knee_sd``, ``_origin``, ``_raw_x``
and ``_raw_y``. Cells of missing joints are empty.
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
from posetrack.formats.found import WORDS, Found, origin_codes
from posetrack.formats.grid import Grid, grid_of, video_of_grid
from posetrack.skeletons import Skeleton, skeleton_with
from posetrack.types import Doubles

_PARTS = ("x", "y", "score")
_FURTHER = ("sd", "origin", "raw_x", "raw_y")
_COLUMN = re.compile(r"person(\d{1,9})_(\w+?)_(raw_x|raw_y|x|y|score|sd|origin)")


def wide_bytes(path: Path, video: Annotations) -> bytes:
    """The file: CSV, or Parquet if its name ends with ``.parquet``.

    Raises:
        DataFormatError: the frames have no times.
    """
    table = wide_table(grid_of(video, with_found=True))
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
    return pyarrow.table(columns if grid.found is None else columns | _further(grid, grid.found))


def _further(grid: Grid, found: Found) -> dict[str, Any]:
    """The columns of how joints were found. Those that are empty for everybody are left out."""
    floats = {"sd": found.sds, "raw_x": found.raw[..., 0], "raw_y": found.raw[..., 1]}
    known = {name for name, values in floats.items() if not np.isnan(values).all()}
    known |= {"origin"} if found.origins.any() else set()
    words, columns = np.array(WORDS, dtype=object), {}
    for place, track_id in enumerate(grid.people.tolist()):
        for slot in grid.skeleton.in_use:
            for part in (name for name in _FURTHER if name in known):
                if part == "origin":
                    codes = found.origins[:, place, slot]
                    column = pyarrow.array(words[codes], pyarrow.string(), mask=codes == 0)
                else:
                    values = floats[part][:, place, slot].astype(np.float32)
                    column = pyarrow.array(values, mask=np.isnan(values))
                columns[f"person{track_id}_{grid.skeleton.joints[slot]}_{part}"] = column
    return columns


def is_wide(names: list[str]) -> bool:
    """Whether a table with these columns is a wide one; that of nobody has no places."""
    of_nobody = set(names) == {"frame", "time_s"}
    return "joint" not in names and (of_nobody or any(_COLUMN.fullmatch(name) for name in names))


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
    found = Found.unknown((count, len(people)), len(skeleton))
    for name, match in keys.items():
        cells = (slice(None), int(np.searchsorted(people, int(match[1]))), skeleton.index(match[2]))
        if match[3] in _PARTS:
            values[(*cells, _PARTS.index(match[3]))] = _numbers(path, table, name)
        elif match[3] == "origin":
            found.origins[cells] = _codes(path, table, name)
        elif match[3] == "sd":
            found.sds[cells] = _numbers(path, table, name)
        else:
            found.raw[(*cells, ("raw_x", "raw_y").index(match[3]))] = _numbers(path, table, name)
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
        scores=values[..., 2], found=found if {match[3] for match in keys.values()} & set(_FURTHER) else None,
    )  # fmt: skip
    return video_of_grid(path, grid)


def _refuse_halves(path: Path, names: Iterable[str]) -> None:
    """Refuse a place with x and without y, or the other way round."""
    given = set(names)
    for name in sorted(name for name in given if name.endswith(("_x", "_y"))):
        other = f"{name[:-2]}_{'y' if name.endswith('_x') else 'x'}"
        if other not in given:
            raise DataFormatError(f"{path}: there is a column {name!r}, but no {other!r}; add it.")


def _load(path: Path) -> Any:
    try:
        table = pyarrow.parquet.read_table(path) if path.suffix == ".parquet" else pyarrow.csv.read_csv(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataFormatError(f"{path}: this table cannot be read ({error}); write it again.") from error
    for name in ("frame", "time_s"):
        if name not in table.column_names:
            raise DataFormatError(f"{path}: there is no column {name!r}; add it.")
    return table


def _numbers(path: Path, table: Any, name: str) -> Doubles:
    column = table[name]
    if pyarrow.types.is_null(column.type):
        return np.full(table.num_rows, np.nan)
    try:
        if pyarrow.types.is_float32(column.type):  # the shortest decimals, as in CSV
            column = column.cast(pyarrow.string())
        numbers: Doubles = column.cast(pyarrow.float64()).to_numpy().astype(np.float64)
    except pyarrow.ArrowException:
        numbers = np.array([_number_or_inf(value) for value in column.to_pylist()])
    for row in np.flatnonzero(np.isinf(numbers))[:1].tolist():
        raise DataFormatError(
            f"{path}, line {row + 2}: {name!r} is {column[row].as_py()!r}, which is not a number; correct it."
        )
    return numbers


def _number_or_inf(value: object) -> float:
    """A cell's number; NaN if it is empty, infinity if it is no number."""
    try:
        return np.nan if value in (None, "") else float(str(value))
    except ValueError:
        return np.inf


def _codes(path: Path, table: Any, name: str) -> list[int]:
    """What a column of origins says, as indices of ``WORDS``."""
    words = [word or "" for word in table[name].cast(pyarrow.string()).to_pylist()]
    return origin_codes(words, lambda row: f"{path}, line {row + 2}", name)


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
