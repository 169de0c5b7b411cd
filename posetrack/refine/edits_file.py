"""``NAME.edits.json``: the repairs of a clip, in the order in which they were made, including undone ones.

Plain JSON, one repair per line. The file names the tracks it is for. Its version grows with every change, so that
two windows do not overwrite each other. Nothing is removed from it: undone repairs stay, marked as undone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import orjson

from posetrack.errors import ConfigError, DataFormatError, OutputError
from posetrack.files.pending import write_file
from posetrack.refine.clip import Clip
from posetrack.refine.edits import KINDS, Edit, applied, word
from posetrack.refine.same_tracks import Places, are_same, fingerprint, places

_FORMAT, _FORMAT_VERSION = "posetrack edits", 1
_LARGEST_BYTES = 64 * 2**20


class EditConflict(OutputError):
    """The repairs were changed elsewhere in the meantime."""


@dataclass(frozen=True, slots=True)
class Step:
    """A repair.

    Attributes:
        edit: What is done.
        undone: The version in which it was undone; 0 if it was not.
    """

    edit: Edit
    undone: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All repairs of a clip.

    Attributes:
        people: Fingerprint of the tracks that they are for.
        places: Where their people are; None in files of earlier versions.
        size: Width and height of the video that they were made over; None if there was none.
        video: Its digest (``video.identity.Identity``); None if there was none, or images.
        version: Grows with every change; 0 before the first.
        steps: In the order in which they were made.
    """

    people: str
    places: Places | None = None
    size: tuple[int, int] | None = None
    video: str | None = None
    version: int = 0
    steps: tuple[Step, ...] = ()

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The repairs that are not undone."""
        return tuple(step.edit for step in self.steps if not step.undone)

    def done(self, edit: Edit) -> History:
        """With one more repair."""
        return self._next((*self.steps, Step(edit)))

    def toggled(self, number: int) -> History:
        """With one repair undone, or done again.

        Raises:
            ConfigError: there is no such repair.
        """
        if not 0 <= number < len(self.steps):
            raise ConfigError(f"There is no repair {number + 1}.")
        steps = list(self.steps)
        steps[number] = replace(steps[number], undone=0 if steps[number].undone else self.version + 1)
        return self._next(tuple(steps))

    @property
    def undoable(self) -> int | None:
        """The last repair that is not undone."""
        return next((place for place in reversed(range(len(self.steps))) if not self.steps[place].undone), None)

    @property
    def redoable(self) -> int | None:
        """Of the repairs undone at the end, the one that was undone last."""
        last = self.undoable
        following = range(0 if last is None else last + 1, len(self.steps))
        return max(following, key=lambda place: self.steps[place].undone, default=None)

    def _next(self, steps: tuple[Step, ...]) -> History:
        return replace(self, version=self.version + 1, steps=steps)


def edits_path(results: Path) -> Path:
    """Where the repairs of a file of tracks are.

    >>> edits_path(Path("out/street.parquet")).name
    'street.edits.json'
    """
    return results.with_name(f"{results.stem}.edits.json")


def read_history(path: Path, clip: Clip, size: tuple[int, int] | None = None, video: str | None = None) -> History:
    """The repairs of a clip.

    Args:
        path: The file.
        clip: The clip, as read from its own file.
        size: Width and height of its video, if that is known.
        video: Digest of its video, if the clip does not know it.

    Raises:
        DataFormatError: the file is missing, damaged or of a newer version, or does not fit this clip or video.
    """
    data = _load(path)
    try:
        history = History(
            people=data["people"],
            places=_places(data.get("places")),
            size=tuple(data["size"]) if data.get("size") is not None else None,
            video=data.get("video"),
            version=int(data["version"]),
            steps=tuple(_step(one) for one in data["edits"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError, ConfigError) as error:
        raise _damaged(path, error) from error
    if history.people != fingerprint(clip) or not are_same(history.places or places(clip), places(clip)):
        raise DataFormatError(
            f"{path}: these repairs are of other tracks; give the file that they were made for (NAME.tracks "
            "and the results of the second pass hold different tracks), or move the repairs away to start again."
        )
    if None not in (size, history.size) and size != history.size:
        raise DataFormatError(
            f"{path}: these repairs were made over a video of {_times(history.size)} pixels, and this one has "
            f"{_times(size)}; give that video (--video)."
        )
    given = clip.video or video
    if history.video and given and history.video != given:
        raise DataFormatError(
            f"{path}: these repairs were made over another video; give those of this one, or move them away to "
            "start again."
        )
    try:
        applied(history.edits, clip)
    except DataFormatError as error:
        raise DataFormatError(f"{path}: {error}") from error
    return history


def _times(size: tuple[int, int] | None) -> str:
    return "x".join(map(str, size or ()))


def _load(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise DataFormatError(f"{path}: this is too large for a file of repairs; give another.")
        data = orjson.loads(path.read_bytes())
    except OSError as error:
        raise DataFormatError(f"{path}: cannot be read ({error.strerror}); check the path.") from error
    except orjson.JSONDecodeError as error:
        raise _damaged(path, error) from error
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise DataFormatError(
            f"{path}: this is not a file of repairs; give one that `posetrack review` has written."
        )
    if data.get("format_version") != _FORMAT_VERSION:
        raise DataFormatError(f"{path}: a newer posetrack has written this file; update posetrack to read it.")
    return data


def _damaged(path: Path, error: Exception) -> DataFormatError:
    return DataFormatError(
        f"{path}: the file is damaged ({error}); correct it, restore a copy, or move it away to start again."
    )


def _places(data: Mapping[str, Any] | None) -> Places | None:
    return None if data is None else {str(who): (float(x), float(y)) for who, (x, y) in data.items()}


def _step(data: Mapping[str, Any]) -> Step:
    rest = dict(data)
    undone = rest.pop("undone", 0)
    if not isinstance(undone, int) or undone < 0:
        raise ConfigError("'undone' must be the version in which the repair was undone, or true")
    return Step(parse_edit(rest), int(undone))


def parse_edit(data: Mapping[str, Any]) -> Edit:
    """A repair as JSON has it: its ``kind`` and its fields.

    Raises:
        ConfigError: there is no such kind, or its fields are others.
    """
    kind = KINDS.get(str(data.get("kind")))
    if kind is None:
        raise ConfigError(f"there is no repair of the kind {data.get('kind')!r}")
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name != "kind"
    }
    known = {one.name for one in fields(kind)}
    if not given.keys() <= known:
        raise ConfigError(f"{', '.join(sorted(given.keys() - known))!r} does not belong to '{data['kind']}'")
    try:
        return kind(**given)
    except TypeError as error:
        raise ConfigError(f"'{data['kind']}' lacks a field") from error


def edit_as_json(edit: Edit) -> dict[str, Any]:
    """What ``parse_edit`` reads."""
    return {"kind": word(edit), **asdict(edit)}


def write_history(path: Path, history: History, results: Path) -> None:
    """Replace the file by the next version of itself.

    Args:
        path: The file of repairs.
        history: One version after that on the disk.
        results: The file of tracks, which is locked meanwhile, and left as it is.

    Raises:
        EditConflict: the file on the disk is not the version before.
        OutputError: it cannot be written.
    """
    lines = [
        orjson.dumps({**edit_as_json(step.edit), **({"undone": step.undone} if step.undone else {})})
        for step in history.steps
    ]
    head = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "tracks": results.name,
        "people": history.people,
        "places": history.places,
        "size": history.size,
        "video": history.video,
        "version": history.version,
    }
    content = orjson.dumps(head)[:-1] + b',"edits":[\n' + b",\n".join(lines) + b"\n]}\n"
    with _locked(results):
        found = int(_load(path)["version"]) if os.path.lexists(path) else 0
        if found != history.version - 1:
            raise EditConflict(
                f"{path} has been changed elsewhere meanwhile (version {found}); load the page again, and repeat "
                "the repair."
            )
        write_file(path, content)


@contextmanager
def _locked(results: Path) -> Iterator[None]:
    """No other review of the same tracks writes meanwhile. Needs no file of its own."""
    with results.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
