"""Searches for hidden people with the pose network where they are expected, at a limited rate.

The detector may miss people whom it has found before: bent, half covered, blurred. Their tracks continue as
predictions (``tracks``), and from time to time the pose network is run at the predicted position. It finds a
person in almost any box, not always the right one. So a pose counts as a sighting only if its joints are certain,
if its size and limbs are similar to the track's, and if nobody else is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.ranges import require_above, require_at_least, require_fraction, require_kinds
from posetrack.tracker.bodies import Bodies
from posetrack.tracker.config import TIME_PRECISION_S
from posetrack.tracker.evidence import covered
from posetrack.tracker.joints import bounds, mean_scores, medians
from posetrack.tracker.matching import rows_of
from posetrack.tracker.oks import Outlines, oks_pairs
from posetrack.types import UNLINKED, BoolArray, FloatArray, IntArray, Poses

_FEWEST_JOINTS = 5
"""Minimum number of joints in common to tell whether a body is the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchConfig:
    """How hidden people are searched for.

    Attributes:
        every_s: Seconds from one search at a hidden person's position to the next.
        min_pose_score: Mean joint score from which a pose counts as a person.
        max_covered: If at least this share of the expected box lies in another person's, the network would see
            that person, and is not run.
        max_growth: Largest ratio between the extents of the joints found and of those expected.
        min_oks: Minimum OKS of the pose with the expected one after aligning them.
        falloff: The k of that OKS, for all joints: limbs have moved unseen.
        min_joint_score: Joints below it are not compared.
        score: Box score of people found. Below ``LinkerConfig.min_birth_score``, so that they start no track, and
            soon below ``PropagationConfig.min_score``, unless they are found again.
    """

    every_s: float = 0.4
    min_pose_score: float = 0.5
    max_covered: float = 0.5
    max_growth: float = 1.5
    min_oks: float = 0.5
    falloff: float = 0.3
    min_joint_score: float = 0.2
    score: float = 0.3

    def __post_init__(self) -> None:
        require_kinds(self)
        require_above(0, every_s=self.every_s, falloff=self.falloff)
        require_at_least(1, max_growth=self.max_growth)
        require_fraction(
            min_pose_score=self.min_pose_score,
            max_covered=self.max_covered,
            min_oks=self.min_oks,
            min_joint_score=self.min_joint_score,
            score=self.score,
        )


class Search:
    """Remembers when each hidden person was searched for; one instance per video.

    Args:
        config: Settings.
    """

    def __init__(self, config: SearchConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget the past (a shot cut)."""
        self._ids: IntArray = np.zeros(0, np.int64)
        self._looked_s: NDArray[np.float64] = np.zeros(0)

    def due(self, hidden: Poses, others: FloatArray, time_s: float, frame_size: tuple[int, int]) -> Poses:
        """The hidden people to search for in a frame: ``every_s`` after they were lost, and then at that interval.

        Args:
            hidden: All hidden people, where they are expected.
            others: float32 [M, 4], the boxes of all people found in the frame. People behind one of them or
                outside of the frame are not searched for.
            time_s: Time of the frame in seconds.
            frame_size: Its width and height in pixels.
        """
        rows, known = rows_of(hidden.track_ids, self._ids)
        looked_s = np.full(len(hidden), time_s)
        looked_s[known] = self._looked_s[rows[known]]
        middles = (hidden.boxes[:, :2] + hidden.boxes[:, 2:]) / 2
        inside = ((middles >= 0) & (middles < np.array(frame_size))).all(axis=1)
        due = inside & (time_s - looked_s >= self._config.every_s - TIME_PRECISION_S)
        due &= covered(hidden.boxes, others) < self._config.max_covered
        self._ids, self._looked_s = hidden.track_ids, np.where(due, time_s, looked_s)
        return hidden[due]

    def found(self, seen: Poses, expected: Poses) -> Poses:
        """The people found, with the score of ``config``; without ids, which the linker assigns.

        Args:
            seen: N poses, as the network sees them in the boxes of ``expected``.
            expected: The people who were searched for.
        """
        config = self._config
        now, then = Bodies.of(seen, config.min_joint_score), Bodies.of(expected, config.min_joint_score)
        sure = mean_scores(seen) >= config.min_pose_score
        found = seen[sure & _as_large(now, then, config.max_growth) & _alike(now, then, config)]
        scores = np.full(len(found), config.score, np.float32)
        return found.replace(scores=scores, track_ids=np.full(len(found), UNLINKED))


def _as_large(now: Bodies, then: Bodies, max_growth: float) -> BoolArray:
    """bool [N]: the joints that both have extend over similar areas."""
    common = now.present & then.present
    extents = []
    for bodies in (now, then):
        low, high = bounds(bodies.points, common)
        extents.append(np.maximum((high - low).max(axis=0, initial=0), 1))
    return np.asarray(np.abs(np.log(extents[0] / extents[1])) <= np.log(max_growth), np.bool_)


def _alike(now: Bodies, then: Bodies, config: SearchConfig) -> BoolArray:
    """bool [N]: the postures are similar, wherever the bodies are."""
    shift = medians(now.points - then.points, now.present & then.present)
    moved = Bodies(then.points + shift[..., None], then.present, then.boxes, then.track_ids, then.skeleton)
    rows, falloff = np.arange(len(now)), np.full(len(now), config.falloff, np.float32)
    values, common = oks_pairs(Outlines.of_bodies(now), Outlines.of_bodies(moved), rows, rows, falloff)
    return np.asarray((values >= config.min_oks) & (common >= _FEWEST_JOINTS), np.bool_)
