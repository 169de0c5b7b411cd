"""What is recorded of a clip, and whether what a file says of one can be true."""

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
    """One clip of the footage and what has become of it.

    Attributes:
        clip: Path relative to the footage's folder, with ``/``; a folder of images by the folder's path (``.``
            is the footage's folder itself).
        kind: ``video`` or ``images``.
        name: Name of its files: ``NAME_tracked.mp4``, ``NAME.json`` in the folder of OUT that mirrors the clip's.
        status: ``pending`` (not yet tried with these settings and this content, or interrupted), ``running``
            (being tracked; after a crash: was being tracked), ``done``, ``failed``.
        attempts: Times that it has been started with this content and these settings.
        error: Why it has failed, a sentence.
        warning: What the results of a clip that is done lack (its sound), a sentence.
        trace: Of an unexpected error, for whoever mends it.
        partial: It has failed because the file breaks off; the outputs hold all that could be read.
        frames, people, tracks: Frames tracked, most people in one frame, different people.
        seconds: By the clock, of the last try.
        source_fps: Nominal frames per second of the clip; None if unknown.
        outputs: ``video`` or a format's name -> path relative to OUT, with ``/``. Files of the last try that left
            any: those of a clip that waits to be done again, or has failed since, are of its earlier content or
            settings.
        output_bytes: Size of each, by the same keys.
        owned: The clip has been started at some time: files of its name in OUT are ours to replace.
        size: Bytes of the clip (of all its images).
        mtime_ns: When it was last changed, nanoseconds since 1970 (the latest of its images).
        digest: SHA-256 of the beginning and the end of its content.
        settings: SHA-256 of everything that decides over the results, apart from the clip itself.
        started_at, finished_at: Of the last try, UTC, ISO 8601.
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
"""Of the table of clips, in order."""

_JSON = ("outputs", "output_bytes")
_FLAGS = ("partial", "owned")

_MOST = 2**53
"""No count of anything comes near it."""


def row_of(record: ClipRecord) -> list[Any]:
    """A record as the table keeps it."""
    values = {name: getattr(record, name) for name in COLUMNS}
    values |= {name: json.dumps(values[name], ensure_ascii=False) for name in _JSON}
    values |= {name: int(values[name]) for name in _FLAGS}
    return list(values.values())


def record_of(row: Sequence[object]) -> ClipRecord:
    """A record from the table, none of which is believed unseen.

    The files that it names must be those of a clip of its path and name, so that nobody reads or removes others.

    Raises:
        ValueError: what is wrong with it.
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
        raise ValueError(f"{name} is no JSON") from error


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _is_time(value: object) -> bool:
    return type(value) is int and abs(value) < 2**63


def _is_flag(value: object) -> bool:
    return type(value) is int and value in (0, 1)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < _MOST and math.isfinite(value)  # type: ignore[operator, arg-type]


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
"""Whether a column's value can be true, as it comes out of the table (JSON read)."""
