"""Track ids for poses (Xiao, Wu, Wei 2018, section 3.3 and algorithm 1)."""

from __future__ import annotations

import math

import numpy as np

from posetrack.errors import ConfigError
from posetrack.stages import Flow
from posetrack.tracker.bodies import Bodies
from posetrack.tracker.config import LinkerConfig
from posetrack.tracker.joints import displacements, mean_scores
from posetrack.tracker.looks import Looks
from posetrack.tracker.matching import MATCHINGS, allowed, rows_of
from posetrack.tracker.queue import Queue
from posetrack.tracker.recovery import claims
from posetrack.tracker.sides import TELLS_SIDES_S, Sides
from posetrack.tracker.similarity import SIMILARITIES
from posetrack.tracker.tracks import Tracks, sizes
from posetrack.types import UNLINKED, BoolArray, FloatArray, IntArray, Origin, Poses

_SHORTEST_STEP_S = 1e-3
"""Minimum time between two frames; also the precision of times."""

_MOST_STORED = 16
"""Frames whose poses the queue stores at most, if its length is in seconds."""


class FlowLinker:
    """Links poses over time; one instance for one video.

    Each frame the stored poses of the last L_Q frames move along the new flow, the most similar pairs
    of track and pose are matched one to one, and poses that continue nothing start a track.

    Beyond the paper, always: an OKS over few joints counts less (``similarity.best_oks``); a pair below
    ``min_similarity`` is not matched; only a good pose starts a track, which ends after ``max_gap_s`` unseen.

    And for hidden people (``coasting``, which can be turned off): a track is also expected where its own motion
    takes it (see ``tracks``); tracks without a pose are matched once more, with the poses left over and a
    tolerance that grows with the uncertainty of their position; and a pose with too few joints to tell whether it
    is one of these people stays without an id for now.

    Where poses have descriptors (``Poses.appearance``), they decide between rivals, and help to tell which lost
    person a pose is (see ``looks``). Left and right are corrected over time (see ``sides``).

    Ids count from 0 and are assigned when a track starts, because a stream cannot renumber frames that it has
    delivered. A pose that is good enough (``min_birth_score``, box score, and ``min_birth_joints``) starts a
    track; a worse one that continues nothing stays ``UNLINKED``. Ids are never reused. The order of the poses does
    not matter: new tracks of a frame are numbered from left to right.

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
        self._remembers = remembers
        self._next_id = 0
        self._frame = 0
        self._time_s: float | None = None
        self._queue: Queue | None = None
        self._tracks: Tracks | None = None
        self._looks = Looks.empty(0)
        self._sides = Sides.unknown(0)

    def reset(self) -> None:
        """Forget the past (a shot cut): tracks do not continue across it, and their ids are not used again."""
        self._queue = self._tracks = self._time_s = None
        self._looks, self._sides = self._looks[np.zeros(0, np.int64)], Sides.unknown(0)

    def link(self, poses: Poses, flow: Flow, time_s: float) -> Poses:
        """The same poses in the same order, with ids, and left and right exchanged where they are wrong.

        Args:
            poses: N poses of the present frame. Ids that they have are ignored.
            flow: Flow from the frame of the last call to the present one; after ``reset`` not used.
            time_s: The present frame's time in seconds, after that of the last call.

        Returns:
            ``poses`` with ``track_ids``: distinct, or ``UNLINKED``.
        """
        config = self._config
        seconds = _SHORTEST_STEP_S if self._time_s is None else max(time_s - self._time_s, _SHORTEST_STEP_S)
        self._time_s, self._frame = time_s, self._frame + 1
        order = _canonical_order(poses)
        poses = poses[order]
        people, descriptors = Bodies.of(poses, config.min_joint_score), self._descriptors(poses)
        queue, tracks = self._moved(people, flow, seconds)
        rows, columns, doubtful = self._match(queue, tracks, people, descriptors)
        ids = np.full(len(people), UNLINKED, np.int64)
        ids[columns] = tracks.ids[rows]
        born = self._born(people, poses.scores, (ids == UNLINKED) & ~doubtful)
        ids[born] = np.arange(self._next_id, self._next_id + len(born))
        self._next_id += len(born)
        poses = poses.replace(track_ids=ids)
        if config.sides:
            self._sides = self._sides.later(seconds)
            settled = self._with_sides(poses, people, queue, tracks, rows, columns)
            if settled is not poses:
                poses, people = settled, Bodies.of(settled, config.min_joint_score)
        people = people.with_ids(ids)
        length = self._queue_length(seconds)
        tracks = tracks.seen(rows, people[columns], length, config.motion)
        self._queue = queue.pushed(people[np.flatnonzero(ids != UNLINKED)], self._kept(queue, tracks, length))
        living = self._living(tracks)
        self._tracks = tracks[living].joined_by(people[born], config.motion)
        self._sides = self._sides[living].joined_by(len(born))
        looks = self._looks.seen(rows, descriptors[columns], -math.expm1(-seconds / config.look_memory_s))
        self._looks = looks[living].joined_by(descriptors[born])
        return poses[np.argsort(order)]

    def hidden(self) -> Poses:
        """The people of current tracks who were not in the poses linked last, where they are expected.

        Scores are 0, because they were not seen.
        """
        assert self._tracks is not None, "call link first"
        return self._tracks[np.flatnonzero(self._tracks.gaps > 0)].bodies.poses()

    def _with_sides(
        self, poses: Poses, people: Bodies, queue: Queue, tracks: Tracks, rows: IntArray, columns: IntArray
    ) -> Poses:
        """The poses, in order; left and right exchanged where those of a track (``columns``) are wrong."""
        seen = (poses.origin[columns] == Origin.ESTIMATED).any(axis=1)
        rows, columns = rows[seen], columns[seen]
        if len(rows) == 0:
            return poses
        expected, last = tracks.bodies[rows], np.flatnonzero(queue.ages == 1)
        carried, known = rows_of(expected.track_ids, queue.carried.track_ids[last])
        expected.points[:, known] = queue.carried.points[:, last[carried[known]]]
        expected.present[known] = queue.carried.present[last[carried[known]]]
        expected.present[~known & (tracks.unseen_s[rows] > TELLS_SIDES_S)] = False
        people, scores = people[columns], mean_scores(poses)[columns]
        self._sides, slots = self._sides.read(rows, people, expected, sizes(people), scores)
        return _taken(poses, columns, slots)

    def _descriptors(self, poses: Poses) -> FloatArray:
        """float32 [N, D], what people look like; D = 0 without an ``Appearance`` stage."""
        if poses.appearance is None:
            return np.full((len(poses), self._looks.means.shape[1]), np.nan, np.float32)
        length = poses.appearance.shape[1]
        if length != self._looks.means.shape[1]:  # the first descriptors
            tracks = 0 if self._tracks is None else len(self._tracks)
            self._looks = Looks.empty(length).joined_by(np.full((tracks, length), np.nan, np.float32))
        return poses.appearance

    def _queue_length(self, seconds: float) -> int:
        """L_Q, in frames that are this far apart."""
        if not self._remembers:
            return 1
        return self._config.queue_frames or max(1, round(self._config.queue_s / seconds))

    def _living(self, tracks: Tracks) -> IntArray:
        """Rows of the tracks that were seen recently enough."""
        if not self._remembers:
            return np.flatnonzero(tracks.gaps == 0)
        if self._config.max_gap_frames is not None:
            return np.flatnonzero(tracks.gaps <= self._config.max_gap_frames)
        return np.flatnonzero(tracks.unseen_s <= self._config.max_gap_s + _SHORTEST_STEP_S)

    def _born(self, people: Bodies, scores: FloatArray, free: BoolArray) -> IntArray:
        """Rows of the people, of those who are free (bool [N]), who are seen well enough to start a track."""
        candidates = np.flatnonzero(free & (scores >= self._config.min_birth_score))
        joints = people.present[candidates].sum(axis=1)
        return np.asarray(candidates[joints >= self._config.min_birth_joints], np.int64)

    def _moved(self, people: Bodies, flow: Flow, seconds: float) -> tuple[Queue, Tracks]:
        """The past, one frame later: all stored poses and surroundings in one look-up of the flow."""
        if self._queue is None or self._tracks is None:
            return Queue.empty(people.skeleton), Tracks.empty(people.skeleton)
        stored = self._queue.carried
        around = self._tracks.surroundings()
        points = np.concatenate([stored.points.reshape(2, -1), around.reshape(2, -1)], axis=1)
        present = np.concatenate([stored.present.ravel(), np.ones(around[0].size, np.bool_)])
        displacement, valid = displacements(points, present, flow)
        split = stored.present.size
        camera = self._tracks.camera(around, displacement[:, split:], valid[split:])
        return (
            self._queue.moved(displacement[:, :split], valid[:split]),
            self._tracks.moved(camera, seconds, self._config.motion),
        )

    def _kept(self, queue: Queue, tracks: Tracks, length: int) -> IntArray:
        """Rows of the stored poses that will be needed: of living tracks, recent or the last of a lost person.

        At high frame rates every n-th frame's poses are kept: those between would say the same.
        """
        spacing = 1 if self._config.queue_frames else -(-length // _MOST_STORED)
        rows = np.searchsorted(tracks.ids, queue.carried.track_ids)
        kept = (queue.ages < length) & ((self._frame - queue.ages) % spacing == 0)
        if self._coasting:
            kept |= queue.ages == tracks.gaps[rows]  # the track's last pose is as old as its gap
        alive = np.zeros(len(tracks), np.bool_)
        alive[self._living(tracks)] = True
        return np.flatnonzero(kept & alive[rows])

    def _match(
        self, queue: Queue, tracks: Tracks, people: Bodies, descriptors: FloatArray
    ) -> tuple[IntArray, IntArray, BoolArray]:
        """Rows of tracks and of people that belong together; and bool [N], people of whom nobody can say yet."""
        floor, doubtful = self._config.min_similarity, np.zeros(len(people), np.bool_)
        expected = queue.beside(tracks.bodies) if self._coasting else queue
        similarity = self._similarity(expected, people, tracks.ids, floor)
        rows, columns = self._matching(self._weighed(similarity, descriptors), floor)
        is_lost, is_free = tracks.gaps > 1, ~doubtful
        is_lost[rows], is_free[columns] = False, False
        if not (self._coasting and is_lost.any() and is_free.any()):
            return rows, columns, doubtful
        lost, free = np.flatnonzero(is_lost), np.flatnonzero(is_free)
        owners = np.searchsorted(tracks.ids, queue.carried.track_ids)
        last = np.flatnonzero(is_lost[owners] & (queue.ages == tracks.gaps[owners]))
        pairs = np.repeat(lost, len(free)), np.tile(free, len(lost))
        likeness = self._looks.likeness(pairs[0], descriptors[pairs[1]]).reshape(len(lost), len(free))
        claim, doubtful[free] = claims(tracks[lost], queue.carried[last], people[free], likeness, self._config)
        more_rows, more_columns = self._matching(claim, 0)
        return np.concatenate([rows, lost[more_rows]]), np.concatenate([columns, free[more_columns]]), doubtful

    def _weighed(self, similarity: FloatArray, descriptors: FloatArray) -> FloatArray:
        """Similarities [T, N], those of rivals weighed with what people look like. None falls below the smallest
        that matters because of that.
        """
        floor, weight = self._config.min_similarity, np.float32(self._config.look_weight)
        possible = allowed(similarity, floor)
        rivals = (possible.sum(axis=0) > 1) | (possible.sum(axis=1) > 1)[:, None]
        rows, columns = np.nonzero(possible & rivals)
        if len(rows) == 0:
            return similarity
        likeness, weighed = self._looks.likeness(rows, descriptors[columns]), similarity.copy()
        weighed[rows, columns] *= 1 - weight + weight * likeness
        weighed[rows, columns] = np.maximum(weighed[rows, columns], floor)
        return weighed


def _taken(poses: Poses, rows: IntArray, slots: IntArray) -> Poses:
    """The poses with the joints of some rows, int64 [M], taken from other slots, int64 [M, K]."""
    if (slots == np.arange(len(poses.skeleton))).all():
        return poses
    keypoints, scores, origin = poses.keypoints.copy(), poses.keypoint_scores.copy(), poses.origin.copy()
    keypoints[rows] = np.take_along_axis(poses.keypoints[rows], slots[:, :, None], axis=1)
    scores[rows] = np.take_along_axis(poses.keypoint_scores[rows], slots, axis=1)
    origin[rows] = np.take_along_axis(poses.origin[rows], slots, axis=1)
    return poses.replace(keypoints=keypoints, keypoint_scores=scores, origin=origin)


def _canonical_order(poses: Poses) -> IntArray:
    """int64 [N] order from left to right that depends on what the poses are, not on how they come."""
    left = poses.boxes[:, 0]
    order = np.argsort(left, kind="stable")
    if (left[order[1:]] > left[order[:-1]]).all():
        return order
    joints = np.where(poses.present[..., None], poses.keypoints, 0).sum(axis=1)
    return np.lexsort((*joints.T, poses.scores, *poses.boxes.T[::-1]))
