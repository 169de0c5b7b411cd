"""What a CSV or Parquet table of poses holds, column by column, and its numbers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats import found
from posetrack.formats.checks import check_columns, check_separator, check_size
from posetrack.types import Doubles, IntArray

NEEDED = ("frame", "time_s", "person", "person_score", "joint", "x", "y", "score")
BOX = ("box_x1", "box_y1", "box_x2", "box_y2")
COLUMNS = ("clip", "name", *NEEDED, *BOX, *found.COLUMNS)
"""The columns of a table. Those of earlier versions lack clip, name and boxes, and call a person track_id; tables
made of other tools' files do not say how joints were found."""

_SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Table:
    """The content of a table, not checked yet.

    Attributes:
        path: The file.
        columns: Name -> the text of every row; empty where there is no value.
        lines: [R] the line of each row. ``None`` if the file has no lines.
    """

    path: Path
    columns: dict[str, list[str]]
    lines: Sequence[int] | None

    def place(self, row: int) -> str:
        """How messages name a row."""
        return f"{self.path}, " + (f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}")


def is_table(path: Path) -> bool:
    """Whether a file's ending is that of a table."""
    return path.suffix.lower() in _SUFFIXES


def present_names(names: Sequence[str]) -> list[str]:
    """The names of a table's columns, with ``person`` for the ``track_id`` of earlier versions."""
    return list(names) if "person" in names else ["person" if name == "track_id" else name for name in names]


def load_table(path: Path) -> Table:
    """The columns of a CSV or Parquet file.

    Raises:
        DataFormatError: the file cannot be read, is damaged, or lacks a column.
    """
    check_size(path)
    if path.suffix.lower() == ".parquet":
        from posetrack.formats.arrow_tables import read_parquet_texts

        return Table(path=path, columns=read_parquet_texts(path), lines=None)
    return _load_csv(path)


def _load_csv(path: Path) -> Table:
    rows, lines = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            check_separator(path, file.readline())
            file.seek(0)
            reader = csv.reader(file, strict=True)
            names = present_names(next(reader, []))
            check_columns(path, names, NEEDED)
            for row in reader:
                if row and len(row) != len(names):
                    raise DataFormatError(
                        f"{path}, line {reader.line_num}: there are {len(row)} values for {len(names)} columns; "
                        "the file may be cut short: correct the line, or write the file again."
                    )
                if row:
                    rows.append(row)
                    lines.append(reader.line_num)
    except OSError as error:
        raise DataFormatError(f"{path}: cannot be read ({error.strerror}); check the path.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataFormatError(
            f"{path}, line {len(lines) + 2} or later: this is not CSV in UTF-8 ({error}); write the file again."
        ) from error
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return Table(path=path, columns={n: list(c) for n, c in zip(names, columns, strict=True)}, lines=lines)


def numbers_of(table: Table, name: str) -> Doubles:
    """float64 [R] of a column; NaN where it is empty."""
    numbers = []
    for row, text in enumerate(table.columns[name]):
        try:
            numbers.append(float(text or "nan"))
        except ValueError:
            numbers.append(np.inf)
        if np.isinf(numbers[-1]):
            raise DataFormatError(f"{table.place(row)}: '{name}' is {text!r}, which is not a number; correct it.")
    return np.array(numbers, dtype=np.float64)


def whole_numbers(table: Table, name: str, allowed: range) -> IntArray:
    """int64 [R] of a column of whole numbers."""
    numbers = numbers_of(table, name)
    wrong = ~((numbers % 1 == 0) & (numbers >= allowed.start) & (numbers < allowed.stop))
    for row in np.flatnonzero(wrong)[:1].tolist():
        raise DataFormatError(
            f"{table.place(row)}: '{name}' is {table.columns[name][row]!r}, but must be a whole number from "
            f"{allowed.start} to {allowed.stop - 1}; correct it."
        )
    return numbers.astype(np.int64)


def groups_of(keys: IntArray) -> tuple[IntArray, IntArray]:
    """Rows of equal keys: int64 [R] each row's group, and int64 [G] each group's first row, by ascending key."""
    _, firsts, groups = np.unique(keys, return_index=True, return_inverse=True)
    return groups, firsts


def shared_numbers(table: Table, name: str, keys: IntArray, what: str) -> Doubles:
    """float64 [R] of a column that has one value in all rows of a key (``what`` it stands for)."""
    numbers = numbers_of(table, name)
    groups, firsts = groups_of(keys)
    expected = numbers[firsts][groups]
    wrong = ~((numbers == expected) | (np.isnan(numbers) & np.isnan(expected)))
    for row in np.flatnonzero(wrong)[:1].tolist():
        earlier = table.place(int(firsts[groups[row]])).removeprefix(f"{table.path}, ")
        raise DataFormatError(
            f"{table.place(row)}: '{name}' differs from that in {earlier}, of the same {what}; a table holds one "
            "clip: write one file per clip."
        )
    return numbers
