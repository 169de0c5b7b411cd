"""The record of a clip, and the checks on records read from a file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

import orjson

from posetrack.batch.names import files_of, is_clip, is_name

Kind = Literal["video", "images"]
Status = Literal["pending", "running", "done", "failed"]


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """One clip and its state.

    Attributes:
        clip: Path relative to the footage folder (separator ``/``). ``.`` is the footage folder itself, if it
            holds images.
        kind: ``video`` or ``images``.
        name: Stem of its files: ``NAME_tracked.mp4``, ``NAME.json``, in the folder of OUT that mirrors the clip's.
        status: ``pending`` (not yet tried with this content and these settings, or interrupted), ``running`` (also
            after a crash), ``done`` or ``failed``.
        attempts: Number of starts with this content and these settings.
        error: Why it failed, as a sentence.
        warning: What the results of a done clip lack (its sound), as a sentence.
        trace: Traceback of an unexpected error.
        partial: The file ends early; the outputs hold everything that could be read.
        frames, people, tracks: Frames tracked, most people in one frame, different people.
        seconds: Wall time of the last attempt.
        source_fps: Nominal frames per second of the clip; ``None`` if unknown.
        outputs: ``video`` or a format's name -> path relative to OUT (separator ``/``). Files of the last attempt
            that wrote any, which may have had other content or settings if the clip is not ``done``.
        output_bytes: Size of each output, by the same keys.
        owned: The clip was started at least once, so files of its name in OUT may be replaced.
        size: Bytes of the clip (of all its images).
        mtime_ns: Last modification, nanoseconds since 1970 (of its latest image).
        digest: SHA-256 of the start and end of its content (see ``identity.Identity``).
        settings: SHA-256 of everything that affects the results, except the clip itself.
        started_at, finished_at: Time of the last attempt, UTC, ISO 8601.
    """

    clip: str
    kind: Kind
    name: str
    status: Status = "pending"
    attempts: int = 0
    error: str | None = None
    warning: str | None = None
    trace: str | None = None
    partial: bool = False
    frames: int = 0
    people: int = 0
    tracks: int = 0
    seconds: float = 0.0
    source_fps: float | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    output_bytes: dict[str, int] = field(default_factory=dict)
    owned: bool = False
    size: int = 0
    mtime_ns: int = 0
    digest: str = ""
    settings: str = ""
    started_at: str | None = None
    finished_at: str | None = None

    @property
    def fps(self) -> float:
        """Frames tracked per second."""
        return self.frames / self.seconds if self.seconds else 0.0


COLUMNS = tuple(field.name for field in fields(ClipRecord))
"""Columns of the table of clips, in order."""

_JSON = ("outputs", "output_bytes")
_FLAGS = ("partial", "owned")

_LIMIT = 2**53
"""Upper bound of any plausible number."""


def row_of(record: ClipRecord) -> list[Any]:
    """A record as a row of the table."""
    values = {name: getattr(record, name) for name in COLUMNS}
    values |= {name: json.dumps(values[name], ensure_ascii=False) for name in _JSON}
    values |= {name: int(values[name]) for name in _FLAGS}
    return list(values.values())


def record_of(row: Sequence[object]) -> ClipRecord:
    """Read a record from a row of the table, checking every value.

    The outputs must be files that a clip of this path and name can have, so that no others are read or removed.

    Raises:
        ValueError: a value is impossible; says which.
    """
    values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    for name in _JSON:
        values[name] = _parsed(name, values[name])
    for name, value in values.items():
        if not _CHECKS[name](value):
            raise ValueError(f"{name} is {_shortened(value)}")
    if not values["output_bytes"].keys() <= values["outputs"].keys():
        raise ValueError("output_bytes names more files than outputs")
    allowed = files_of(values["clip"], values["name"])
    for kind, path in values["outputs"].items():
        if allowed.get(kind) != path:
            raise ValueError(f"outputs names {_shortened(path)} as {_shortened(kind)}")
    values |= {name: bool(values[name]) for name in _FLAGS}
    return ClipRecord(**values)


def _parsed(name: str, text: object) -> object:
    if not isinstance(text, str):
        raise ValueError(f"{name} is {_shortened(text)}")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{name} is not JSON") from error


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _LIMIT


def _is_time(value: object) -> bool:
    return type(value) is int and abs(value) < 2**63


def _is_flag(value: object) -> bool:
    return type(value) is int and value in (0, 1)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < _LIMIT and math.isfinite(value)  # type: ignore[operator, arg-type]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _or_none(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


def _maps_texts_to(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


_CHECKS: dict[str, Callable[[object], bool]] = {
    "clip": is_clip,
    "kind": lambda value: value in get_args(Kind),
    "name": is_name,
    "status": lambda value: value in get_args(Status),
    "attempts": _is_count,
    "error": _or_none(_is_text),
    "warning": _or_none(_is_text),
    "trace": _or_none(_is_text),
    "partial": _is_flag,
    "frames": _is_count,
    "people": _is_count,
    "tracks": _is_count,
    "seconds": _is_number,
    "source_fps": _or_none(_is_number),
    "outputs": _maps_texts_to(_is_text),
    "output_bytes": _maps_texts_to(_is_count),
    "owned": _is_flag,
    "size": _is_count,
    "mtime_ns": _is_time,
    "digest": _is_text,
    "settings": _is_text,
    "started_at": _or_none(_is_text),
    "finished_at": _or_none(_is_text),
}
"""For each column, whether a value from the table (with JSON parsed) is possible."""
