"""Decides which carried people to keep in a frame with detections: a carried box is only a hypothesis.

The paper reports everybody whom the flow carries into the frame (Xiao, Wu, Wei 2018, section 3.2), and so
does this package between detections. But when a person walks behind a sign, the flow there is zero and their box
stays on the sign; when they reappear, their track is already in use. On real sequences with human ground truth
(PETS-S3MF1 and TUD-Campus) two thirds of the carried boxes without a detection contained nobody.

So a carried person without a detection is kept only if the pose network finds a person there, apart from detected
people, and for a short time. Otherwise they are hidden: not reported, and not a sighting for their track, which
continues as a prediction (``tracks``). A faint detection confirms them if the pose network agrees.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posetrack.tracker.config import EvidenceConfig
from posetrack.tracker.joints import mean_scores
from posetrack.tracker.matching import rows_of
from posetrack.tracker.oks import inside_matrix, iou_matrix
from posetrack.types import UNLINKED, BoolArray, Boxes, FloatArray, IntArray, Poses


class Evidence:
    """Remembers since when the detector has missed each track's person; one instance per video.

    Args:
        config: Settings.
    """

    def __init__(self, config: EvidenceConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget the past (a shot cut)."""
        self._missed_ids: IntArray = np.zeros(0, np.int64)
        self._missed_since_s: NDArray[np.float64] = np.zeros(0)
        self._last_look_s: float | None = None

    def believed(
        self, people: Poses, carried_ids: IntArray, faint: BoolArray, detected: Boxes, time_s: float
    ) -> BoolArray:
        """Which people are there, in a frame in which the detector looked.

        Args:
            people: N poses, estimated in this frame.
            carried_ids: int64 [N], the tracks of people in carried boxes; ``UNLINKED`` in detected ones.
            faint: bool [N], people in boxes that the detector is not sure of.
            detected: All boxes of the detector, faint ones too.
            time_s: Time of the frame in seconds.

        Returns:
            bool [N]. Everybody in a box that the detector is sure of is believed.
        """
        config = self._config
        scores = mean_scores(people)
        missed = (carried_ids != UNLINKED) & (
            iou_matrix(people.boxes, detected.xyxy).max(axis=1, initial=0) < config.min_iou
        )
        since_s = self._since(carried_ids, time_s)
        vouched = (
            (scores >= config.min_pose_score)
            & (covered(people.boxes, detected.xyxy) < config.max_covered)
            & (time_s - since_s <= config.max_missed_s)
        )
        self._missed_ids, self._missed_since_s = carried_ids[missed], since_s[missed]
        self._last_look_s = time_s
        seen = ~faint | (scores >= config.min_faint_pose_score)
        return np.asarray((~missed & seen) | vouched, np.bool_)

    def _since(self, ids: IntArray, time_s: float) -> NDArray[np.float64]:
        """float64 [N], when the detector looked and saw each person last; now for those it has not missed yet."""
        last_s = time_s if self._last_look_s is None else self._last_look_s
        since_s = np.full(len(ids), last_s)
        rows, known = rows_of(ids, self._missed_ids)
        since_s[known] = self._missed_since_s[rows[known]]
        return since_s


def covered(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """The largest share of each box that lies in one of the others: float32 [N], of float32 [N, 4] and [M, 4]."""
    return np.asarray(inside_matrix(boxes, others).max(axis=1, initial=0), np.float32)
