"""Trees in PoseTrack's official layouts, made of rendered scenes with exact ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from posetrack.formats.tracked import annotations_of
from posetrack.formats.writing import write_posetrack17, write_posetrack18
from posetrack.skeletons import POSETRACK
from posetrack.synthetic import Scene, Truth, crossing, re_entering, render
from posetrack.types import UNLINKED, Boxes, Image, Poses
from tests.pictures import read_image

SIZE = (320, 180)
FRAMES = 12
LABELLED = frozenset({0, *range(3, 9), 11})
NAMES = {"posetrack18": "{:06d}_mpii_test", "posetrack17": "{:05d}_mpii_relpath_5sec_testsub"}
IMAGES = {
    "posetrack18": "images/val/{:06d}_mpii_test/{:06d}.jpg",
    "posetrack17": "images/mpii_5sec/{:05d}_mpii/{:08d}.jpg",
}
WRITERS = {"posetrack18": write_posetrack18, "posetrack17": write_posetrack17}


@dataclass
class Oracle:
    """Detector and pose network that know the truth of every image of a tree, once it is read from its file.

    As detector it misses everybody in the frames of ``blind``.
    """

    truths: dict[bytes, tuple[int, Poses]] = field(default_factory=dict, repr=False)
    blind: frozenset[int] = frozenset()
    skeleton = POSETRACK
    seen: int = 0

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        self.seen += len(images)
        found = []
        for image in images:
            frame, poses = self.truths[image.tobytes()]
            found.append(Boxes.empty() if frame in self.blind else Boxes(poses.boxes, poses.scores))
        return found

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """The joints of the person whose box is nearest."""
        _, truth = self.truths[image.tobytes()]
        if not len(boxes) or not len(truth):
            return Poses.empty(POSETRACK)
        person = np.abs(boxes.xyxy[:, None] - truth.boxes[None]).sum(axis=2).argmin(axis=1)
        return Poses(
            boxes.xyxy, boxes.scores, truth.keypoints[person], 0.9 * truth.keypoint_scores[person],
            np.full(len(boxes), UNLINKED), POSETRACK,
        )  # fmt: skip


def write_tree(root: Path, layout: str) -> Oracle:
    """Two sequences of twelve frames, some of them without labels, as ``annotations/val`` and ``images``."""
    oracle = Oracle()
    (root / "annotations" / "val").mkdir(parents=True)
    for number, scene in ((7, crossing(4, SIZE)), (42, re_entering(4, SIZE))):
        _write_sequence(root, layout, number, _beginning(scene), oracle)
    return oracle


def _beginning(scene: Scene) -> Scene:
    return replace(scene, shots=(replace(scene.shots[0], frame_count=FRAMES),))


def _write_sequence(root: Path, layout: str, number: int, scene: Scene, oracle: Oracle) -> None:
    images: list[dict[str, Any]] = []
    truths: list[Truth] = []
    for frame, truth in render(scene):
        # PoseTrack17 counts from 1; the ids of PoseTrack18 are no positions either
        name = IMAGES[layout].format(number, frame.index + (layout == "posetrack17"))
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), frame.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        image = read_image(path)
        assert image is not None
        oracle.truths[image.tobytes()] = frame.index, truth.poses
        images.append(
            {
                "file_name": name,
                "id": 10**10 + 10_000 * number + 2 * frame.index,
                "is_labeled": frame.index in LABELLED,
            }
        )
        truths.append(truth)
    labelled = [truth.poses if n in LABELLED else Poses.empty(POSETRACK) for n, truth in enumerate(truths)]
    path = root / "annotations" / "val" / f"{NAMES[layout].format(number)}.json"
    heads = np.concatenate([truths[n].head_boxes for n in sorted(LABELLED)]) + 0.5
    video = annotations_of(path, f"{number:06d}", images, labelled)
    WRITERS[layout](path, [replace(video, head_boxes=heads.astype(np.float64))])
