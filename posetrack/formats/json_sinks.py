"""PoseTrack18, PoseTrack17 and COCO-results JSON, written frame by frame.

Joints are written as they are: all three formats count pixels from 0 and call the centre of the top-left
pixel (0, 0), as we do. Their boxes are measured from the image's top-left corner, half a pixel up and left
of that centre.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from posetrack.files.pending import PendingFile, output_errors
from posetrack.formats.annotations import EVALUATION_SLOTS, VISIBLE
from posetrack.formats.naming import ImageNaming
from posetrack.pixels import from_centre
from posetrack.skeleton_conversion import convert_poses
from posetrack.skeletons import COCO, POSETRACK
from posetrack.stages import SourceInfo
from posetrack.types import FloatArray, Frame, Poses

PERSON_CATEGORY = {
    "supercategory": "person",
    "id": 1,
    "name": "person",
    "keypoints": POSETRACK.joints,
    "skeleton": (POSETRACK.limb_slots + 1).tolist(),
}
"""PoseTrack18's one category (``skeleton`` counts joints from 1, as COCO does)."""

PLAIN_PERSON: dict[str, Any] = {"iscrowd": 0, "segmentation": []}
"""What COCO's tools ask of every annotation, and PoseTrack's files do not say."""

_INDEX_BYTES = 8
_INDICES_AT_ONCE = 4096


def xywh(boxes: FloatArray) -> NDArray[np.float64]:
    """Boxes [N, 4], x1 y1 x2 y2 in our pixels, as COCO's x, y, width, height from the image's corner.

    >>> xywh(np.array([[-0.5, -0.5, 9.5, 19.5]], np.float32)).tolist()
    [[0.0, 0.0, 10.0, 20.0]]
    """
    corners = from_centre(boxes.astype(np.float64))
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def keypoint_triples(poses: Poses, third: NDArray[Any]) -> list[list[float]]:
    """Per person x, y and the ``third`` value [N, K] of each joint; 0, 0, 0 where it is missing."""
    triples = np.concatenate([poses.keypoints, third[..., None]], axis=2, dtype=np.float64)
    triples[~poses.present] = 0
    rows: list[list[float]] = triples.round(3).reshape(len(poses), 3 * len(poses.skeleton)).tolist()
    return rows


class _JsonSink:
    """Writes items of one JSON list, with something before and after it."""

    def __init__(self, path: Path, source: SourceInfo) -> None:
        self._file = PendingFile(path)
        self._naming = ImageNaming.of(source.name)
        self._separator = b""

    def _append(self, items: Iterable[dict[str, Any]]) -> None:
        for item in items:
            self._file.write(self._separator + orjson.dumps(item))
            self._separator = b",\n"

    def discard(self) -> None:
        """Remove what was written."""
        self._file.discard()


