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
from posetrack.formats.arrow_tables import COLUMNS
from posetrack.formats.checks import check_size
from posetrack.formats.tables import BOX, NEEDED, load_table, parse_table
from posetrack.refine.clip import ORIGINS, SEEN, Clip, Doubles, Origins, Track
from posetrack.refine.rows import People, RefinedPeople, people_of, tracks_of
from posetrack.refine.times import frame_times
from posetrack.skeletons import SKELETONS, Skeleton, skeleton_with
from posetrack.types import IntArray

_REFINED = [
    ("raw_x", pyarrow.float32()),
    ("raw_y", pyarrow.float32()),
    ("origin", pyarrow.string()),
]
"""Columns that only refined tables have, and that are read again."""

_RAW_BOX = ("raw_box_x1", "raw_box_y1", "raw_box_x2", "raw_box_y2")
_RAW_BOXES = [(name, pyarrow.float32()) for name in _RAW_BOX]
"""Boxes as they were found; likewise."""

_ERROR_BARS = [("sd", pyarrow.float32())]
"""And those that the second pass estimates anew each time; measures use them."""

_IDENTITY = [("identity", pyarrow.float32())]

_SCHEMA = pyarrow.schema([*COLUMNS, *_REFINED, *_ERROR_BARS, *_IDENTITY, *_RAW_BOXES])
_NAME = pyarrow.field("name", pyarrow.string())
"""Of tables in which somebody has a name."""

_READ = pyarrow.schema([*COLUMNS, *_REFINED, *_ERROR_BARS, *_IDENTITY, *_RAW_BOXES, _NAME])
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
    people, firsts = _people_of_rows(columns["frame"].astype(np.int64), columns["track_id"].astype(np.int64))
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
    tracks = _named(tracks_of(cast, times), cast.ids, columns.get("name"), firsts)
    return Clip(name=path.stem, skeleton=skeleton, frames=frames, times=times, tracks=tracks)


def _named(tracks: tuple[Track, ...], ids: IntArray, names: Any, firsts: IntArray) -> tuple[Track, ...]:
    """The tracks with the names of a table that has some."""
    if names is None:
        return tracks
    known = dict(zip(ids.tolist(), names[firsts].tolist(), strict=True))
    return tuple(track.replace(name=known[track.track_id] or None) for track in tracks)


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
        missing = [name for name in NEEDED if name not in table.column_names]
        if missing:
            _refuse(path)
        wanted = [field for field in _READ if field.name in table.column_names]
        return {field.name: _array(table[field.name], field.type) for field in wanted}
    except (pyarrow.ArrowException, ValueError, UnicodeDecodeError, OSError):
        _refuse(path)


def _as_numbers() -> Any:
    texts = {"joint", "origin", "name"}
    types = {name: pyarrow.string() if name in texts else pyarrow.float64() for name in _READ.names}
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
    raise DataFormatError(f"{path}: this is no table of poses as `posetrack run` writes it; write it again.")


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
    raw, boxes = joints, np.full((shape[0], 4), np.nan)
    if all(name in columns for name, _ in _REFINED):
        origins = _origins(columns["origin"], cells, origins)
        raw = np.stack([spread("raw_x"), spread("raw_y")], axis=-1)
    if all(name in columns for name in BOX):
        boxes = np.stack([columns[name][firsts] for name in BOX], axis=1)
    raw_boxes = None
    if all(name in columns for name in _RAW_BOX):
        raw_boxes = np.stack([columns[name][firsts] for name in _RAW_BOX], axis=1)
    return People(
        ids=columns["track_id"].astype(np.int64)[firsts],
        frames=frames,
        boxes=boxes,
        box_scores=columns["person_score"][firsts],
        joints=joints,
        joint_scores=spread("score"),
        raw=raw,
        origins=origins,
        identity=columns["identity"][firsts] if "identity" in columns else None,
        raw_boxes=raw_boxes,
        sds=spread("sd") if "sd" in columns else None,
    )


def _origins(words: Any, cells: IntArray, default: Origins) -> Origins:
    """uint8 [M, K] of a refined table's words."""
    origins = default.ravel().copy()
    for number, word in enumerate(ORIGINS[1:], start=1):
        origins[cells[words == word]] = number
    return np.where(default == 0, np.uint8(0), origins.reshape(default.shape))


def write_table_clip(path: Path, clip: Clip) -> None:
    """Write a refined table: the columns of ``run``'s, with the raw coordinates and the origin of each joint.

    Raises:
        OutputError: the file cannot be written. Nothing new is left behind.
    """
    people = people_of(clip.tracks, len(clip.skeleton))
    file = PendingFile(path)
    try:
        with output_errors(path):
            schema = _schema(clip)
            writer = _writer(path, file.stream, schema)
            for start in range(0, len(people.ids), _PEOPLE_AT_ONCE):
                writer.write_batch(_batch(clip, people, slice(start, start + _PEOPLE_AT_ONCE), schema))
            writer.close()
        file.commit()
    except BaseException:
        file.discard()
        raise


def _schema(clip: Clip) -> Any:
    return _SCHEMA.append(_NAME) if any(track.name for track in clip.tracks) else _SCHEMA


def _writer(path: Path, stream: Any, schema: Any) -> Any:
    if path.suffix == ".csv":
        options = pyarrow.csv.WriteOptions(quoting_style="needed" if _NAME in schema else "none")
        return pyarrow.csv.CSVWriter(stream, schema, write_options=options)
    return pyarrow.parquet.ParquetWriter(stream, schema)


def _batch(clip: Clip, people: RefinedPeople, part: slice, schema: Any) -> Any:
    slots = clip.skeleton.in_use
    names = np.array(clip.skeleton.joints, dtype=object)[slots]
    frames, origins = people.frames[part], people.origins[part][:, slots].ravel()

    def of_people(values: Any) -> Any:
        return np.repeat(values, len(slots))

    def nullable(values: Any) -> Any:
        return pyarrow.array(values.astype(np.float32), mask=np.isnan(values))

    x, y = people.joints[part][:, slots].reshape(-1, 2).T
    raw_x, raw_y = people.raw[part][:, slots].reshape(-1, 2).T
    columns = [
        pyarrow.array(of_people(clip.frames[frames])),
        pyarrow.array(of_people(clip.times[frames])),
        pyarrow.array(of_people(people.ids[part])),
        nullable(of_people(people.box_scores[part])),
        pyarrow.array(np.tile(names, len(frames)), pyarrow.string()),
        nullable(x),
        nullable(y),
        nullable(people.joint_scores[part][:, slots].ravel()),
        *(nullable(of_people(side)) for side in people.boxes[part].T),
        nullable(raw_x),
        nullable(raw_y),
        pyarrow.array(np.array(ORIGINS, dtype=object)[origins], pyarrow.string(), mask=origins == 0),
        nullable(people.sds[part][:, slots].ravel()),
        nullable(of_people(people.identity[part])),
        *(nullable(of_people(side)) for side in people.raw_boxes[part].T),
    ]
    if _NAME in schema:
        called = {track.track_id: track.name for track in clip.tracks}
        own = np.array([called[number] for number in people.ids[part].tolist()], dtype=object)
        columns.append(pyarrow.array(of_people(own), pyarrow.string()))
    return pyarrow.RecordBatch.from_arrays(columns, schema=schema)
