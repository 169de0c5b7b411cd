"""Clips from and to CSV and Parquet tables. Read as numbers: the hour of a crowd has millions of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from posetrack.errors import DataFormatError
from posetrack.files.pending import PendingFile, output_errors
from posetrack.files.text import printable
from posetrack.formats.arrow_tables import WITH_FOUND, csv_writer, parquet_writer
from posetrack.formats.checks import check_size
from posetrack.formats.found import RAW_BOX
from posetrack.formats.names import names_by_id
from posetrack.formats.table_content import BOX, NEEDED, load_table, present_names
from posetrack.formats.tables import parse_table
from posetrack.refine.clip import HIDDEN, ORIGINS, SEEN, Clip, Origins
from posetrack.refine.rows import People, RefinedPeople, named, people_of, tracks_of
from posetrack.refine.times import frame_times
from posetrack.skeletons import SKELETONS, Skeleton, skeleton_with
from posetrack.types import BoolArray, Doubles, IntArray

_KNOWN = {joint for skeleton in SKELETONS.values() for joint in skeleton.joints}
_PEOPLE_AT_ONCE = 4_000


def read_table_clip(path: Path, fps: float | None = None) -> Clip:
    """The clip of a CSV or Parquet table that ``run`` or ``refine`` has written.

    Args:
        path: The table.
        fps: Frames per second, for tables without times.

    Raises:
        DataFormatError: the file is missing, damaged or no such table, or has no times and ``fps`` is not given.
    """
    columns = _columns(path)
    skeleton, slots = _slots(path, columns["joint"])
    people, firsts = _people_of_rows(columns["frame"].astype(np.int64), columns["person"].astype(np.int64))
    cells = people * len(skeleton) + slots
    if np.bincount(cells).max(initial=0) > 1:
        _refuse(path)
    numbers, time_s = columns["frame"].astype(np.int64)[firsts], columns["time_s"]
    frames = _grid(np.unique(numbers))
    places = np.searchsorted(frames, numbers)
    known = np.full(len(frames), np.nan)
    known[places] = time_s[firsts]
    if not np.array_equal(known[places][people], time_s, equal_nan=True):
        _refuse(path)
    times = frame_times(path, frames, known, fps)
    cast = _people(columns, (len(firsts), len(skeleton)), cells, places, firsts)
    names = names_by_id(path, zip(cast.ids.tolist(), columns["name"][firsts].tolist(), strict=True))
    return Clip(
        name=_clip(path, columns["clip"]),
        skeleton=skeleton,
        frames=frames,
        times=times,
        tracks=named(tracks_of(cast, times), names),
    )


def _clip(path: Path, names: Any) -> str:
    if (names != names[:1]).any():
        _refuse(path)
    return (names[0] if len(names) else "") or path.stem


def _people_of_rows(numbers: IntArray, ids: IntArray) -> tuple[IntArray, IntArray]:
    """int64 [R] the person that each row belongs to, and int64 [M] a row of each person.

    The rows of a person in a frame usually follow each other; only such runs are compared.
    """
    begins = np.ones(len(ids), dtype=bool)
    begins[1:] = (np.diff(numbers) != 0) | (np.diff(ids) != 0)
    starts = np.flatnonzero(begins)
    keys = numbers[starts] << 32 | (ids[starts] + 2**31)
    _, firsts, people = np.unique(keys, return_index=True, return_inverse=True)
    return people[np.cumsum(begins) - 1], starts[firsts]


def _columns(path: Path) -> dict[str, Any]:
    """The columns as arrays: float64 with NaN for null; text as objects."""
    check_size(path)
    try:
        if path.suffix == ".csv":
            table = pyarrow.csv.read_csv(path, convert_options=_as_numbers())
        else:
            table = pyarrow.parquet.ParquetFile(path).read()
        table = table.rename_columns(present_names(table.column_names))
        missing = [name for name in NEEDED if name not in table.column_names]
        if missing:
            _refuse(path)
        wanted = [field for field in WITH_FOUND if field.name in table.column_names]
        unnamed = {name: np.full(table.num_rows, "", dtype=object) for name in ("clip", "name")}
        return unnamed | {field.name: _array(table[field.name], field.type) for field in wanted}
    except (pyarrow.ArrowException, ValueError, UnicodeDecodeError, OSError):
        _refuse(path)


def _as_numbers() -> Any:
    texts = {"clip", "name", "joint", "origin"}
    types = {name: pyarrow.string() if name in texts else pyarrow.float64() for name in WITH_FOUND.names}
    return pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True)


def _array(column: Any, kind: Any) -> Any:
    if pyarrow.types.is_string(kind):
        encoded = pyarrow.compute.fill_null(column.cast(pyarrow.string()), "").combine_chunks().dictionary_encode()
        return np.array([*encoded.dictionary.to_pylist(), ""], dtype=object)[encoded.indices.to_numpy()]
    values = column.cast(pyarrow.float64()).to_numpy().astype(np.float64)
    whole = pyarrow.types.is_int64(kind)
    if np.isinf(values).any() or (whole and (values != np.floor(values)).any()):
        raise ValueError("a number is out of range")
    return values


def _refuse(path: Path) -> NoReturn:
    """Say what is wrong: the formats' own reader is slower, but names the line."""
    parse_table(load_table(path), None)
    raise DataFormatError(f"{path}: this is not a table of poses as `posetrack run` writes it; write it again.")


def _slots(path: Path, names: Any) -> tuple[Skeleton, IntArray]:
    """The skeleton that has all joints of a table, and int64 [R] each row's slot."""
    unique, inverse = np.unique(names.astype(str), return_inverse=True)
    skeleton = skeleton_with(unique.tolist())
    if skeleton is None:
        _refuse(path)
    slots = np.array([skeleton.index(name) for name in unique], dtype=np.int64)
    return skeleton, slots[inverse] if len(slots) else np.zeros(0, dtype=np.int64)