class PoseTrack18Sink(_JsonSink):
    """PoseTrack18 JSON, as the official evaluator and COCO's tools read it.

    One image for every frame, also for those without people; one annotation per person with ``bbox``, its
    ``area``, ``keypoints`` (x, y, 2, or three zeros for a missing joint), ``num_keypoints``, per-joint
    ``scores``, ``score`` of the person and ``track_id``. Poses of other skeletons are converted. Numbers are
    rounded to 1/1000.

    Annotations go straight to the file; the images, which must name the number of frames, follow them.
    """

    def __init__(self, path: Path, source: SourceInfo) -> None:
        super().__init__(path, source)
        self._source = source
        self._file.write(b'{"annotations":[\n')
        with output_errors(path):
            # without a name: vanishes with the process, whatever happens to it
            self._indices = tempfile.TemporaryFile(dir=path.parent)
        self._frames = 0
        self._people = 0

    def write(self, frame: Frame, poses: Poses, *, head_boxes: FloatArray | None = None) -> None:
        """Append one frame.

        Args:
            frame: Its index gives the image's name and id.
            poses: Its people.
            head_boxes: float32 [N, 4], x1 y1 x2 y2: makes the file a ground truth (``bbox_head``).
        """
        poses = convert_poses(poses, POSETRACK)
        people = self._annotations(self._naming.image_id(frame.index), poses)
        if head_boxes is not None:
            for person, box in zip(people, xywh(head_boxes).round(3).tolist(), strict=True):
                person["bbox_head"] = box
        self._append(people)
        with output_errors(self._file.path):
            self._indices.write(frame.index.to_bytes(_INDEX_BYTES, "little"))
        self._frames += 1
        self._people += len(people)

    def _annotations(self, image_id: int, poses: Poses) -> list[dict[str, Any]]:
        present = poses.present
        boxes = xywh(poses.boxes).round(3)
        columns = zip(
            boxes.tolist(),
            boxes[:, 2:].prod(axis=1).round(3).tolist(),
            keypoint_triples(poses, VISIBLE * present),
            present.sum(axis=1).tolist(),
            np.where(present, poses.keypoint_scores.astype(np.float64), 0).round(4).tolist(),
            poses.scores.astype(np.float64).round(4).tolist(),
            poses.track_ids.tolist(),
            strict=True,
        )
        return [
            {
                "id": self._people + number,
                "image_id": image_id,
                "category_id": PERSON_CATEGORY["id"],
                "track_id": track_id,
                "bbox": box,
                "area": area,
                "keypoints": keypoints,
                "num_keypoints": joints,
                "scores": scores,
                "score": score,
                **PLAIN_PERSON,
            }
            for number, (box, area, keypoints, joints, scores, score, track_id) in enumerate(columns, start=1)
        ]

    def close(self) -> None:
        """Add images and categories; the file takes its name."""
        self._file.write(b'\n],"images":[\n')
        self._separator = b""
        self._append(self._images())
        self._indices.close()
        self._file.write(b'\n],"categories":' + orjson.dumps([PERSON_CATEGORY]) + b"}\n")
        self._file.commit()

    def _images(self) -> Iterator[dict[str, Any]]:
        with output_errors(self._file.path):
            self._indices.seek(0)
        while chunk := self._indices.read(_INDEX_BYTES * _INDICES_AT_ONCE):
            for index in np.frombuffer(chunk, "<i8").tolist():
                yield {
                    "file_name": self._naming.file_name(index),
                    "id": self._naming.image_id(index),
                    "frame_id": self._naming.image_id(index),
                    "vid_id": self._naming.video_id,
                    "nframes": self._frames,
                    "is_labeled": True,
                    "has_no_densepose": True,
                    "width": self._source.width,
                    "height": self._source.height,
                }

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(OSError):  # what cannot be flushed to a full disk is being thrown away
            self._indices.close()
        super().discard()


class PoseTrack17Sink(_JsonSink):
    """PoseTrack17 ``annolist`` JSON: every frame, people as lists of scored points, no boxes."""

    def __init__(self, path: Path, source: SourceInfo) -> None:
        super().__init__(path, source)
        self._file.write(b'{"annolist":[\n')

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame."""
        poses = convert_poses(poses, POSETRACK)
        entry = {
            "image": [{"name": self._naming.file_name(frame.index)}],
            "imgnum": [frame.index + 1],
            "is_labeled": [1],
            "annorect": [self._person(poses, number) for number in range(len(poses))],
        }
        self._append([entry])

    @staticmethod
    def _person(poses: Poses, number: int) -> dict[str, Any]:
        xy = poses.keypoints[number, EVALUATION_SLOTS].astype(np.float64).round(3).tolist()
        scores = poses.keypoint_scores[number, EVALUATION_SLOTS].astype(np.float64).round(4).tolist()
        present = poses.present[number, EVALUATION_SLOTS].tolist()
        points = [
            {"id": [joint], "x": [x], "y": [y], "score": [score]}
            for joint, ((x, y), score, there) in enumerate(zip(xy, scores, present, strict=True))
            if there
        ]
        return {
            "track_id": [int(poses.track_ids[number])],
            "score": [round(float(poses.scores[number]), 4)],
            "annopoints": [{"point": points}],
        }

    def close(self) -> None:
        """The file takes its name."""
        self._file.write(b"\n]}\n")
        self._file.commit()


class CocoResultsSink(_JsonSink):
    """COCO keypoint results, as pycocotools' ``loadRes`` reads them.

    One object per person: ``image_id`` (as in PoseTrack18 JSON of the same source), ``category_id``,
    ``keypoints`` (COCO's 17 joints: x, y, score), ``score``, and ``track_id``, which pycocotools ignores.
    Frames without people leave no trace.
    """

    def __init__(self, path: Path, source: SourceInfo) -> None:
        super().__init__(path, source)
        self._file.write(b"[\n")

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame."""
        poses = convert_poses(poses, COCO)
        columns = zip(
            keypoint_triples(poses, poses.keypoint_scores),
            poses.scores.astype(np.float64).round(4).tolist(),
            poses.track_ids.tolist(),
            strict=True,
        )
        image_id = self._naming.image_id(frame.index)
        self._append(
            {
                "image_id": image_id,
                "category_id": PERSON_CATEGORY["id"],
                "keypoints": keypoints,
                "score": score,
                "track_id": track_id,
            }
            for keypoints, score, track_id in columns
        )

    def close(self) -> None:
        """The file takes its name."""
        self._file.write(b"\n]\n")
        self._file.commit()
