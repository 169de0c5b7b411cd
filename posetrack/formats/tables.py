"""Reads the CSV and Parquet tables: one row per frame, person and joint, of one clip."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import Annotations, Doubles, Joints
from posetrack.formats.checks import check_columns, check_size
from posetrack.formats.names import names_by_id
from posetrack.formats.naming import LARGEST_FRAME, frame_numbers
from posetrack.formats.results import images_up_to, results_video
from posetrack.pixels import from_centre
from posetrack.skeletons import SKELETONS, Skeleton, skeleton_with
from posetrack.types import BoolArray, IntArray

NEEDED = ("frame", "time_s", "person", "person_score", "joint", "x", "y", "score")
BOX = ("box_x1", "box_y1", "box_x2", "box_y2")
COLUMNS = ("clip", "name", *NEEDED, *BOX)
"""The columns of a table. Those of earlier versions lack clip, name and boxes, and call a person track_id."""

_BOX_DIGITS = 10
"""The noise of half a pixel less is rounded off."""

_LARGEST_ID = 2**31 - 1
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


def parse_table(table: Table, images: list[dict[str, Any]] | None) -> Annotations:
    """The people of a table as one video.

    Args:
        table: One clip. A joint is present if it has ``x`` and ``y``; without a ``score``, its score is unknown.
        images: The video's images; their names give their frame numbers. ``None`` makes up all frames to the last.

    Raises:
        DataFormatError: a value is missing or wrong, a joint is unknown or given twice, or rows of one person or
            frame contradict each other. The message names the line.
    """
    numbers = _whole(table, "frame", range(LARGEST_FRAME))
    ids = _whole(table, "person", range(-_LARGEST_ID, _LARGEST_ID + 1))
    images, frames = _images(table, numbers, images)
    skeleton, slots = _joints(table)
    people, firsts = _people(frames, ids)
    _check_once(table, people * len(skeleton) + slots)
    times = _shared(table, "time_s", frames, "frame")
    person_scores = _shared(table, "person_score", people, "person and frame")
    video = results_video(
        table.path,
        _with_times(images, frames, times),
        (frames[firsts], ids[firsts]),
        _placed(table, skeleton, slots, people),
        person_scores[firsts],
        _boxes(table, people, firsts),
    )
    given = zip(ids.tolist(), table.columns.get("name", [""] * len(ids)), strict=True)
    return replace(video, names=names_by_id(table.path, given))


def _clip(table: Table) -> str:
    """What the column of clips says, or else the file's name."""
    names = table.columns.get("clip", [])
    for row, name in enumerate(names):
        if name != names[0]:
            raise DataFormatError(
                f"{table.place(row)}: the clip is {name!r}, and {names[0]!r} before; a table holds one clip: "
                "write one file per clip."
            )
    return (names[0] if names else "") or table.path.stem


def _boxes(table: Table, people: IntArray, firsts: IntArray) -> Doubles | None:
    """float64 [M, 4] from the image's corner, NaN where there is none. ``None`` if the table has no boxes."""
    if not set(BOX) <= table.columns.keys():
        return None
    sides = [_shared(table, name, people, "person and frame")[firsts] for name in BOX]
    return from_centre(np.stack(sides, axis=1)).round(_BOX_DIGITS)


def _numbers(table: Table, name: str) -> Doubles:
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


def _whole(table: Table, name: str, allowed: range) -> IntArray:
    """int64 [R] of a column of whole numbers."""
    numbers = _numbers(table, name)
    wrong = ~((numbers % 1 == 0) & (numbers >= allowed.start) & (numbers < allowed.stop))
    for row in np.flatnonzero(wrong)[:1].tolist():
        raise DataFormatError(
            f"{table.place(row)}: '{name}' is {table.columns[name][row]!r}, but must be a whole number from "
            f"{allowed.start} to {allowed.stop - 1}; correct it."
        )
    return numbers.astype(np.int64)


def _images(
    table: Table, numbers: IntArray, images: list[dict[str, Any]] | None
) -> tuple[list[dict[str, Any]], IntArray]:
    """The video's images, and int64 [R] the image of each row."""
    if images is None:
        return images_up_to(_clip(table), int(numbers.max(initial=-1))), numbers
    places = {number: place for place, number in enumerate(frame_numbers(images))}
    found = [places.get(number, -1) for number in numbers.tolist()]
    if -1 in found:
        row = found.index(-1)
        raise DataFormatError(
            f"{table.place(row)}: there is no image of frame {numbers[row]}; name the file that has it (--like)."
        )
    return images, np.array(found, dtype=np.int64)


