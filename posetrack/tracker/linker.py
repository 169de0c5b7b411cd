"""Track ids for poses (Xiao, Wu, Wei 2018, section 3.3 and algorithm 1)."""

from __future__ import annotations

import numpy as np

from posetrack.errors import ConfigError
from posetrack.stages import Flow
from posetrack.tracker.config import LinkerConfig
from posetrack.tracker.joints import confident_joints, displacements
from posetrack.tracker.matching import MATCHINGS
from posetrack.tracker.queue import Queue
from posetrack.tracker.similarity import SIMILARITIES, best_oks
from posetrack.tracker.tracks import Tracks
from posetrack.types import UNLINKED, BoolArray, IntArray, Poses


class FlowLinker:
    """Links poses over time; one instance for one video.

    Each frame the stored poses of the last L_Q frames move along the new flow, the most similar pairs
    of track and pose are matched one to one, and poses that continue nothing start a track.

    Two things go beyond the paper, for people whom somebody or something hides (``coasting``): a track is
    also expected where its own motion takes it (see ``tracks``), and tracks that found no pose look once
    more, among the poses left over, with a tolerance that grows with the time they have been lost.

    Ids count from 0 and are given when a track is born, because a stream cannot go back to number frames
    it has passed on. A track is born of a pose that is good enough (``min_birth_score``, box score, and
    ``min_birth_joints``); a worse one that continues nothing stays ``UNLINKED``. Ids are never given
    again. The order of the poses does not matter: those born in one frame are numbered from left to right.

    Args:
        config: Settings.

    Raises:
        ConfigError: unknown similarity or matching.
    """

    def __init__(self, config: LinkerConfig) -> None:
        if config.similarity not in SIMILARITIES:
            raise ConfigError(f"similarity must be one of {', '.join(SIMILARITIES)}, not {config.similarity!r}")
        if config.matching not in MATCHINGS:
            raise ConfigError(f"matching must be one of {', '.join(MATCHINGS)}, not {config.matching!r}")
        self._config = config
        self._similarity = SIMILARITIES[config.similarity]
        self._matching = MATCHINGS[config.matching]
        remembers = config.similarity == "multi-flow"
        self._coasting = config.coasting and remembers
        self._queue_frames = config.queue_frames if remembers else 1
        self._max_gap_frames = config.max_gap_frames if remembers else 0
        self._next_id = 0
        self._queue: Queue | None = None
        self._tracks: Tracks | None = None

    def reset(self) -> None:
        """Forget the past (a shot cut): nobody is linked across. Ids are never given again."""
        self._queue = self._tracks = None

    def link(self, poses: Poses, flow: Flow) -> Poses:
        """The same poses in the same order, with ids.

        Args:
            poses: N poses of the present frame. Ids that they have are not looked at.
            flow: Flow from the frame of the last call to the present one; after ``reset`` not used.

        Returns:
            ``poses`` with ``track_ids``: distinct, or ``UNLINKED``.
        """
        order = _canonical_order(poses)
        seen = self._comparable(poses[order])
        queue, tracks = self._moved(seen, flow)
        rows, columns, doubtful = self._match(queue, tracks, seen)
        ids = np.full(len(seen), UNLINKED, np.int64)
        ids[columns] = tracks.ids[rows]
        born = self._good_enough(seen) & (ids == UNLINKED) & ~doubtful
        ids[born] = self._next_id + np.arange(born.sum())
        self._next_id += int(born.sum())
        seen = seen.replace(track_ids=ids)
        self._tracks = tracks.updated(rows, seen[columns], seen[born], self._max_gap_frames)
        self._queue = queue.pushed(seen[ids != UNLINKED], self._kept(queue, self._tracks))
        track_ids = np.empty_like(ids)
        track_ids[order] = ids
        return poses.replace(track_ids=track_ids)

    def _comparable(self, poses: Poses) -> Poses:
        """The poses with only the joints that can be compared: confident, in use, somewhere."""
        usable = confident_joints(poses, self._config.min_joint_score)
        return poses.replace(keypoint_scores=np.where(usable, poses.keypoint_scores, np.float32(0)))

    def _good_enough(self, poses: Poses) -> BoolArray:
        """bool [N]: a track may start with the pose."""
        joints = poses.present.sum(axis=1)
        good = (poses.scores >= self._config.min_birth_score) & (joints >= self._config.min_birth_joints)
        return np.asarray(good, np.bool_)

    def _moved(self, poses: Poses, flow: Flow) -> tuple[Queue, Tracks]:
        """The past, one frame later: all stored poses and surroundings in one look-up of the flow."""
        if self._queue is None or self._tracks is None:
            return Queue.empty(poses.skeleton), Tracks.empty(poses.skeleton)
        stored = self._queue.carried
        around = self._tracks.surroundings()
        points = np.concatenate([stored.keypoints.reshape(-1, 2), around.reshape(-1, 2)])
        present = np.concatenate([stored.present.ravel(), np.ones(around.size // 2, np.bool_)])
        displacement, valid = displacements(points, present, flow)
        split = stored.present.size
        return (
            self._queue.moved(displacement[:split], valid[:split]),
            self._tracks.moved(displacement[split:], valid[split:]),
        )

    def _kept(self, queue: Queue, tracks: Tracks) -> BoolArray:
        """bool [E]: stored poses that will be needed: of living tracks, recent or the last of a lost person."""
        ids, lost = queue.carried.track_ids, tracks.ids[tracks.gaps > 0]
        recent = (queue.ages < self._queue_frames) & np.isin(ids, tracks.ids)
        return recent | (queue.newest & np.isin(ids, lost)) if self._coasting and len(lost) else recent

    def _match(self, queue: Queue, tracks: Tracks, poses: Poses) -> tuple[IntArray, IntArray, BoolArray]:
        """Rows of tracks and of poses that belong together; and bool [N], poses of which nobody can say yet."""
        floor = self._config.min_similarity
        expected = queue.beside(tracks.bodies) if self._coasting else queue
        rows, columns = self._matching(self._similarity(expected, poses, tracks.ids, floor), floor)
        if not self._coasting:
            return rows, columns, np.zeros(len(poses), np.bool_)
        more_rows, more_columns, doubtful = self._recovered(queue, tracks, poses, rows, columns)
        return np.concatenate([rows, more_rows]), np.concatenate([columns, more_columns]), doubtful

    def _recovered(
        self, queue: Queue, tracks: Tracks, poses: Poses, rows: IntArray, columns: IntArray
    ) -> tuple[IntArray, IntArray, BoolArray]:
        """Further matches, of lost tracks that have none with poses that have none (see the class)."""
        config = self._config
        lost = np.flatnonzero(_others(rows, len(tracks)) & (tracks.gaps > 1))
        free = np.flatnonzero(_others(columns, len(poses)))
        doubtful = np.zeros(len(poses), np.bool_)
        if len(lost) == 0 or len(free) == 0:
            return lost[:0], free[:0], doubtful
        ids, left = tracks.ids[lost], poses[free]
        growth = 1 + config.recovery_growth_per_frame * (tracks.gaps[lost] - 1)
        falloff = np.minimum(config.recovery_falloff * growth, config.max_recovery_falloff).astype(np.float32)
        last = queue.carried[queue.newest & np.isin(queue.carried.track_ids, ids)]
        similarity = np.maximum(
            best_oks(tracks.bodies[lost], left, ids, config.min_similarity, falloff),
            best_oks(last, left, ids, config.min_similarity, falloff[np.searchsorted(ids, last.track_ids)]),
        )
        possible = similarity >= config.min_similarity
        clear = left.present.sum(axis=1) >= config.min_recovery_joints
        # As a density along the way that people walk: whoever could be anywhere has less of a claim to a place.
        claim = np.where(possible & clear, similarity / falloff[:, None], 0)
        more_rows, more_columns = self._matching(claim, 0)
        doubtful[free] = possible.any(axis=0) & ~clear
        return lost[more_rows], free[more_columns], doubtful


def _others(indices: IntArray, count: int) -> BoolArray:
    """bool [count], False at the indices."""
    others = np.ones(count, np.bool_)
    others[indices] = False
    return others


def _canonical_order(poses: Poses) -> IntArray:
    """int64 [N] order from left to right that depends on what the poses are, not on how they come."""
    joints = np.where(poses.present[..., None], poses.keypoints, 0).sum(axis=1)
    return np.lexsort((*joints.T, poses.scores, *poses.boxes.T[::-1]))
