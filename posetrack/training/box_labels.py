"""Boxes of people by agreement: labels for a detector, in images that nobody has labelled.

A detector looks at each image several times, larger and mirrored too, and a pose network looks into every box
that it finds. People are boxes on which most passes agree and in which the pose network sees a body. A large
box in which it sees none is background: furniture that the detector takes for a person becomes a hard negative.
A box whose pose is that of a better box is half of a person, and background as well. Doubtful boxes are regions
to ignore. What fools both networks, such as a lamp post with two bands, is background if somebody has said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import orjson

from posetrack.errors import DataFormatError
from posetrack.pixels import from_centre
from posetrack.ranges import require_above, require_fraction, require_kinds, require_whole
from posetrack.stages import Detector, PoseEstimator
from posetrack.tracker.joints import confident_joints, extents
from posetrack.tracker.oks import iou_matrix, oks_matrix
from posetrack.training.photographs import MALFORMED, read_image
from posetrack.training.teacher import PERSON, Content, box_annotation, image_entry, images_in
from posetrack.types import BoolArray, Boxes, FloatArray, Image, Poses

Verdict = Literal["person", "ignored", "background"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """When boxes are people.

    Attributes:
        same_iou: Boxes of several passes that overlap by this much are one box.
        min_score: Mean score over all passes of a person's box; a pass without the box counts 0.
        evidence_joints: Evidence for a body is the mean score of its best joints, this many: people whom the image
            cuts off have few.
        min_evidence: Evidence for a person.
        doubtful_score: Boxes with a lower mean score are background.
        nobody_evidence: A box with less evidence is background if it is ``min_height`` tall.
        min_height: Pixels; the pose network cannot judge smaller boxes.
        same_oks: Of two poses more alike than this one is a copy.
        sure_joint_score: Boxes are made to hold joints with this score.
    """

    same_iou: float = 0.6
    min_score: float = 0.5
    evidence_joints: int = 6
    min_evidence: float = 0.4
    doubtful_score: float = 0.25
    nobody_evidence: float = 0.12
    min_height: float = 64.0
    same_oks: float = 0.7
    sure_joint_score: float = 0.6

    def __post_init__(self) -> None:
        require_kinds(self)
        require_fraction(
            same_iou=self.same_iou,
            min_score=self.min_score,
            min_evidence=self.min_evidence,
            doubtful_score=self.doubtful_score,
            nobody_evidence=self.nobody_evidence,
            same_oks=self.same_oks,
            sure_joint_score=self.sure_joint_score,
        )
        require_above(0, min_height=self.min_height)
        require_whole(1, evidence_joints=self.evidence_joints)


def label_boxes(
    images: Path,
    detectors: Sequence[Detector],
    pose: PoseEstimator,
    config: Agreement | None = None,
    nobody: Mapping[str, FloatArray] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Content:
    """A COCO file's content: the people of a folder's images, marked ``pseudo``, and regions to ignore.

    Args:
        images: Folder of JPEG and PNG images.
        detectors: Each looks at every image and at its mirror image.
        pose: Judges the boxes.
        config: When boxes are people.
        nobody: Of images, by name, the boxes in which somebody has seen nobody, from ``read_nobody``. Boxes that
            overlap one by ``same_iou`` are background.
        progress: Called with the number of images done and of all.

    Raises:
        DataFormatError: the folder has no images, lacks one that ``nobody`` names, or one cannot be read.
    """
    config = config or Agreement()
    nobody = nobody or {}
    paths = images_in(images)
    if missing := sorted(set(nobody) - {path.name for path in paths}):
        raise DataFormatError(f"{images} has no image {missing[0]}, in which there is nobody; correct its name.")
    entries: list[Content] = []
    annotations: list[Content] = []
    for number, path in enumerate(paths, start=1):
        image = read_image(path)
        entries.append(image_entry(number, path, image))
        empty = nobody.get(path.name, np.empty((0, 4), np.float32))
        for box, score, verdict in people_in(image, detectors, pose, config):
            corners = from_centre(box)
            if (iou_matrix(corners[None], empty) >= config.same_iou).any():
                continue
            annotation = box_annotation(len(annotations) + 1, number, corners)
            doubtful = int(verdict == "ignored")
            annotations.append({**annotation, "iscrowd": doubtful, "pseudo": True, "score": round(score, 3)})
        progress(number, len(paths))
    return {"images": entries, "annotations": annotations, "categories": [PERSON]}


def read_nobody(path: Path) -> dict[str, FloatArray]:
    """Boxes in which somebody has seen nobody: float32 [N, 4] x1 y1 x2 y2, corner convention, by image name.

    Args:
        path: JSON: ``{"a.jpg": [[x, y, width, height], ...]}``, as COCO gives boxes.

    Raises:
        DataFormatError: it cannot be read, or says something else.
    """
    try:
        content = orjson.loads(path.read_bytes())
        boxes = {name: np.array(rows, np.float32).reshape(len(rows), 4) for name, rows in content.items()}
    except OSError as error:
        raise DataFormatError(f"cannot read {path}: {error.strerror}.") from error
    except MALFORMED as error:
        raise DataFormatError(
            f'{path} does not list boxes of images; write {{"a.jpg": [[x, y, width, height]]}}.'
        ) from error
    return {name: np.concatenate([each[:, :2], each[:, :2] + each[:, 2:]], axis=1) for name, each in boxes.items()}


def people_in(
    image: Image, detectors: Sequence[Detector], pose: PoseEstimator, config: Agreement
) -> list[tuple[FloatArray, float, Verdict]]:
    """Box (float32 [4], source pixels), mean score and verdict of the people and doubtful regions of an image."""
    passes = []
    for detector in detectors:
        passes.append(detector.detect([image])[0])
        passes.append(_mirrored(detector.detect([np.ascontiguousarray(image[:, ::-1])])[0], image.shape[1]))
    boxes = agreed(passes, config.same_iou)
    boxes = boxes[boxes.scores >= config.doubtful_score]
    poses = pose.estimate(image, boxes)
    found = zip(_holding_joints(poses, config), boxes.scores, verdicts(poses, config), strict=True)
    return [(box, float(score), verdict) for box, score, verdict in found if verdict != "background"]


def agreed(passes: Sequence[Boxes], same_iou: float) -> Boxes:
    """One box for each group of boxes of several passes that overlap by ``same_iou``, best first.

    Groups start at the best box that is left, and take at most one box from each pass. The box of a group is the
    mean of its boxes weighted by their scores, and its score their sum over the number of passes.
    """
    origins = np.repeat(np.arange(len(passes)), [len(each) for each in passes])
    boxes = Boxes.concatenate(passes)
    alike = iou_matrix(boxes.xyxy, boxes.xyxy) >= same_iou
    left = np.ones(len(boxes), np.bool_)
    corners, scores = [], []
    for first in np.argsort(-boxes.scores, kind="stable"):
        if not left[first]:
            continue
        members = np.flatnonzero(left & alike[first] & (origins != origins[first]))
        members = members[np.argsort(-boxes.scores[members], kind="stable")]
        _, best = np.unique(origins[members], return_index=True)
        group = np.concatenate([[first], members[best]])
        left[group] = False
        weights = boxes.scores[group]
        corners.append(np.average(boxes.xyxy[group], axis=0, weights=np.maximum(weights, 1e-6)))
        scores.append(weights.sum() / len(passes))
    grouped = Boxes(np.array(corners, np.float32).reshape(-1, 4), np.array(scores, np.float32))
    return grouped[np.argsort(-grouped.scores, kind="stable")]


def verdicts(poses: Poses, config: Agreement) -> list[Verdict]:
    """What the boxes of poses are, ``poses.scores`` being the boxes' mean scores."""
    evidence = np.sort(poses.keypoint_scores, axis=1)[:, -config.evidence_joints :].mean(axis=1)
    heights = poses.boxes[:, 3] - poses.boxes[:, 1]
    empty = (evidence < config.nobody_evidence) & (heights >= config.min_height)
    people = (poses.scores >= config.min_score) & (evidence >= config.min_evidence)
    copies = _copies(poses, evidence, people, config.same_oks)
    return [
        "background" if nobody or copy else "person" if person else "ignored"
        for nobody, copy, person in zip(empty, copies, people, strict=True)
    ]


def _copies(poses: Poses, evidence: FloatArray, people: BoolArray, same_oks: float) -> BoolArray:
    """bool [N]: the pose is that of a person whose box is better."""
    worth = np.where(people, poses.scores * evidence, 0)
    alike = oks_matrix(poses, poses) > same_oks
    better = (worth[:, None] > worth) & people[:, None]
    return np.asarray((alike & better).any(axis=0), np.bool_)


def _holding_joints(poses: Poses, config: Agreement) -> FloatArray:
    """float32 [N, 4]: the boxes, grown to hold the joints that are sure."""
    low, high = extents(poses.keypoints, confident_joints(poses, config.sure_joint_score))
    corners = [np.fmin(poses.boxes[:, :2], low), np.fmax(poses.boxes[:, 2:], high)]
    return np.asarray(np.concatenate(corners, axis=1), np.float32)


def _mirrored(boxes: Boxes, width: int) -> Boxes:
    """Boxes of a mirror image in the image itself."""
    left, top, right, bottom = boxes.xyxy.T
    return Boxes(np.stack([width - 1 - right, top, width - 1 - left, bottom], axis=1), boxes.scores)
