"""Accuracy of a person detector on a COCO-keypoints file."""

from __future__ import annotations

from pathlib import Path

from posetrack.stages import Detector
from posetrack.training.detection_accuracy import accuracy, find
from posetrack.training.photographs import read_photographs


def measure_detector(annotations: Path, images: Path, detector: Detector) -> dict[str, float]:
    """Measure a detector's recall and false boxes.

    ``recall@0.5`` is the share of people labelled by hand, with joints, that match a box at IoU 0.5 or more.
    ``false_boxes_per_image`` counts boxes that match nobody, labelled by hand or by a network (``pseudo``), and do
    not lie mostly within an ignored region (``iscrowd``). Boxes and people are matched one to one, best score
    first, each box with the free person that it overlaps most: a second box on a person is a false box.

    Args:
        annotations: The COCO-keypoints file.
        images: The folder that its file names are relative to.
        detector: The detector, with its score threshold.

    Raises:
        DataFormatError: the file is not a COCO file, or an image cannot be read.
    """
    return accuracy(find(detector, read_photographs(annotations, images)))
