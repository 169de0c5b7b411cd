"""The people of a refined clip, in words and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from posetrack.refine.appearance import learn
from posetrack.refine.bodies import joint_evidence
from posetrack.refine.clip import Clip, observed
from posetrack.refine.splitting import doubtful_frames

_ONE_DOUBT_S = 0.5
"""Doubts nearer than this are one."""

_DOUBTS_IN_WORDS = 8
"""A sentence names the first doubts only, this many; ``doubts_s`` and ``posetrack review`` have all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSummary:
    """What is known of one person.

    Attributes:
        track_id: The person.
        name: The name that the user gave the person, if any.
        first_s, last_s: Times of the first and last frame.
        seen, filled, missing: Shares of the frames from the first to the last: with joints that were seen, with
            filled joints only, and without the person.
        score: Mean joint score of the frames in which the person was seen; missing joints count as 0.
        doubts_s: Spans of time in which the person was confused with another, if ever.
    """

    track_id: int
    name: str | None
    first_s: float
    last_s: float
    seen: float
    filled: float
    missing: float
    score: float
    doubts_s: tuple[tuple[float, float], ...]

    def sentence(self) -> str:
        """The summary as a line of text."""
        shares = f"seen {self.seen:.0%}, filled {self.filled:.0%}, missing {self.missing:.0%}".replace("%", " %")
        called = f" ({self.name})" if self.name else ""
        return (
            f"person {self.track_id}{called}: {self.first_s:.2f} to {self.last_s:.2f} s; {shares}; mean joint "
            f"score {self.score:.2f}; {self._doubts()}"
        )

    def _doubts(self) -> str:
        if not self.doubts_s:
            return "no doubts"
        first = ", ".join(_span(start, end) for start, end in self.doubts_s[:_DOUBTS_IN_WORDS])
        left = len(self.doubts_s) - _DOUBTS_IN_WORDS
        return f"check {first}" + (f" and {left} more" if left > 0 else "")


def _span(start: float, end: float) -> str:
    return f"{start:.2f} s" if start == end else f"{start:.2f}-{end:.2f} s"


def summarise(clip: Clip) -> list[PersonSummary]:
    """A summary of everybody in a refined clip, by id."""
    before = clip.with_tracks([track for track in map(observed, clip.tracks) if len(track)])
    doubts = doubtful_frames(before)
    summaries = []
    for track in clip.tracks:
        frames = int(track.frames[-1] - track.frames[0]) + 1
        seen = track.observed.any(axis=1)
        scores = joint_evidence(track, clip.skeleton)[seen]
        summaries.append(
            PersonSummary(
                track_id=track.track_id,
                name=track.name,
                first_s=float(track.times[0]),
                last_s=float(track.times[-1]),
                seen=float(seen.sum()) / frames,
                filled=float((~seen).sum()) / frames,
                missing=1 - len(track) / frames,
                score=float(scores.mean()) if len(scores) else 0.0,
                doubts_s=_spans(clip.times[frame] for frame in sorted(doubts.get(track.track_id, []))),
            )
        )
    return summaries


def appearance_sentence(clip: Clip) -> str | None:
    """How well appearance tells the people of a refined clip apart, in words; ``None`` if nothing is known."""
    looks = learn(clip.tracks, clip)
    if looks is None or np.isnan(looks.separation):
        return None
    used = "" if looks.useful else ", so it was not used"
    return f"appearance tells two people apart in {looks.separation:.0%} of cases{used}".replace("%", " %")


def _spans(times: Iterable[float]) -> tuple[tuple[float, float], ...]:
    """Times that lie close together, as spans."""
    spans: list[tuple[float, float]] = []
    for time in map(float, times):
        if spans and time - spans[-1][1] <= _ONE_DOUBT_S:
            spans[-1] = (spans[-1][0], time)
        else:
            spans.append((time, time))
    return tuple(spans)
