"""People in two steps: a detector finds their boxes, a pose network estimates the joints in each."""

from __future__ import annotations

from collections.abc import Sequence

from posetrack.skeletons import Skeleton
from posetrack.stages import BatchPoseEstimator, Detector, PoseEstimator
from posetrack.types import Boxes, Image, Poses, Sighting


class TopDown:
    """A ``People`` stage of a detector and a pose network.

    ``find`` leaves all joints pending, so that nobody is estimated twice: the pipeline merges detected and carried
    boxes first, and then asks for the joints in the boxes that remain (Xiao, Wu, Wei 2018, algorithm 1).

    Args:
        detector: Finds the boxes of people.
        pose: Estimates the joints in a box.
    """

    def __init__(self, detector: Detector, pose: PoseEstimator) -> None:
        self.detector = detector
        self.pose = pose

    @property
    def skeleton(self) -> Skeleton:
        """The pose network's."""
        return self.pose.skeleton

    @property
    def calibration(self) -> object:
        """The pose network's, if it has one (see ``posetrack.calibration``)."""
        return getattr(self.pose, "calibration", None)

    def find(self, images: Sequence[Image]) -> list[Sighting]:
        """The people in each image (uint8 [H, W, 3] RGB), joints pending."""
        found = self.detector.detect(images)
        return [
            Sighting(image, Poses.pending_in(boxes, self.skeleton))
            for image, boxes in zip(images, found, strict=True)
        ]

    def refine(self, sightings: Sequence[Sighting], boxes: Sequence[Boxes]) -> list[Poses]:
        """One pose for every box; for all images in common batches if the pose network has ``estimate_batch``."""
        images = [sighting.image for sighting in sightings]
        if isinstance(self.pose, BatchPoseEstimator):
            return self.pose.estimate_batch(images, boxes)
        return [self.pose.estimate(image, each) for image, each in zip(images, boxes, strict=True)]
