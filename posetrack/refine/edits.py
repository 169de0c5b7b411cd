"""Repairs of tracks, one class each. Frames are given by their numbers in the source, people by their ids.

Ids are those of the clip's file, and those that splits assign. A repair refers to people as the repairs before it
leave them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from posetrack.errors import ConfigError, DataFormatError
from posetrack.formats.names import LONGEST_NAME, is_name
from posetrack.ranges import require_kinds
from posetrack.refine.bench import Bench
from posetrack.refine.clip import Clip, Track, joined
from posetrack.refine.hand import hidden, placed
from posetrack.refine.sides import mirrored
from posetrack.types import BoolArray


class _Checked:
    """Fields of other kinds are refused."""

    __slots__ = ()

    def __post_init__(self) -> None:
        require_kinds(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(_Checked):
    """Two people are one, who has the first id. Where both are seen, the more certain pose stays."""

    people: tuple[int, int]

    def apply(self, bench: Bench) -> None:
        """Raises ``ConfigError`` if they are seen in two places at once."""
        one, other = map(bench.track, self.people)
        if one is other:
            raise ConfigError(f"{one.track_id} is one person already")
        both, mine, theirs = np.intersect1d(one.frames, other.frames, assume_unique=True, return_indices=True)
        apart = _apart(one[mine], other[theirs])
        if apart.any():
            raise ConfigError(
                f"{one.track_id} and {other.track_id} are in two places at {one.times[mine][apart][0]:.2f} s, so "
                "they are two people: split one of them first"
            )
        weaker = one.joint_scores[mine].sum(axis=1) < other.joint_scores[theirs].sum(axis=1)
        parts = [one[~np.isin(one.frames, both[weaker])], other[~np.isin(other.frames, both[~weaker])]]
        whole = joined(one.track_id, parts).replace(name=one.name or other.name)
        bench.rename(other.track_id, one.track_id)
        bench.remove(other.track_id)
        bench.put(whole)
        bench.certain.add(one.track_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split(_Checked):
    """From a frame on, the track is another person: ``into``, an unused id."""

    person: int
    frame: int
    into: int

    def apply(self, bench: Bench) -> None:
        """Raises ``ConfigError`` if there is nothing to split."""
        track, place = bench.track(self.person), bench.place(self.frame)
        if self.into in bench.tracks or self.into < 0:
            raise ConfigError(f"{self.into} is not a new person")
        later = track.frames >= place
        if later.all() or not later.any():
            raise ConfigError(f"{self.person} is not seen on both sides of frame {self.frame}")
        bench.put(track[~later])
        bench.put(track[later].replace(track_id=self.into, name=None))
        bench.certain.discard(self.person)
        bench.tell_apart(self.person, self.into)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(_Checked):
    """This is not a person, or not wanted."""

    person: int

    def apply(self, bench: Bench) -> None:
        """Raises ``ConfigError`` if there is no such person."""
        bench.track(self.person)
        bench.remove(self.person)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(_Checked):
    """From a frame on, each of two people is the other."""

    people: tuple[int, int]
    frame: int

    def apply(self, bench: Bench) -> None:
        """Raises ``ConfigError`` if neither is seen from there on."""
        one, other = map(bench.track, self.people)
        place = bench.place(self.frame)
        if one is other:
            raise ConfigError(f"{one.track_id} cannot be exchanged with itself")
        ends = [track[track.frames >= place] for track in (one, other)]
        if not len(ends[0]) and not len(ends[1]):
            raise ConfigError(f"neither {one.track_id} nor {other.track_id} is seen from frame {self.frame} on")
        for track, end in zip((one, other), reversed(ends), strict=True):
            begin = track[track.frames < place]
            bench.put(joined(track.track_id, [begin, end]).replace(name=track.name))
            bench.certain.add(track.track_id)
        bench.tell_apart(*self.people)
        bench.certain &= bench.tracks.keys()
        bench.different = {pair for pair in bench.different if set(pair) <= bench.tracks.keys()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides(_Checked):
    """Left and right of a person are exchanged from one frame to another."""

    person: int
    first: int
    last: int

    def apply(self, bench: Bench) -> None:
        """Raises ``ConfigError`` if the person is not seen there."""
        track = bench.track(self.person)
        rows = _rows(track, bench, self.first, self.last)
        known = np.zeros(len(track), dtype=bool) if track.sides_known is None else track.sides_known
        bench.put(mirrored(track, bench.clip().skeleton, rows).replace(sides_known=known | rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(_Checked):
    """A joint is at a place, in pixels."""

    person: int
    frame: int
    joint: str
    x: float
    y: float

    def __post_init__(self) -> None:
        require_kinds(self)
        for value in (self.x, self.y):
            if abs(value) > 1e6:
                raise ConfigError(f"{value:g} is too far away for a pixel")

    def apply(self, bench: Bench) -> None:
        """Raises ``ConfigError`` if there is no such person, frame or joint."""
        slot, place = bench.slot(self.joint), bench.place(self.frame)
        track, row = bench.with_row(self.person, place)
        bench.put(placed(track, row, slot, self.x, self.y))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hide(_Checked):
    """A joint is not to be seen from one frame to another."""

    person: int
    first: int
    last: int
    joint: str

    def apply(self, bench: Bench) -> None:
        """Raises ``ConfigError`` if there is no such joint, or the person is not seen there."""
        slot, track = bench.slot(self.joint), bench.track(self.person)
        rows = np.flatnonzero(_rows(track, bench, self.first, self.last))
        span = slice(int(rows[0]), int(rows[-1]) + 1)
        bench.put(hidden(track, span, slot))


@dataclass(frozen=True, slots=True, kw_only=True)
class Name(_Checked):
    """A person has a name; an empty one takes it away."""

    person: int
    name: str

    def apply(self, bench: Bench) -> None:
        """Raises ``ConfigError`` if the name is no name, or another person's."""
        track = bench.track(self.person)
        if self.name and not is_name(self.name):
            raise ConfigError(
                f"a name has at most {LONGEST_NAME} printable characters, the first of them a letter or digit"
            )
        namesake = next((one for one in bench.tracks.values() if self.name and one.name == self.name), None)
        if namesake is not None and namesake is not track:
            raise ConfigError(f"{self.name} is person {namesake.track_id}: join the two instead")
        bench.put(track.replace(name=self.name or None))
        if self.name:
            bench.certain.add(self.person)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(_Checked):
    """A person becomes a subject (the second pass keeps only subjects), or is no longer one."""

    person: int
    subject: bool = True

    def apply(self, bench: Bench) -> None:
        """Raises ``ConfigError`` if there is no such person."""
        bench.track(self.person)
        if self.subject:
            bench.subjects.add(self.person)
            bench.certain.add(self.person)
        else:
            bench.subjects.discard(self.person)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(_Checked):
    """The user has confirmed doubtful people in a frame: each is the same person before and after it."""

    people: tuple[int, ...]
    frame: int

    def apply(self, bench: Bench) -> None:
        """Raises ``ConfigError`` if there is no such person or frame."""
        place = bench.place(self.frame)
        for number in self.people:
            bench.uncut.add((bench.track(number).track_id, place))


