"""Detected and carried boxes of one frame made one set (Xiao, Wu, Wei 2018, section 3.2).

The paper puts both through one non-maximum suppression. Taken literally that lets a single detected box
remove every carried box that it overlaps: when two people cross, the detector often has one box for both,
and the person behind, whom propagation was to save, is dropped. Here a detected box stands for one person:

1. Detected and carried boxes are paired one to one, largest overlap first. Of a pair the box with the higher
   score survives, as in the paper: a fresh detection as a rule, or the carried box where the
   detector saw half of the person with half of the confidence.
2. What is left goes through one suppression that removes only near copies, of whatever origin. Carried
   boxes belong to different tracks, and detected boxes have been through the detector's own suppression:
   neither needs more. Poses that fall on the same person after all are for ``oks.oks_nms``, which
   sees limbs and not only rectangles.
"""

from __future__ import annotations

import numpy as np

from posetrack.tracker.config import MergeConfig
from posetrack.tracker.matching import greedy
from posetrack.tracker.oks import iou_matrix, suppress
from posetrack.types import Boxes, IntArray


def merge(detected: Boxes, carried: Boxes, config: MergeConfig) -> Boxes:
    """The boxes in which people are to be looked for, best score first.

    Args:
        detected: The detector's boxes.
        carried: Boxes carried from the previous frame, with scores on the detector's scale.
        config: Overlaps.

    Returns:
        Boxes of either origin, each unchanged with its own score.
    """
    boxes = Boxes.concatenate([detected, carried])
    return boxes[_survivors(boxes, len(detected), config)]


def survivors(detected: Boxes, carried: Boxes, config: MergeConfig) -> IntArray:
    """Which boxes ``merge`` returns: rows of the detected boxes followed by the carried ones."""
    return _survivors(Boxes.concatenate([detected, carried]), len(detected), config)


def _survivors(boxes: Boxes, detected: int, config: MergeConfig) -> IntArray:
    """Rows of boxes, the first ``detected`` of which are the detector's."""
    overlaps = iou_matrix(boxes.xyxy, boxes.xyxy)
    rows, columns = greedy(overlaps[:detected, detected:], config.min_iou)
    partners = detected + columns
    surviving = np.ones(len(boxes), np.bool_)
    surviving[np.where(boxes.scores[rows] >= boxes.scores[partners], partners, rows)] = False
    left = np.flatnonzero(surviving)
    return left[suppress(boxes.scores[left], overlaps[left][:, left] > config.duplicate_iou)]
