"""Joints set by hand: placed or hidden by the user, and changed by no later step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.refine.clip import MISSING, SEEN, Track


def placed(track: Track, row: int, slot: int, x: float, y: float) -> Track:
    """The track with a joint at a place, in pixels, in one row."""
    return _set(track, slice(row, row + 1), slot, (x, y), score=1.0, origin=SEEN)


def hidden(track: Track, rows: slice, slot: int) -> Track:
    """The track without a joint in some rows."""
    return _set(track, rows, slot, (np.nan, np.nan), score=0.0, origin=MISSING)


def _set(track: Track, rows: slice, slot: int, place: tuple[float, float], *, score: float, origin: int) -> Track:
    joints, raw = track.joints.copy(), track.raw.copy()
    scores, origins = track.joint_scores.copy(), track.origins.copy()
    fixed = np.zeros(track.origins.shape, dtype=bool) if track.by_hand is None else track.by_hand.copy()
    joints[rows, slot], raw[rows, slot] = place, place
    scores[rows, slot], origins[rows, slot], fixed[rows, slot] = score, origin, True
    return track.replace(joints=joints, raw=raw, joint_scores=scores, origins=origins, by_hand=fixed)


def kept_by_hand(tracks: Iterable[Track], before: Iterable[Track]) -> list[Track]:
    """Tracks with the joints set by hand that they had before the second pass filled and smoothed them.

    Args:
        tracks: Have all frames that they had, perhaps more.
        before: Those with joints set by hand, by the same ids.
    """
    marked = {track.track_id: track for track in before}
    return [_kept(track, marked[track.track_id]) if track.track_id in marked else track for track in tracks]


def _kept(track: Track, before: Track) -> Track:
    assert before.by_hand is not None
    fixed = np.zeros(track.origins.shape, dtype=bool)
    fixed[np.searchsorted(track.frames, before.frames)] = before.by_hand

    def mixed(name: str) -> NDArray[Any]:
        values: NDArray[Any] = getattr(track, name).copy()
        values[fixed] = getattr(before, name)[before.by_hand]
        return values

    kept = track.replace(
        by_hand=fixed, **{name: mixed(name) for name in ("joints", "raw", "joint_scores", "origins")}
    )
    sds = None if kept.sds is None else np.where(kept.present, kept.sds, np.nan)
    return kept.replace(sds=sds)