def _grid(numbers: IntArray) -> IntArray:
    """All frames from the first to the last. A stride leaves out the same number of frames each time."""
    if len(numbers) < 2:
        return numbers
    return np.arange(numbers[0], numbers[-1] + 1, np.gcd.reduce(np.diff(numbers)), dtype=np.int64)


def _people(
    columns: dict[str, Any], shape: tuple[int, int], cells: IntArray, frames: IntArray, firsts: IntArray
) -> People:
    def spread(name: str) -> Doubles:
        values = np.full(shape[0] * shape[1], np.nan)
        values[cells] = columns[name]
        return values.reshape(shape)

    joints = np.stack([spread("x"), spread("y")], axis=-1)
    there = ~np.isnan(joints).any(axis=-1)
    origins = np.where(there, np.uint8(SEEN), np.uint8(0))
    raw, hidden = joints, None
    if {"raw_x", "raw_y", "origin"} <= columns.keys():
        origins, hidden = _origins(columns["origin"], cells, origins)
        unsaid = np.ones(shape[0] * shape[1], dtype=bool)
        unsaid[cells] = columns["origin"] == ""
        before = np.stack([spread("raw_x"), spread("raw_y")], axis=-1)
        raw = np.where(unsaid.reshape(*shape, 1) & np.isnan(before), joints, before)

    def of_people(names: tuple[str, ...]) -> Doubles | None:
        """float64 [M, 4]; ``None`` if there are none."""
        sides = [columns[name][firsts] for name in names if name in columns]
        boxes = np.stack(sides, axis=1) if len(sides) == len(names) else np.full((1, 1), np.nan)
        return None if np.isnan(boxes).all() else boxes

    boxes = of_people(BOX)
    return People(
        ids=columns["person"].astype(np.int64)[firsts],
        frames=frames,
        boxes=np.full((shape[0], 4), np.nan) if boxes is None else boxes,
        box_scores=columns["person_score"][firsts],
        joints=joints,
        joint_scores=spread("score"),
        raw=raw,
        origins=origins,
        identity=columns["identity"][firsts] if "identity" in columns else None,
        raw_boxes=of_people(RAW_BOX),
        sds=spread("sd") if "sd" in columns else None,
        hidden=hidden,
    )


def _origins(words: Any, cells: IntArray, default: Origins) -> tuple[Origins, BoolArray]:
    """uint8 [M, K] of a refined table's words, and bool [M, K]: the joint was hidden."""
    origins, hidden = default.ravel().copy(), np.zeros(default.size, dtype=bool)
    hidden[cells[words == HIDDEN]] = True
    for number, word in enumerate(ORIGINS[1:], start=1):
        origins[cells[words == word]] = number
    return np.where(default == 0, np.uint8(0), origins.reshape(default.shape)), hidden.reshape(default.shape)


def write_table_clip(path: Path, clip: Clip) -> None:
    """Write a refined table: the columns of ``run``'s, with the raw coordinates and the origin of each joint.

    Raises:
        OutputError: the file cannot be written. Nothing new is left behind.
    """
    people = people_of(clip.tracks, len(clip.skeleton))
    file = PendingFile(path)
    try:
        with output_errors(path):
            writer = _writer(path, file.stream, clip)
            for start in range(0, len(people.ids), _PEOPLE_AT_ONCE):
                writer.write_batch(_batch(clip, people, slice(start, start + _PEOPLE_AT_ONCE)))
            writer.close()
        file.commit()
    except BaseException:
        file.discard()
        raise


def _writer(path: Path, stream: Any, clip: Clip) -> Any:
    if path.suffix == ".csv":
        return csv_writer(stream, [clip.name, *(track.name or "" for track in clip.tracks)], WITH_FOUND)
    return parquet_writer(stream, WITH_FOUND)


def _batch(clip: Clip, people: RefinedPeople, part: slice) -> Any:
    slots = clip.skeleton.in_use
    names = np.array(clip.skeleton.joints, dtype=object)[slots]
    frames, words = people.frames[part], people.words(part)[:, slots].ravel()

    def of_people(values: Any) -> Any:
        return np.repeat(values, len(slots))

    def nullable(values: Any) -> Any:
        return pyarrow.array(values.astype(np.float32), mask=np.isnan(values))

    x, y = people.joints[part][:, slots].reshape(-1, 2).T
    raw_x, raw_y = people.raw[part][:, slots].reshape(-1, 2).T
    called = {track.track_id: track.name for track in clip.tracks}
    own = np.array([called[number] for number in people.ids[part].tolist()], dtype=object)
    columns = [
        pyarrow.repeat(printable(clip.name), len(frames) * len(slots)),
        pyarrow.array(of_people(clip.frames[frames])),
        pyarrow.array(of_people(clip.times[frames])),
        pyarrow.array(of_people(people.ids[part])),
        pyarrow.array(of_people(own), pyarrow.string()),
        nullable(of_people(people.box_scores[part])),
        pyarrow.array(np.tile(names, len(frames)), pyarrow.string()),
        nullable(x),
        nullable(y),
        nullable(people.joint_scores[part][:, slots].ravel()),
        *(nullable(of_people(side)) for side in people.boxes[part].T),
        nullable(raw_x),
        nullable(raw_y),
        pyarrow.array(words, pyarrow.string(), mask=words == ORIGINS[0]),
        nullable(people.sds[part][:, slots].ravel()),
        nullable(of_people(people.identity[part])),
        *(nullable(of_people(side)) for side in people.raw_boxes[part].T),
    ]
    return pyarrow.RecordBatch.from_arrays(columns, schema=WITH_FOUND)