def _joints(table: Table) -> tuple[Skeleton, IntArray]:
    """The skeleton of a table, or the first that has all its joints, and int64 [R] each row's slot."""
    names = table.columns["joint"]
    known = {joint for skeleton in SKELETONS.values() for joint in skeleton.joints}
    for row, name in enumerate(names):
        if name not in known:
            raise DataFormatError(
                f"{table.place(row)}: there is no joint {name!r}; use the names {', '.join(sorted(known))}."
            )
    skeleton = skeleton_with(set(names))
    if skeleton is None:
        raise DataFormatError(
            f"{table.path}: no skeleton has all of the joints {', '.join(sorted(set(names)))}; leave out those of "
            "one."
        )
    return skeleton, np.array([skeleton.index(name) for name in names], dtype=np.int64)


def _groups(keys: IntArray) -> tuple[IntArray, IntArray]:
    """Rows of equal keys: int64 [R] each row's group, and int64 [G] each group's first row, by ascending key."""
    _, firsts, groups = np.unique(keys, return_index=True, return_inverse=True)
    return groups, firsts


def _people(frames: IntArray, ids: IntArray) -> tuple[IntArray, IntArray]:
    """int64 [R] each row's person, and int64 [M] each person's first row: by frame, then as they appear in it."""
    groups, firsts = _groups(frames << 32 | ids + _LARGEST_ID)
    order = np.lexsort((firsts, frames[firsts]))
    return np.argsort(order)[groups], firsts[order]


def _shared(table: Table, name: str, keys: IntArray, what: str) -> Doubles:
    """float64 [R] of a column that has one value in all rows of a key (``what`` it stands for)."""
    numbers = _numbers(table, name)
    groups, firsts = _groups(keys)
    expected = numbers[firsts][groups]
    wrong = ~((numbers == expected) | (np.isnan(numbers) & np.isnan(expected)))
    for row in np.flatnonzero(wrong)[:1].tolist():
        earlier = table.place(int(firsts[groups[row]])).removeprefix(f"{table.path}, ")
        raise DataFormatError(
            f"{table.place(row)}: '{name}' differs from that in {earlier}, of the same {what}; a table holds one "
            "clip: write one file per clip."
        )
    return numbers


def _check_once(table: Table, keys: IntArray) -> None:
    groups, firsts = _groups(keys)
    again = firsts[groups] != np.arange(len(keys))
    for row in np.flatnonzero(again)[:1].tolist():
        frame, person, joint = (table.columns[name][row] for name in ("frame", "person", "joint"))
        raise DataFormatError(
            f"{table.place(row)}: {joint} of person {person} is given twice in frame {frame}; give people "
            "different numbers, and write one file per clip."
        )


def _placed(table: Table, skeleton: Skeleton, slots: IntArray, people: IntArray) -> Joints:
    """The joints of all people, from rows of one joint each."""
    x, y, scores = (_numbers(table, name) for name in ("x", "y", "score"))
    there: BoolArray = ~np.isnan(x) & ~np.isnan(y)
    wrong = (np.isnan(x) != np.isnan(y)) | (~there & (scores > 0))
    for row in np.flatnonzero(wrong)[:1].tolist():
        raise DataFormatError(
            f"{table.place(row)}: a joint needs both x and y, or neither and a score of 0; correct it."
        )
    shape = (int(people.max(initial=-1)) + 1, len(skeleton))
    xy, joint_scores, present = np.zeros((*shape, 2)), np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    place = (people[there], slots[there])
    xy[place] = np.stack([x, y], axis=1)[there]
    joint_scores[place] = scores[there]
    present[place] = True
    return Joints(skeleton=skeleton, xy=xy, scores=joint_scores, present=present)


def _with_times(images: list[dict[str, Any]], frames: IntArray, times: Doubles) -> list[dict[str, Any]]:
    """The images, with the times of those that have one in the table."""
    known = dict(zip(frames.tolist(), times.tolist(), strict=True))
    return [
        image if np.isnan(known.get(frame, np.nan)) else {**image, "time_s": known[frame]}
        for frame, image in enumerate(images)
    ]
