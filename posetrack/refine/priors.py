"""What the user knows about the people in a clip, and how it is written on the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from posetrack.errors import ConfigError
from posetrack.ranges import require_kinds
from posetrack.refine.clip import Clip, Track, joined
from posetrack.refine.sides import Swap

_NUMBER = r"(\d+(?:\.\d+)?)"
_ID = r"(-?\d+)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A person to keep.

    Attributes:
        kind: ``largest``, ``central``, ``longest``, or ``at``: the person at a place.
        x, y: The place, in pixels.
        time_s: When the person is there. ``None`` is the first time at which anyone is.
    """

    kind: str
    x: float = 0.0
    y: float = 0.0
    time_s: float | None = None

    def __post_init__(self) -> None:
        require_kinds(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """Constraints on the people; ids are those of the file that is refined.

    Attributes:
        least, most: How many people there are; ``None`` if unknown. With ``most``, everything else is dropped.
        subjects: The people to keep; all others are dropped. Empty keeps all.
        same: Groups of ids that are one person each.
        different: Pairs of ids that are different people.
        drop: Ids that are dropped.
        swaps: When left and right of a person are exchanged.
        certain: Ids of tracks that are one person each: they are neither cut nor dropped.
        uncut: Id and place of a frame at which this person is not cut.
    """

    least: int | None = None
    most: int | None = None
    subjects: tuple[Subject, ...] = ()
    same: tuple[tuple[int, ...], ...] = ()
    different: tuple[tuple[int, int], ...] = ()
    drop: tuple[int, ...] = ()
    swaps: tuple[Swap, ...] = ()
    certain: tuple[int, ...] = ()
    uncut: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        require_kinds(self)

    def apply(self, clip: Clip) -> Clip:
        """The clip without those who are dropped, and with those joined who are the same.

        Raises:
            ConfigError: a constraint names nobody, or contradicts the clip or another.
        """
        self._check(clip)
        groups = merged_groups(self.same)
        for one, other in self.different:
            if any(one in group and other in group for group in groups):
                raise ConfigError(
                    f"{one} and {other} cannot be both the same and different people; leave one out."
                )
        tracks = {track.track_id: track for track in clip.tracks if track.track_id not in self.drop}
        for group in groups:
            parts = [tracks.pop(number) for number in group]
            _refuse_simultaneous(parts)
            tracks[group[0]] = joined(group[0], parts)
        return clip.with_tracks(list(tracks.values()))

    @property
    def whole(self) -> set[int]:
        """Ids of tracks that are not to be cut after ``apply``."""
        names = self._names()
        return {names.get(number, number) for number in self.certain} | set(names.values())

    def _names(self) -> dict[int, int]:
        """Ids before and after ``apply`` of those who are the same."""
        return {number: group[0] for group in merged_groups(self.same) for number in group}

    def renamed_pairs(self) -> tuple[tuple[int, int], ...]:
        """``different`` with the ids that tracks have after ``apply``."""
        names = self._names()
        return tuple((names.get(one, one), names.get(other, other)) for one, other in self.different)

    def _check(self, clip: Clip) -> None:
        known = {track.track_id for track in clip.tracks}
        groups = {"--same": self.same, "--different": self.different, "--drop": [self.drop]}
        named = [(option, number) for option, lists in groups.items() for ids in lists for number in ids]
        named += [("--swap-sides", swap.track_id) for swap in self.swaps]
        for option, number in named:
            if number not in known:
                raise ConfigError(
                    f"{option} names {number}, but nobody has that id; the ids are {_listed(known)}."
                )
            if option != "--drop" and number in self.drop:
                raise ConfigError(f"{option} and --drop both name {number}; leave one out.")
        for swap in self.swaps:
            track = next(track for track in clip.tracks if track.track_id == swap.track_id)
            if not swap.covers(track).any():
                raise ConfigError(
                    f"--swap-sides: {swap.track_id} is not seen from {swap.start_s:g} to {swap.end_s:g} s, only "
                    f"from {track.times[0]:.2f} to {track.times[-1]:.2f} s; correct the times."
                )


def _listed(ids: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(ids))) or "none"


