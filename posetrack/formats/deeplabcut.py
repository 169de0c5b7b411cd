"""DeepLabCut's table of predictions (CSV, several animals), which DeepLabCut, movement and SimBA read.

Four lines of header (scorer, individuals, bodyparts, coords), then a line per frame with x, y and likelihood of
every body part. Cells of missing joints are empty. Source: DeepLabCut's documentation of multi-animal output.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.files.pending import write_file
from posetrack.formats.annotations import Annotations
from posetrack.formats.grid import Grid, grid_of, video_of_grid
from posetrack.formats.names import numbers_in
from posetrack.formats.reading import load_text
from posetrack.skeletons import SKELETONS, Skeleton, skeleton_with
from posetrack.types import Doubles

SCORER = "posetrack"
_HEADER = ("scorer", "individuals", "bodyparts", "coords")
_PARTS = ("x", "y", "likelihood")


def write_deeplabcut(path: Path, video: Annotations, _: float | None) -> None:
    """Write the table of one video.

    Raises:
        OutputError: the file cannot be written.
    """
    write_file(path, "".join(deeplabcut_lines(grid_of(video, timed=False))).encode())


def deeplabcut_lines(grid: Grid) -> Iterator[str]:
    """The lines of a file, with their ends."""
    slots = grid.skeleton.in_use
    people = [f"person{track_id}" for track_id in grid.people.tolist()]
    joints = [grid.skeleton.joints[slot] for slot in slots]
    columns = [(SCORER, *column) for column in product(people, joints, _PARTS)]
    for level, name in enumerate(_HEADER):
        yield ",".join((name, *(column[level] for column in columns))) + "\n"
    values = np.concatenate([grid.xy[:, :, slots], grid.scores[:, :, slots, None]], axis=3)
    for number, row in zip(grid.numbers.tolist(), values.reshape(len(values), len(columns)).tolist(), strict=True):
        yield ",".join((str(number), *("" if value != value else f"{value:.5f}" for value in row))) + "\n"


def is_deeplabcut(path: Path) -> bool:
    """Whether a CSV file begins as DeepLabCut's do."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.readline().lower().rstrip().split(",")[0] == "scorer"
    except (OSError, UnicodeDecodeError):
        return False


def parse_deeplabcut(path: Path, fps: float | None) -> Annotations:
    """The people of a table; with one animal, there is no line of individuals.

    Args:
        path: The file.
        fps: Frames per second, which the file does not say; None counts frames as seconds in the grid only.

    Raises:
        DataFormatError: names the line and what is wrong.
    """
    rows = list(csv.reader(load_text(path).splitlines()))
    names = [row[0].strip().lower() if row else "" for row in rows[: len(_HEADER)]]
    depth = 4 if names == list(_HEADER) else 3
    if depth == 3 and names[:3] != [_HEADER[0], *_HEADER[2:]]:
        raise DataFormatError(
            f"{path}: the first lines must begin with {', '.join(_HEADER)}; write the file again."
        )
    levels = [row[1:] for row in rows[:depth]]
    individuals = levels[1] if depth == 4 else ["person0"] * len(levels[0])
    people, skeleton = _people(individuals), _skeleton(path, levels[-2])
    values = _values(path, rows[depth:], depth, len(levels[0]) + 1)
    shape = (len(values), len(people), len(skeleton))
    cells = {part: np.full(shape, np.nan) for part in _PARTS}
    order = list(people)
    for column, (who, joint, part) in enumerate(zip(individuals, levels[-2], levels[-1], strict=True), start=1):
        if part not in cells:
            raise DataFormatError(f"{path}, line {depth}: 'coords' are x, y and likelihood, not {part!r}.")
        cells[part][:, order.index(who), skeleton.index(joint)] = values[:, column]
    numbers = values[:, 0].astype(np.int64)
    xy = np.stack([cells["x"], cells["y"]], axis=-1)
    ids = np.array([people[who] for who in order], dtype=np.int64)
    rate = 1.0 if fps is None else fps
    ascending = np.argsort(ids)
    grid = Grid(
        numbers=numbers, times=numbers / rate, people=ids[ascending], skeleton=skeleton, xy=xy[:, ascending],
        scores=cells["likelihood"][:, ascending],
    )  # fmt: skip
    video = video_of_grid(path, grid)
    if fps is None:
        for image in video.images:
            image.pop("time_s", None)
    return video


def _people(individuals: list[str]) -> dict[str, int]:
    """Name -> track id: the number in the name if all have different ones, else the order."""
    names = list(dict.fromkeys(individuals))
    return dict(zip(names, numbers_in(names), strict=True))


def _skeleton(path: Path, joints: list[str]) -> Skeleton:
    skeleton = skeleton_with(joints)
    if skeleton is not None:
        return skeleton
    unknown = sorted(set(joints) - {joint for one in SKELETONS.values() for joint in one.joints})
    raise DataFormatError(
        f"{path}: no known skeleton has all of the body parts{f' ({unknown[0]} is unknown)' if unknown else ''}; "
        "rename them, for instance to left_knee."
    )


def _values(path: Path, rows: list[list[str]], depth: int, width: int) -> Doubles:
    table: list[list[float]] = []
    for line, row in enumerate(rows, start=depth + 1):
        if not any(cell.strip() for cell in row):
            continue
        try:
            numbers = [float(cell) if cell.strip() else np.nan for cell in row]
        except ValueError:
            numbers = []
        grows = not table or (numbers and numbers[0] > table[-1][0])
        if len(numbers) != width or not (0 <= numbers[0] < 10**6) or numbers[0] % 1 or not grows:
            raise DataFormatError(
                f"{path}, line {line}: a line is the frame's number, larger than the one before, and {width - 1} "
                "numbers; correct it."
            )
        table.append(numbers)
    return np.array(table, dtype=np.float64).reshape(len(table), width)
