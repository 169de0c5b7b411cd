"""Tables of measures and of steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet

from posetrack.errors import ConfigError
from posetrack.files.pending import write_file
from posetrack.measures.measuring import Measured, Series

SUFFIXES = (".csv", ".parquet")


def check_table(path: Path) -> None:
    """Refuse a file that is neither CSV nor Parquet. Raises ``ConfigError``."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path}: the table is CSV or Parquet; give a name that ends with .csv or .parquet.")


def write_table(path: Path, table: Any) -> None:
    """Write a table, CSV or Parquet by the file's ending.

    Raises:
        OutputError: it cannot be written.
    """
    stream = pyarrow.BufferOutputStream()
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, stream)
    else:
        pyarrow.csv.write_csv(table, stream, pyarrow.csv.WriteOptions(quoting_style="needed"))
    write_file(path, bytes(stream.getvalue()))


def long_table(people: Sequence[Measured]) -> Any:
    """One row per person, measure and frame in which it can be measured."""
    parts = [_rows(person, series) for person in people for series in person.series]
    return pyarrow.concat_tables(parts) if parts else _EMPTY.empty_table()


_EMPTY = pyarrow.schema(
    [
        ("clip", pyarrow.string()),
        ("frame", pyarrow.int64()),
        ("time_s", pyarrow.float64()),
        ("person", pyarrow.int64()),
        ("name", pyarrow.string()),
        ("measure", pyarrow.string()),
        ("value", pyarrow.float64()),
        ("unit", pyarrow.string()),
        ("sd", pyarrow.float64()),
        ("score", pyarrow.float64()),
        ("filled", pyarrow.bool_()),
    ]
)
"""Columns of the long table."""

_DIGITS = 6


def _rows(person: Measured, series: Series) -> Any:
    body = person.body
    known = np.flatnonzero(np.isfinite(series.values))
    count = len(known)
    columns = [
        pyarrow.array([body.clip.name] * count, pyarrow.string()),
        pyarrow.array(body.clip.frames[body.track.frames[known]]),
        pyarrow.array(body.times[known].round(_DIGITS)),
        pyarrow.array(np.full(count, body.track.track_id, dtype=np.int64)),
        pyarrow.array([body.track.name] * count, pyarrow.string()),
        pyarrow.array([series.name] * count, pyarrow.string()),
        pyarrow.array(series.values[known].round(_DIGITS)),
        pyarrow.array([series.unit] * count, pyarrow.string()),
        _nullable(series.sds[known]),
        _nullable(series.scores[known]),
        pyarrow.array(series.filled[known]),
    ]
    return pyarrow.Table.from_arrays(columns, schema=_EMPTY)


def wide_table(people: Sequence[Measured]) -> Any:
    """One row per person and frame, a column per measure with its unit, such as ``left_knee_flexion_deg``."""
    names = list(dict.fromkeys((one.name, one.unit) for person in people for one in person.series))
    columns: dict[str, list[Any]] = {name: [] for name in ("clip", "frame", "time_s", "person")}
    columns |= {_heading(name, unit): [] for name, unit in names}
    for person in people:
        body, series = person.body, {one.name: one for one in person.series}
        count = len(body.track)
        columns["clip"].append(np.array([body.clip.name] * count, dtype=object))
        columns["frame"].append(body.clip.frames[body.track.frames])
        columns["time_s"].append(body.times.round(_DIGITS))
        columns["person"].append(np.full(count, body.track.track_id))
        for name, unit in names:
            values = series[name].values if name in series else np.full(count, np.nan)
            columns[_heading(name, unit)].append(values.round(_DIGITS))
    return pyarrow.table({name: _column(parts) for name, parts in columns.items()})


def step_table(people: Sequence[Measured]) -> Any:
    """One row per event: which foot struck or left the ground, when."""
    events = [(person.body, step) for person in people for step in person.steps]
    frames = [int(body.clip.frames[body.track.frames[step.place]]) for body, step in events]
    times = [round(float(body.times[step.place]), _DIGITS) for body, step in events]
    return pyarrow.table(
        {
            "clip": pyarrow.array([body.clip.name for body, _ in events], pyarrow.string()),
            "person": pyarrow.array([body.track.track_id for body, _ in events], pyarrow.int64()),
            "side": pyarrow.array([step.side for _, step in events], pyarrow.string()),
            "event": pyarrow.array([step.event for _, step in events], pyarrow.string()),
            "frame": pyarrow.array(frames, pyarrow.int64()),
            "time_s": pyarrow.array(times, pyarrow.float64()),
        }
    )


def _heading(name: str, unit: str) -> str:
    return f"{name}_{unit.replace('/', '_per_')}"


def _column(parts: list[Any]) -> Any:
    values = np.concatenate(parts)
    return pyarrow.array(values, mask=np.isnan(values)) if values.dtype.kind == "f" else pyarrow.array(values)


def _nullable(values: Any) -> Any:
    return pyarrow.array(values.round(_DIGITS), mask=np.isnan(values))
