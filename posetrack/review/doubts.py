"""Doubtful moments of a clip, and what each costs: the seconds of poses that are wrong if the doubt is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from posetrack.refine.bodies import joint_evidence
from posetrack.refine.clip import FILLED, SEEN, Clip, Track, observed
from posetrack.refine.splitting import are_gaps, doubtful_frames
from posetrack.refine.turns import runs_of
from posetrack.types import Doubles

_UNCERTAIN = 0.35
"""Mean joint score below which a pose is more guessed than seen."""

_LEAST_S = 0.2
"""Shorter spans of poor joints cost next to nothing."""

_SHORT_S = 1.0
"""A person seen for less may be a false detection: most ghosts are short."""

_MEETING = 2
"""Frames between which two doubts are about the same meeting of two people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A doubtful moment.

    Attributes:
        kind: ``meeting``, ``gap``, ``jump``, ``short``, ``uncertain`` or ``filled``.
        people: Whom it is about.
        first, last: Places of its first and last frame in the clip's list of frames.
        at: Place of the frame to look at: where a person may begin to be another, or a poor span begins.
        cost_s: Seconds of poses that are wrong if the doubt is right.
    """

    kind: str
    people: tuple[int, ...]
    first: int
    last: int
    at: int
    cost_s: float


def doubts_of(clip: Clip) -> list[Doubt]:
    """All doubts, the most harmful first."""
    seen = clip.with_tracks([track for track in map(observed, clip.tracks) if len(track)])
    found = [*_identities(seen), *(doubt for track in clip.tracks for doubt in _qualities(track, clip))]
    return sorted(found, key=lambda doubt: (-doubt.cost_s, doubt.first, doubt.people))


def _identities(clip: Clip) -> Iterator[Doubt]:
    """Frames from which on a track may show another person. The cost is the shorter side."""
    tracks = {track.track_id: track for track in clip.tracks}
    places = {number: sorted(set(frames)) for number, frames in doubtful_frames(clip).items()}
    at: dict[int, list[int]] = {}
    for number, frames in places.items():
        for frame in frames:
            at.setdefault(frame, []).append(number)
    for number, frames in places.items():
        track = tracks[number]
        for frame in frames:
            row = int(np.searchsorted(track.frames, frame))
            if not 0 < row < len(track):
                continue
            others = [other for other in at[frame] if other != number and _overlap(track, tracks[other], frame)]
            if others:
                yield from _meetings(track, [tracks[other] for other in others], frame, clip)
            else:
                yield _own(track, row, clip)


def _meetings(track: Track, others: Iterable[Track], frame: int, clip: Clip) -> Iterator[Doubt]:
    """Two people who overlap, reported once, for the smaller id."""
    for other in others:
        if track.track_id < other.track_id:
            before = sum(int((one.frames < frame).sum()) for one in (track, other))
            cost = min(before, len(track) + len(other) - before) * clip.frame_s
            yield Doubt(
                kind="meeting",
                people=(track.track_id, other.track_id),
                first=max(0, frame - _MEETING),
                last=min(len(clip.frames) - 1, frame + _MEETING),
                at=frame,
                cost_s=cost,
            )


def _own(track: Track, row: int, clip: Clip) -> Doubt:
    lost = are_gaps(np.diff(track.times[row - 1 : row + 1]), clip).item()
    return Doubt(
        kind="gap" if lost else "jump",
        people=(track.track_id,),
        first=int(track.frames[row - 1]),
        last=int(track.frames[row]),
        at=int(track.frames[row]),
        cost_s=min(row, len(track) - row) * clip.frame_s,
    )


def _overlap(one: Track, other: Track, frame: int) -> bool:
    rows = [int(np.searchsorted(track.frames, frame)) for track in (one, other)]
    boxes = [
        track.boxes[row]
        for track, row in zip((one, other), rows, strict=True)
        if row < len(track) and track.frames[row] == frame
    ]
    if len(boxes) < 2:
        return False
    low, high = np.maximum(boxes[0][:2], boxes[1][:2]), np.minimum(boxes[0][2:], boxes[1][2:])
    return bool((low < high).all())


def _qualities(track: Track, clip: Clip) -> Iterator[Doubt]:
    """Where poses are poor: a whole track that may be nobody, spans of guessed joints, and filled spans."""
    if len(track) * clip.frame_s < _SHORT_S:
        yield _span("short", track, np.arange(len(track)), np.ones(len(track)), clip)
        return
    evidence = joint_evidence(track, clip.skeleton)
    used = track.origins[:, clip.skeleton.in_use]
    filled = (used == FILLED).mean(axis=1)
    guessed = (evidence < _UNCERTAIN) & (used == SEEN).any(axis=1)
    for kind, wanted, shares in (("uncertain", guessed, 1 - evidence), ("filled", filled > 0.5, filled)):
        for rows in runs_of(np.flatnonzero(wanted)):
            if len(rows) * clip.frame_s >= _LEAST_S:
                yield _span(kind, track, rows, shares[rows], clip)


def _span(kind: str, track: Track, rows: np.ndarray, shares: Doubles, clip: Clip) -> Doubt:
    return Doubt(
        kind=kind,
        people=(track.track_id,),
        first=int(track.frames[rows[0]]),
        last=int(track.frames[rows[-1]]),
        at=int(track.frames[rows[0]]),
        cost_s=float(shares.sum()) * clip.frame_s,
    )
