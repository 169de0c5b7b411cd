"""The tracks of a clip while repairs are applied to them, one after another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from posetrack.errors import ConfigError
from posetrack.refine.clip import Clip, Track, joined
from posetrack.refine.priors import Priors, Subject


class Bench:
    """Tracks under repair, and what the repairs tell of the people.

    Args:
        clip: Whose tracks they are.

    Attributes:
        tracks: By id.
        subjects: Ids of the only people to keep; empty for all.
        certain: Ids of tracks that are one person each, and a person.
        different: Pairs of ids of different people.
        uncut: Id and position of a frame at which the user has confirmed that the person is the same before and
            after.
    """

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self.tracks = {track.track_id: track for track in clip.tracks}
        self.subjects: set[int] = set()
        self.certain: set[int] = set()
        self.different: set[tuple[int, int]] = set()
        self.uncut: set[tuple[int, int]] = set()

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the joints, in the order of the arrays."""
        return self._clip.skeleton.joints

    def clip(self) -> Clip:
        """The clip as repaired."""
        return self._clip.with_tracks(list(self.tracks.values()))

    def track(self, number: int) -> Track:
        """A person's track.

        Raises:
            ConfigError: there is no such person.
        """
        if number not in self.tracks:
            raise ConfigError(f"there is no person {number}")
        return self.tracks[number]

    def place(self, frame: int) -> int:
        """Place in the clip of a frame, given by its number.

        Raises:
            ConfigError: the clip does not have it.
        """
        place = int(np.searchsorted(self._clip.frames, frame))
        if place == len(self._clip.frames) or self._clip.frames[place] != frame:
            raise ConfigError(f"there is no frame {frame}")
        return place

    def slot(self, joint: str) -> int:
        """Slot of a joint.

        Raises:
            ConfigError: the skeleton does not have it.
        """
        if joint not in self.joints:
            raise ConfigError(f"the people have no joint '{joint}'")
        return self.joints.index(joint)

    def put(self, track: Track) -> None:
        """Keep a track, which replaces the one of its id; one without frames is gone."""
        if len(track):
            self.tracks[track.track_id] = track
        else:
            self.remove(track.track_id)

    def remove(self, number: int) -> None:
        """Remove a person, and what was known of it."""
        self.tracks.pop(number, None)
        for known in (self.subjects, self.certain):
            known.discard(number)
        self.different = {pair for pair in self.different if number not in pair}
        self.uncut = {one for one in self.uncut if one[0] != number}

    def rename(self, old: int, new: int) -> None:
        """Copy what is known of one person to another, which it is part of now."""
        for known in (self.subjects, self.certain):
            if old in known:
                known.add(new)
        names = {old: new}
        pairs = [tuple(sorted(names.get(one, one) for one in pair)) for pair in self.different]
        self.different = {(one, other) for one, other in pairs if one != other}
        self.uncut |= {(new, place) for number, place in self.uncut if number == old}

    def tell_apart(self, one: int, other: int) -> None:
        """These are different people."""
        self.different.add((min(one, other), max(one, other)))

    def with_row(self, number: int, place: int) -> tuple[Track, int]:
        """A person's track and its row for a frame; where it is not seen there, a row without joints is added."""
        track = self.track(number)
        row = int(np.searchsorted(track.frames, place))
        if row < len(track) and track.frames[row] == place:
            return track, row
        return joined(number, [track, _row_between(track, place, float(self._clip.times[place]))]), row

    def priors(self, given: Priors) -> Priors:
        """What is known of the people: given, and by the repairs."""
        return replace(
            given,
            different=(*given.different, *sorted(self.different), *self._named_apart()),
            certain=(*given.certain, *sorted(self.certain)),
            uncut=(*given.uncut, *sorted(self.uncut)),
            subjects=(*given.subjects, *map(_subject, (self.tracks[one] for one in sorted(self.subjects)))),
        )

    def _named_apart(self) -> Iterable[tuple[int, int]]:
        """People with different names are different people."""
        named = [number for number, track in sorted(self.tracks.items()) if track.name]
        pairs = [(one, other) for place, one in enumerate(named) for other in named[place + 1 :]]
        return [pair for pair in pairs if pair not in self.different]


def _row_between(track: Track, place: int, time_s: float) -> Track:
    """A frame of a track without joints; its box lies between those around it."""
    near = track[np.array([int(np.abs(track.frames - place).argmin())])]
    box = np.array([np.interp(time_s, track.times, side) for side in track.boxes.T])
    bare = near.replace(by_hand=None).without(np.ones_like(near.present))
    return bare.replace(frames=np.array([place]), times=np.array([time_s]), boxes=box[None], name=None)


def _subject(track: Track) -> Subject:
    """The person who is where this track begins."""
    middle = (track.boxes[0, :2] + track.boxes[0, 2:]) / 2
    return Subject(kind="at", x=float(middle[0]), y=float(middle[1]), time_s=float(track.times[0]))
