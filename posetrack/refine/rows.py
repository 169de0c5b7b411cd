"""Rows of people, one per person and frame, as files list them, and the tracks they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.refine.clip import CARRIED, HIDDEN, MISSING, ORIGINS, SEEN, Origins, Track, extents
from posetrack.types import BoolArray, Doubles, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class People:
    """M people of all frames, in any order, with K joints; attributes as in ``Track``.

    ``boxes`` are NaN where unknown. Unknown scores are NaN; they count as 1. ``raw_boxes`` are NaN in frames that
    were filled. ``hidden``, bool [M, K], marks missing joints that were hidden by hand.
    """

    ids: IntArray
    frames: IntArray
    boxes: Doubles
    box_scores: Doubles
    joints: Doubles
    joint_scores: Doubles
    raw: Doubles
    origins: Origins
    appearance: FloatArray | None = None
    identity: Doubles | None = None
    raw_boxes: Doubles | None = None
    sds: Doubles | None = None
    hidden: BoolArray | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RefinedPeople(People):
    """With what the second pass estimates; NaN where it has not."""

    sds: Doubles
    identity: Doubles
    raw_boxes: Doubles
    hidden: BoolArray

    def words(self, part: slice) -> NDArray[Any]:
        """Text [M', K]: where the joints of some people come from, as files say it; empty for missing ones."""
        return np.where(self.hidden[part], HIDDEN, np.array(ORIGINS, dtype=object)[self.origins[part]])


def tracks_of(people: People, times: Doubles) -> tuple[Track, ...]:
    """The tracks, by ascending id.

    Args:
        people: All people, each at most once in a frame.
        times: float64 [F] of the clip's frames.
    """
    order = np.lexsort((people.frames, people.ids))
    borders = np.flatnonzero(np.diff(people.ids[order])) + 1
    return tuple(_track(people, rows, times) for rows in np.split(order, borders) if len(rows))


def _track(people: People, rows: IntArray, times: Doubles) -> Track:
    origins = people.origins[rows]
    there = origins != MISSING
    joints = np.where(there[..., None], people.joints[rows], np.nan)
    scores = people.joint_scores[rows]
    boxes = people.boxes[rows]
    if np.isnan(boxes).any():
        boxes = np.where(np.isnan(boxes), extents(joints), boxes)
    found = (origins == SEEN) | (origins == CARRIED)
    as_found = people.raw is people.joints and bool((found == there).all())
    hidden = np.zeros_like(there) if people.hidden is None else people.hidden[rows] & ~there
    return Track(
        track_id=int(people.ids[rows[0]]),
        frames=people.frames[rows],
        times=times[people.frames[rows]],
        boxes=np.where(np.isnan(boxes), 0, boxes),
        box_scores=np.nan_to_num(people.box_scores[rows], nan=1.0),
        joints=joints,
        joint_scores=np.where(there, np.nan_to_num(scores, nan=1.0), 0),
        raw=joints if as_found else np.where(found[..., None], people.raw[rows], np.nan),
        origins=origins,
        appearance=None if people.appearance is None else people.appearance[rows],
        identity=None
        if people.identity is None or np.isnan(people.identity[rows]).all()
        else people.identity[rows],
        by_hand=hidden if hidden.any() else None,
        raw_boxes=None if people.raw_boxes is None else people.raw_boxes[rows],
        sds=None if people.sds is None else np.where(there, people.sds[rows], np.nan),
    )


def named(tracks: Iterable[Track], names: Mapping[int, str]) -> tuple[Track, ...]:
    """The tracks with the names of those that have some."""
    return tuple(track.replace(name=names.get(track.track_id)) for track in tracks)


def people_of(tracks: Iterable[Track], joint_count: int) -> RefinedPeople:
    """The rows of all tracks, by frame and then by id."""
    tracks = list(tracks)

    lengths = [len(track) for track in tracks]
    ids = np.repeat(np.array([track.track_id for track in tracks], dtype=np.int64), lengths)
    frames = np.concatenate([np.zeros(0, dtype=np.int64), *(track.frames for track in tracks)])
    order = np.lexsort((ids, frames))
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    places_of = np.split(places, np.cumsum(lengths)[:-1]) if tracks else []

    def column(values: Callable[[Track], NDArray[Any] | None], *shape: int, blank: Any = np.nan) -> NDArray[Any]:
        """Of all tracks, in order; blank for tracks without these values."""
        whole = np.full((len(ids), *shape), blank)
        for track, own in zip(tracks, places_of, strict=True):
            known = values(track)
            if known is not None:
                whole[own] = known
        return whole

    return RefinedPeople(
        ids=ids[order],
        frames=frames[order],
        boxes=column(lambda track: track.boxes, 4),
        box_scores=column(lambda track: track.box_scores),
        joints=column(lambda track: track.joints, joint_count, 2),
        joint_scores=column(lambda track: track.joint_scores, joint_count),
        raw=column(lambda track: track.raw, joint_count, 2),
        origins=column(lambda track: track.origins, joint_count, blank=np.uint8(MISSING)),
        sds=column(lambda track: track.sds, joint_count),
        identity=column(lambda track: track.identity),
        raw_boxes=column(lambda track: track.boxes if track.raw_boxes is None else track.raw_boxes, 4),
        hidden=column(_hidden, joint_count, blank=False),
    )


def _hidden(track: Track) -> BoolArray | None:
    return None if track.by_hand is None else track.by_hand & ~track.present