Edit = Join | Split | Delete | Exchange | Sides | Move | Hide | Name | Mark | Check

KINDS: dict[str, type[Edit]] = {
    "join": Join, "split": Split, "delete": Delete, "exchange": Exchange, "sides": Sides, "move": Move,
    "hide": Hide, "name": Name, "subject": Mark, "check": Check,
}  # fmt: skip
"""The words that files and the page use for them."""


def applied(edits: Iterable[Edit], clip: Clip) -> Bench:
    """A clip's tracks after some repairs.

    Raises:
        DataFormatError: a repair does not fit the clip.
    """
    bench = Bench(clip)
    for number, edit in enumerate(edits, start=1):
        try:
            edit.apply(bench)
        except ConfigError as error:
            raise DataFormatError(
                f"repair {number} ({word(edit)}) does not fit: {error}; undo it, or give the tracks it was for."
            ) from error
    return bench


def word(edit: Edit) -> str:
    """The word for a repair's kind."""
    return next(name for name, kind in KINDS.items() if isinstance(edit, kind))


def _apart(one: Track, other: Track) -> BoolArray:
    """bool [T]: boxes that do not touch."""
    low, high = np.maximum(one.boxes[:, :2], other.boxes[:, :2]), np.minimum(one.boxes[:, 2:], other.boxes[:, 2:])
    gap: BoolArray = np.any(low > high, axis=1)
    return gap


def _rows(track: Track, bench: Bench, first: int, last: int) -> BoolArray:
    """bool [T]: rows from one frame to another; at least one."""
    begin, end = bench.place(first), bench.place(last)
    rows: BoolArray = (track.frames >= begin) & (track.frames <= end)
    if not rows.any():
        raise ConfigError(f"{track.track_id} is not seen from frame {first} to {last}")
    return rows