def merged_groups(groups: Iterable[tuple[int, ...]]) -> list[list[int]]:
    """Groups that share an id become one; each is sorted.

    >>> merged_groups([(3, 7), (1, 2), (7, 9)])
    [[1, 2], [3, 7, 9]]
    """
    merged: list[set[int]] = []
    for group in groups:
        touching = [other for other in merged if other & set(group)]
        merged = [other for other in merged if other not in touching] + [set(group).union(*touching)]
    return sorted(sorted(group) for group in merged)


def _refuse_simultaneous(parts: list[Track]) -> None:
    for number, one in enumerate(parts):
        for other in parts[number + 1 :]:
            shared = np.isin(one.frames, other.frames)
            if shared.any():
                raise ConfigError(
                    f"--same: {one.track_id} and {other.track_id} are both seen at {one.times[shared][0]:.2f} s, "
                    "so they are two people; leave it out."
                )


def parse_people(text: str) -> tuple[int, int]:
    """Least and most people: ``3`` or ``2-4``.

    Raises:
        ConfigError: it is neither, or no number of people.
    """
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    least, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= least <= most:
        raise ConfigError(f"--people {text}: give a number of people, such as 3, or 2-4.")
    return least, most


def parse_subject(text: str) -> Subject:
    """``largest``, ``central``, ``longest``, ``x,y`` or ``x,y@time``.

    Raises:
        ConfigError: it is none of them.
    """
    if text in ("largest", "central", "longest"):
        return Subject(kind=text)
    match = re.fullmatch(rf"{_NUMBER},{_NUMBER}(?:@{_NUMBER}s?)?", _packed(text))
    if match is None:
        raise ConfigError(f"--subject {text}: give largest, central, longest, or a position such as 320,240@12.5.")
    return Subject(kind="at", x=float(match[1]), y=float(match[2]), time_s=float(match[3]) if match[3] else None)


def parse_same(text: str) -> tuple[int, ...]:
    """Ids of one person: ``3=7`` or ``3=7=9``.

    Raises:
        ConfigError: it is not of that form.
    """
    packed = _packed(text)
    if not re.fullmatch(rf"{_ID}(={_ID})+", packed):
        raise ConfigError(f"--same {text}: give ids such as 3=7.")
    return tuple(map(int, packed.split("=")))


def parse_different(text: str) -> tuple[tuple[int, int], ...]:
    """Pairs of all ids of different people: ``2,5`` or ``2,5,8``.

    Raises:
        ConfigError: it is not of that form, or names a person twice.
    """
    ids = _ids("--different", text)
    if len(set(ids)) < max(len(ids), 2):
        raise ConfigError(f"--different {text}: give at least two ids, each once, such as 2,5.")
    return tuple((one, other) for number, one in enumerate(ids) for other in ids[number + 1 :])


def parse_drop(text: str) -> tuple[int, ...]:
    """Ids: ``4`` or ``4,6``.

    Raises:
        ConfigError: it is not of that form.
    """
    return _ids("--drop", text)


def _ids(option: str, text: str) -> tuple[int, ...]:
    packed = _packed(text)
    if not re.fullmatch(rf"{_ID}(,{_ID})*", packed):
        raise ConfigError(f"{option} {text}: give ids separated by commas, such as 2,5.")
    return tuple(map(int, packed.split(",")))


def _packed(text: str) -> str:
    """Without spaces at the ends and beside signs and units; one between two digits stays, as a mistake."""
    return re.sub(r"\s*([=,@s-])\s*", r"\1", text.strip())


def parse_swap(text: str) -> Swap:
    """``3@10-14s``: the sides of person 3 are exchanged from 10 to 14 seconds. ``3`` alone is always.

    Raises:
        ConfigError: it is not of that form, or ends before it begins.
    """
    match = re.fullmatch(rf"{_ID}(?:@{_NUMBER}s?-{_NUMBER}s?)?", _packed(text))
    if match is None:
        raise ConfigError(f"--swap-sides {text}: give an id and times, such as 3@10-14s, or an id alone.")
    start, end = (float(match[2]), float(match[3])) if match[2] else (-np.inf, np.inf)
    if start > end:
        raise ConfigError(f"--swap-sides {text}: the end is before the start; exchange the times.")
    return Swap(track_id=int(match[1]), start_s=start, end_s=end)
