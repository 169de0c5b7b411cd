"""Accuracy of a person detector on a COCO-keypoints file."""

from __future__ import annotations

from pathlib import Path

from posetrack.stages import Detector
from posetrack.training.detection_accuracy import accuracy, find
from posetrack.training.photographs import read_photographs


def measure_detector(annotations: Path, images: Path, detector: Detector) -> dict[str, float]:
    """Recall and false boxes of all boxes that a detector gives.

    ``recall@0.5`` is the share of people labelled by hand, with joints, whom a box covers at IoU 0.5 or more.
    ``false_boxes_per_image`` counts boxes that cover nobody, neither people labelled by hand nor those labelled by
    a network (``pseudo``), and that do not lie with more than half of their area within an ignored region
    (``iscrowd``). Boxes and people are matched one to one, best score first, each box with the free person that it
    overlaps most: a second box on one person is a false box.

    Args:
        annotations: The COCO-keypoints file.
        images: The folder that its file names are relative to.
        detector: Its score threshold decides which boxes there are.

    Raises:
        DataFormatError: the file is no COCO file, or an image cannot be read.
    """
    return accuracy(find(detector, read_photographs(annotations, images)))
