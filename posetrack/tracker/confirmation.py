"""Confirms tracks as people, by evidence over time.

Detectors take bags, signs and pillars for people, in the same position for a whole clip. The pose network is
certain of few joints of an object. But a single frame says little: people are blurred and hidden at times, and
objects may resemble people for a moment. So a track is *tentative*, followed but not reported, until the mean over
time of its joint scores reaches a limit. The limit is higher for tracks that have just begun: clearly visible
people are reported at once, doubtful ones after some tenths of a second.

With the bundled networks these means were 0.61 to 0.89 for the people of PETS-S3MF1, TUD-Campus and three clips
with known joints, and 0.15 to 0.29 for objects (one of eleven: 0.48).
"""

from __future__ import annotations

import numpy as np

from posetrack.tracker.config import ConfirmationConfig
from posetrack.tracker.joints import mean_scores
from posetrack.tracker.matching import rows_of
from posetrack.types import UNLINKED, BoolArray, FloatArray, IntArray, Poses

_FORGOTTEN_S = 60.0
"""Tracks not seen for this many seconds have ended."""


class Confirmation:
    """Remembers how sure the pose network was of each track's person; one instance per video.

    Ids are never used again, so there is no need to report shot cuts.

    Args:
        config: Settings.
    """

    def __init__(self, config: ConfirmationConfig) -> None:
        self._config = config
        self._ids: IntArray = np.zeros(0, np.int64)
        # Of each track: first and last time, weight and weighted sum of the scores, and whether it is confirmed.
        self._rows: FloatArray = np.zeros((5, 0), np.float32)

    def update(self, poses: Poses, estimated: BoolArray, time_s: float) -> None:
        """Record the pose network's scores in a frame.

        Args:
            poses: The linked people of the frame, with joints and scores as they are reported.
            estimated: bool [N], whose joints were estimated in this frame. Others are ignored.
            time_s: Time of the frame in seconds.
        """
        seen = poses[estimated & (poses.track_ids != UNLINKED)]
        if len(seen) == 0:
            return
        rows = self._rows_of(seen.track_ids, time_s)
        first_s, last_s, weights, totals, confirmed = self._rows[:, rows]
        kept = np.exp((last_s - np.float32(time_s)) / np.float32(self._config.memory_s))
        weights, totals = kept * weights + 1, kept * totals + mean_scores(seen)
        means, lasted_s = totals / weights, np.float32(time_s) - first_s
        config = self._config
        limits = config.min_person_score + config.birth_margin * np.exp(-lasted_s / np.float32(config.birth_s))
        limits = np.where(confirmed > 0, config.min_person_score * config.staying, limits)
        confirmed = (means >= limits) & ((lasted_s >= config.min_track_seconds - 1e-3) | (confirmed > 0))
        self._rows[:, rows] = np.stack([first_s, np.full_like(first_s, time_s), weights, totals, confirmed])

    def confirmed(self, ids: IntArray) -> BoolArray:
        """bool [N]: the tracks of these ids are confirmed as people."""
        rows, known = rows_of(ids, self._ids)
        sure = np.zeros(len(ids), np.bool_)
        sure[known] = self._rows[4, rows[known]] > 0
        return sure

    def _rows_of(self, ids: IntArray, time_s: float) -> IntArray:
        """Rows of tracks; new ones get one, and those that ended lose theirs."""
        _, known = rows_of(ids, self._ids)
        lasting = np.flatnonzero(self._rows[1] > time_s - _FORGOTTEN_S)
        new = np.zeros((5, int((~known).sum())), np.float32)
        new[:2] = time_s
        self._ids = np.concatenate([self._ids[lasting], ids[~known]])
        self._rows = np.concatenate([self._rows[:, lasting], new], axis=1)
        return rows_of(ids, self._ids)[0]
