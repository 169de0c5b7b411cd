"""Recall and false boxes of a person detector on labelled images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.pixels import from_centre
from posetrack.stages import Detector
from posetrack.training.photographs import Photograph, read_image
from posetrack.types import BoolArray, Boxes, FloatArray

MIN_IOU = 0.5
"""A box that overlaps a person by less has not found that person."""


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """How the boxes of one image match its people.

    Attributes:
        scores: float32 [N], scores of all boxes, best first.
        false: bool [N], the box matches nobody and does not lie mostly inside an ignored region.
        found_by: int [M], index of the box that found each hand-labelled person; -1 if none did.
    """

    scores: FloatArray
    false: BoolArray
    found_by: NDArray[np.int64]


def overlap(a: FloatArray, b: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Intersection of boxes [N, 4] and [M, 4] over their union, and over the first one's area: [N, M] each.

    >>> overlap(np.array([[0, 0, 2, 2]], np.float32), np.array([[1, 0, 3, 2]], np.float32))[0].round(3).tolist()
    [[0.333]]
    """
    start = np.maximum(a[:, None, :2], b[None, :, :2]).astype(np.float64)
    stop = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = (stop - start).clip(0).prod(axis=2)
    areas_a, areas_b = ((boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1) for boxes in (a, b))
    union = areas_a[:, None] + areas_b - common
    return common / np.maximum(union, 1e-9), common / np.maximum(areas_a[:, None], 1e-9)


def match(boxes: Boxes, photograph: Photograph) -> Finding:
    """Match boxes to people, best score first: each box takes the free person that it overlaps most.

    People labelled by a network take part too, since a box on one of them is not false.
    """
    order = np.argsort(-boxes.scores, kind="stable")
    xyxy, scores = from_centre(boxes.xyxy[order]), boxes.scores[order]
    people = photograph.boxes[~photograph.ignored]
    iou = overlap(xyxy, people)[0]
    found_by = np.full(len(people), -1, np.int64)
    for number in range(len(xyxy)):
        free = np.where(found_by < 0, iou[number], 0)
        if free.max(initial=0) >= MIN_IOU:
            found_by[free.argmax()] = number
    unmatched = ~np.isin(np.arange(len(xyxy)), found_by)
    excused = (overlap(xyxy, photograph.boxes[photograph.ignored])[1] > 0.5).any(axis=1)
    return Finding(scores, unmatched & ~excused, found_by[photograph.annotated[~photograph.ignored]])


def find(detector: Detector, photographs: Iterable[Photograph]) -> list[Finding]:
    """Run a detector on photographs and match its boxes.

    Raises:
        DataFormatError: an image cannot be read.
    """
    findings = []
    for photograph in photographs:
        findings.append(match(detector.detect([read_image(photograph.path)])[0], photograph))
    return findings


def accuracy(findings: Sequence[Finding], threshold: float = 0.0) -> dict[str, float]:
    """``recall@0.5`` and ``false_boxes_per_image`` of the boxes that score at least ``threshold``.

    Boxes were matched from the best score down, so dropping low scores does not change the other matches.
    Recall is the share of hand-labelled people that a box found; NaN if there are none.
    """
    found = people = false = 0
    for finding in findings:
        kept = int((finding.scores >= threshold).sum())
        found += int(((finding.found_by >= 0) & (finding.found_by < kept)).sum())
        people += len(finding.found_by)
        false += int(finding.false[:kept].sum())
    return {
        f"recall@{MIN_IOU:g}": found / people if people else float("nan"),
        "false_boxes_per_image": false / len(findings) if findings else float("nan"),
    }
