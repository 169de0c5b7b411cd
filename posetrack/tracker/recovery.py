"""Recovers hidden people: matches lost tracks with the poses that continue no visible track."""

from __future__ import annotations

import numpy as np

from posetrack.tracker.bodies import Bodies
from posetrack.tracker.config import LinkerConfig
from posetrack.tracker.joints import bounds
from posetrack.tracker.looks import UNKNOWN
from posetrack.tracker.similarity import best_oks
from posetrack.tracker.tracks import Tracks
from posetrack.types import BoolArray, FloatArray

_REACH = 2.0
"""How far beyond the expected body a lost person is searched for, in standard deviations of the position."""


def claims(
    lost: Tracks, last: Bodies, people: Bodies, likeness: FloatArray, config: LinkerConfig
) -> tuple[FloatArray, BoolArray]:
    """How well each pose fits each lost track.

    A lost person is searched for where their own motion takes them, and where the flow has left their last pose,
    in case they stopped. Limbs have moved unseen, so all joints get one tolerance, which grows with the
    uncertainty of the position. The similarity is divided by this tolerance, because a track with an uncertain
    position has less of a claim. Appearance counts as much as position: a person of similar appearance may be
    farther away, one of different appearance must be nearer.

    Args:
        lost: L tracks.
        last: The tracks' last poses, carried by the flow since, with the tracks' ids.
        people: N poses.
        likeness: float32 [L, N], how much the tracks' people look like them (see ``looks``).
        config: Tolerances.

    Returns:
        float32 [L, N], 0 where a pose cannot be the track's; and bool [N], poses that may be a lost person but
        have too few joints to say whose they are.
    """
    unsure = lost.motion.place / np.square(lost.motion.sizes)
    falloff = np.sqrt(np.float32(config.recovery_falloff**2) + unsure)
    falloff = np.minimum(falloff, np.float32(config.max_recovery_falloff))
    lowest, owners = config.min_similarity * UNKNOWN, np.searchsorted(lost.ids, last.track_ids)
    similarity = np.maximum(
        best_oks(lost.bodies, people, lost.ids, lowest, falloff),
        best_oks(last, people, lost.ids, lowest, falloff[owners]),
    )
    similarity *= likeness / np.float32(UNKNOWN)
    possible = similarity >= config.min_similarity
    clear = people.present.sum(axis=1) >= config.min_recovery_joints
    doubtful = ~clear & (possible | _within(lost, people)).any(axis=0)
    return np.where(possible & clear, similarity / falloff[:, None], np.float32(0)), doubtful


def _within(lost: Tracks, people: Bodies) -> BoolArray:
    """bool [L, N]: the middle of a pose's box lies where the lost person's body may be.

    When a person comes out from behind a pillar, the first joints to appear are those that went behind it first.
    The track may have forgotten these by now, so that no joint can be compared.
    """
    low, high = bounds(lost.bodies.points, lost.bodies.present)
    reach = np.float32(_REACH) * np.sqrt(lost.motion.place)
    middles = ((people.boxes[:2] + people.boxes[2:]) / 2)[:, None]
    x_inside, y_inside = ((low - reach)[..., None] <= middles) & (middles <= (high + reach)[..., None])
    return np.asarray(x_inside & y_inside, np.bool_)
