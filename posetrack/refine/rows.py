"""Rows of people, one per person and frame, as files list them, and the tracks they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        people: All people; nobody is in a frame twice.
        times: float64 [F] of the clip's frames.
    """
    order = np.lexsort((people.frames, people.ids))
    borders = np.flatnonzero(np.diff(people.ids[order])) + 1
    return tuple(_track(people, rows, times) for rows in np.split(order, borders) if len(rows))


def _track(people: People, rows: IntArray, times: Doubles) -> Track:
    there = people.origins[rows] != MISSING
    joints = np.where(there[..., None], people.joints[rows], np.nan)
    scores = people.joint_scores[rows]
    boxes = people.boxes[rows]
    if np.isnan(boxes).any():
        boxes = np.where(np.isnan(boxes), extents(joints), boxes)
    hidden = np.zeros_like(there) if people.hidden is None else people.hidden[rows] & ~there
    return Track(
        track_id=int(people.ids[rows[0]]),
        frames=people.frames[rows],
        times=times[people.frames[rows]],
        boxes=np.where(np.isnan(boxes), 0, boxes),
        box_scores=np.nan_to_num(people.box_scores[rows], nan=1.0),
        joints=joints,
        joint_scores=np.where(there, np.nan_to_num(scores, nan=1.0), 0),
        raw=np.where(np.isin(people.origins[rows], (SEEN, CARRIED))[..., None], people.raw[rows], np.nan),
        origins=people.origins[rows],
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

    def column(name: str, *shape: int) -> Doubles:
        return np.concatenate([np.zeros((0, *shape)), *(getattr(track, name) for track in tracks)])

    def estimated(name: str, *shape: int) -> Doubles:
        parts = [(getattr(track, name), len(track)) for track in tracks]
        known = [np.full((count, *shape), np.nan) if part is None else part for part, count in parts]
        return np.concatenate([np.zeros((0, *shape)), *known])

    hidden = [
        np.zeros_like(track.present) if track.by_hand is None else track.by_hand & ~track.present
        for track in tracks
    ]
    found = [track.boxes if track.raw_boxes is None else track.raw_boxes for track in tracks]
    ids = np.repeat(
        np.array([track.track_id for track in tracks], dtype=np.int64), [len(track) for track in tracks]
    )
    frames = column("frames").astype(np.int64)
    order = np.lexsort((ids, frames))
    return RefinedPeople(
        ids=ids[order],
        frames=frames[order],
        boxes=column("boxes", 4)[order],
        box_scores=column("box_scores")[order],
        joints=column("joints", joint_count, 2)[order],
        joint_scores=column("joint_scores", joint_count)[order],
        raw=column("raw", joint_count, 2)[order],
        origins=column("origins", joint_count).astype(np.uint8)[order],
        sds=estimated("sds", joint_count)[order],
        identity=estimated("identity")[order],
        raw_boxes=np.concatenate([np.zeros((0, 4)), *found])[order],
        hidden=np.concatenate([np.zeros((0, joint_count), dtype=bool), *hidden])[order],
    )
