"""Combines the detected and the carried boxes of a frame into one set (Xiao, Wu, Wei 2018, section 3.2).

The paper puts both through one non-maximum suppression. Taken literally, a single detected box then
removes every carried box that it overlaps: when two people cross, the detector often has one box for both,
and the person behind, whom propagation should save, is dropped. Here a detected box stands for one person:

1. Detected and carried boxes are paired one to one, largest overlap first. The detected box survives
   (``detections_first``), or the box with the higher score, as in the paper.
2. Faint detections, too weak to be people by themselves, are paired with the carried boxes left over, and
   survive in their place: they show where the person is now, and the person keeps the carried score. Those without
   a partner are dropped (Zhang et al., "ByteTrack", ECCV 2022, section 3).
3. What is left goes through one suppression that removes only near copies, whatever their origin. Carried
   boxes belong to different tracks, and detected boxes have been through the detector's own suppression:
   neither needs more. Poses that still fall on the same person are removed by ``selection``, which
   compares limbs and not only rectangles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.tracker.config import MergeConfig
from posetrack.tracker.matching import greedy
from posetrack.tracker.oks import iou_matrix, suppress
from posetrack.types import Boxes, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """The boxes in which poses are estimated, best score first.

    Attributes:
        boxes: N boxes of either origin, with the scores of the people in them.
        rows: int64 [N], their rows among the detected, then the faint, then the carried boxes.
    """

    boxes: Boxes
    rows: IntArray


def merge(detected: Boxes, carried: Boxes, config: MergeConfig, faint: Boxes | None = None) -> Merged:
    """One set of boxes from the detector's and the carried ones.

    Args:
        detected: The detector's boxes.
        carried: Boxes carried from the previous frame, with scores on the detector's scale.
        config: Overlaps.
        faint: Detected boxes that count only where a person is expected.
    """
    boxes = Boxes.concatenate([detected, Boxes.empty() if faint is None else faint, carried])
    sure, first_carried = len(detected), len(boxes) - len(carried)
    overlaps, scores = iou_matrix(boxes.xyxy, boxes.xyxy), boxes.scores.copy()
    surviving = np.ones(len(boxes), np.bool_)
    surviving[sure:first_carried] = False
    rows, columns = greedy(overlaps[:sure, first_carried:], config.min_iou)
    partners = first_carried + columns
    detection_stays = (scores[rows] >= scores[partners]) | config.detections_first
    surviving[np.where(detection_stays, partners, rows)] = False
    if first_carried > sure:
        overlaps[sure:first_carried, partners] = 0
        rows, columns = greedy(overlaps[sure:first_carried, first_carried:], config.min_iou)
        rows, columns = sure + rows, first_carried + columns
        surviving[rows], surviving[columns] = True, False
        scores[rows] = np.maximum(scores[rows], scores[columns])
    left = np.flatnonzero(surviving)
    left = left[suppress(scores[left], overlaps[left][:, left] > config.duplicate_iou)]
    return Merged(Boxes(boxes.xyxy[left], scores[left]), left)
