"""Track ids for poses (Xiao, Wu, Wei 2018, section 3.3 and algorithm 1)."""

from __future__ import annotations

import numpy as np

from posetrack.errors import ConfigError
from posetrack.stages import Flow
from posetrack.tracker.bodies import Bodies
from posetrack.tracker.config import LinkerConfig
from posetrack.tracker.joints import displacements
from posetrack.tracker.matching import MATCHINGS
from posetrack.tracker.queue import Queue
from posetrack.tracker.similarity import SIMILARITIES, best_oks
from posetrack.tracker.tracks import Tracks
from posetrack.types import UNLINKED, BoolArray, FloatArray, IntArray, Poses


class FlowLinker:
    """Links poses over time; one instance for one video.

    Each frame the stored poses of the last L_Q frames move along the new flow, the most similar pairs
    of track and pose are matched one to one, and poses that continue nothing start a track.

    What goes beyond the paper always: an OKS over few joints counts less (``similarity.best_oks``); a pair below
    ``min_similarity`` is not matched; a track is born of a good pose only, and dies after ``max_gap_frames``.

    And for people whom somebody or something hides (``coasting``, which can be turned off): a track is also
    expected where its own motion takes it (see ``tracks``); tracks that found no pose look once more, among the
    poses left over, with a tolerance that grows with the time they have been lost; and a pose with too few joints
    to tell whether it is one of these people waits without an id.

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
        people = Bodies.of(poses, self._config.min_joint_score)[order]
        queue, tracks = self._moved(people, flow)
        rows, columns, doubtful = self._match(queue, tracks, people)
        ids = np.full(len(people), UNLINKED, np.int64)
        ids[columns] = tracks.ids[rows]
        born = self._born(people, poses.scores[order], (ids == UNLINKED) & ~doubtful)
        ids[born] = np.arange(self._next_id, self._next_id + len(born))
        self._next_id += len(born)
        people = people.with_ids(ids)
        tracks = tracks.seen(rows, people[columns], self._queue_frames)
        self._queue = queue.pushed(people[np.flatnonzero(ids != UNLINKED)], self._kept(queue, tracks))
        self._tracks = tracks.living(self._max_gap_frames).joined_by(people[born])
        track_ids = np.empty_like(ids)
        track_ids[order] = ids
        return poses.replace(track_ids=track_ids)

    def _born(self, people: Bodies, scores: FloatArray, free: BoolArray) -> IntArray:
        """Rows of the people, of those who are free (bool [N]), who are seen well enough to start a track."""
        candidates = np.flatnonzero(free & (scores >= self._config.min_birth_score))
        joints = people.present[candidates].sum(axis=1)
        return np.asarray(candidates[joints >= self._config.min_birth_joints], np.int64)

    def _moved(self, people: Bodies, flow: Flow) -> tuple[Queue, Tracks]:
        """The past, one frame later: all stored poses and surroundings in one look-up of the flow."""
        if self._queue is None or self._tracks is None:
            return Queue.empty(people.skeleton), Tracks.empty(people.skeleton)
        stored = self._queue.carried
        around = self._tracks.surroundings()
        points = np.concatenate([stored.points.reshape(2, -1), around.reshape(2, -1)], axis=1)
        present = np.concatenate([stored.present.ravel(), np.ones(around[0].size, np.bool_)])
        displacement, valid = displacements(points, present, flow)
        split = stored.present.size
        return (
            self._queue.moved(displacement[:, :split], valid[:split]),
            self._tracks.moved(displacement[:, split:], valid[split:]),
        )

    def _kept(self, queue: Queue, tracks: Tracks) -> IntArray:
        """Rows of the stored poses that will be needed: of living tracks, recent or the last of a lost person."""
        gaps = tracks.gaps[np.searchsorted(tracks.ids, queue.carried.track_ids)]
        kept = queue.ages < self._queue_frames
        if self._coasting:
            kept |= queue.ages == gaps  # the track's last pose is as old as its gap
        return np.flatnonzero(kept & (gaps <= self._max_gap_frames))

    def _match(self, queue: Queue, tracks: Tracks, people: Bodies) -> tuple[IntArray, IntArray, BoolArray]:
        """Rows of tracks and of people that belong together; and bool [N], people of whom nobody can say yet."""
        floor = self._config.min_similarity
        expected = queue.beside(tracks.bodies) if self._coasting else queue
        rows, columns = self._matching(self._similarity(expected, people, tracks.ids, floor), floor)
        lost = tracks.gaps > 1
        lost[rows] = False
        if not self._coasting or len(columns) == len(people) or not lost.any():
            return rows, columns, np.zeros(len(people), np.bool_)
        free = np.ones(len(people), np.bool_)
        free[columns] = False
        more_rows, more_columns, doubtful = self._recovered(queue, tracks, people, lost, free)
        return np.concatenate([rows, more_rows]), np.concatenate([columns, more_columns]), doubtful

    def _recovered(
        self, queue: Queue, tracks: Tracks, people: Bodies, is_lost: BoolArray, is_free: BoolArray
    ) -> tuple[IntArray, IntArray, BoolArray]:
        """Further matches, of lost tracks (bool [T]) with people who are free (bool [N]); see the class."""
        config = self._config
        lost, free, doubtful = np.flatnonzero(is_lost), np.flatnonzero(is_free), np.zeros(len(people), np.bool_)
        ids, left = tracks.ids[lost], people[free]
        growth = 1 + config.recovery_growth_per_frame * (tracks.gaps[lost] - 1)
        falloff = np.minimum(config.recovery_falloff * growth, config.max_recovery_falloff).astype(np.float32)
        owners = np.searchsorted(tracks.ids, queue.carried.track_ids)
        last = queue.carried[np.flatnonzero(is_lost[owners] & (queue.ages == tracks.gaps[owners]))]
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


def _canonical_order(poses: Poses) -> IntArray:
    """int64 [N] order from left to right that depends on what the poses are, not on how they come."""
    left = poses.boxes[:, 0]
    order = np.argsort(left, kind="stable")
    if (left[order[1:]] > left[order[:-1]]).all():
        return order
    joints = np.where(poses.present[..., None], poses.keypoints, 0).sum(axis=1)
    return np.lexsort((*joints.T, poses.scores, *poses.boxes.T[::-1]))
