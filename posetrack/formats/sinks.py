"""Sinks: files of poses written frame by frame, in constant memory, with the rows that ``writing`` writes.

All formats but MOTChallenge text count pixels from 0. Joints are measured from the centre of the top-left pixel,
boxes from the image's corner.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson

from posetrack.files.pending import PendingFile, output_errors
from posetrack.formats.annotations import Annotations
from posetrack.formats.coco_results import result_rows
from posetrack.formats.json_file import JsonFile
from posetrack.formats.mot import mot_lines
from posetrack.formats.naming import ImageNaming
from posetrack.formats.posetrack17_rows import frame_rows
from posetrack.formats.posetrack18_rows import PERSON_CATEGORY, image_row, people_rows
from posetrack.formats.table_file import TableFile
from posetrack.formats.tracked import EXACT, ROUNDED, Digits, annotations_of, corner_boxes
from posetrack.skeleton_conversion import convert_poses
from posetrack.skeletons import COCO
from posetrack.stages import SourceInfo
from posetrack.types import FloatArray, Frame, Poses

_FRAME = np.dtype([("index", "<i8"), ("time_s", "<f8")])
_FRAMES_AT_ONCE = 4096
_TIME_DIGITS = 6


class _Frames:
    """Makes annotations of single frames of a source."""

    def __init__(self, path: Path, source: SourceInfo, digits: Digits = ROUNDED) -> None:
        self.naming = ImageNaming.of(source.name)
        self._path, self._digits = path, digits

    def annotations(self, frame: Frame, poses: Poses) -> Annotations:
        image = {**self.image(frame.index), "time_s": frame.time_s}
        return annotations_of(self._path, self.naming.video_id, [image], [poses], self._digits)

    def image(self, index: int) -> dict[str, Any]:
        return {"file_name": self.naming.file_name(index), "id": self.naming.image_id(index)}


class PoseTrack18Sink:
    """PoseTrack18 JSON, as the official evaluator and COCO's tools read it.

    One image for every frame, with or without people, with its ``time_s``; one annotation per person with
    ``bbox``, its ``area``, ``keypoints`` (x, y, 2, or three zeros for a missing joint), ``num_keypoints``,
    per-joint ``scores``, the person's ``score`` and ``track_id``. Poses of other skeletons are converted. Numbers
    are rounded to 1/1000, scores to 1/10000, times to microseconds.

    Annotations go straight to the file; the images, which contain the number of frames, follow them.
    """

    def __init__(self, path: Path, source: SourceInfo) -> None:
        self._file = JsonFile(path, b'{"annotations":[\n')
        self._path, self._source = path, source
        self._frames = _Frames(path, source)
        with output_errors(path):
            # an unnamed file: it disappears with the process
            self._listed = tempfile.TemporaryFile(dir=path.parent)
        self._frame_count = 0
        self._people = 0

    def write(self, frame: Frame, poses: Poses, *, head_boxes: FloatArray | None = None) -> None:
        """Append one frame.

        Args:
            frame: Its index gives the image's name and id.
            poses: Its people.
            head_boxes: float32 [N, 4], x1 y1 x2 y2: makes the file a ground truth (``bbox_head``).
        """
        people = self._frames.annotations(frame, poses)
        if head_boxes is not None:
            people = replace(people, head_boxes=corner_boxes(head_boxes, ROUNDED))
        first = self._people + 1
        self._file.append({"id": number, **row} for number, row in enumerate(people_rows(people), start=first))
        with output_errors(self._path):
            self._listed.write(np.array((frame.index, frame.time_s), _FRAME).tobytes())
        self._frame_count += 1
        self._people += len(people)

    def close(self) -> None:
        """Add images and categories. The file takes its name."""
        self._file.next_list(b'\n],"images":[\n')
        self._file.append(self._images())
        self._listed.close()
        self._file.close(b'\n],"categories":' + orjson.dumps([PERSON_CATEGORY]) + b"}\n")

    def _images(self) -> Iterator[dict[str, Any]]:
        size = {"has_no_densepose": True, "width": self._source.width, "height": self._source.height}
        with output_errors(self._path):
            self._listed.seek(0)
        while chunk := self._listed.read(_FRAME.itemsize * _FRAMES_AT_ONCE):
            for index, time_s in np.frombuffer(chunk, _FRAME).tolist():
                image = {**self._frames.image(index), **size, "time_s": round(time_s, _TIME_DIGITS)}
                yield image_row(image, self._frames.naming.video_id, self._frame_count)

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(OSError):  # a full disk: flushing fails, and nothing is kept anyway
            self._listed.close()
        self._file.discard()


class PoseTrack17Sink:
    """PoseTrack17 ``annolist`` JSON: every frame, people as lists of scored points, no boxes."""

    def __init__(self, path: Path, source: SourceInfo) -> None:
        self._file = JsonFile(path, b'{"annolist":[\n')
        self._frames = _Frames(path, source)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame."""
        self._file.append(frame_rows(self._frames.annotations(frame, poses), [frame.index + 1]))

    def close(self) -> None:
        """The file takes its name."""
        self._file.close(b"\n]}\n")

    def discard(self) -> None:
        """Remove what was written."""
        self._file.discard()


class CocoResultsSink:
    """COCO keypoint results, as pycocotools' ``loadRes`` reads them.

    One object per person: ``image_id`` (as in PoseTrack18 JSON of the same source), ``category_id``,
    ``keypoints`` (COCO's 17 joints: x, y, score), ``score``, and ``track_id``, which pycocotools ignores.
    Frames without people leave no trace. Pixels and joints' scores are rounded to 1/1000.
    """

    def __init__(self, path: Path, source: SourceInfo) -> None:
        self._file = JsonFile(path, b"[\n")
        self._frames = _Frames(path, source, Digits(joint_scores=3))

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame."""
        self._file.append(result_rows(self._frames.annotations(frame, convert_poses(poses, COCO)), COCO))

    def close(self) -> None:
        """The file takes its name."""
        self._file.close(b"\n]\n")

    def discard(self) -> None:
        """Remove what was written."""
        self._file.discard()


class _TableSink:
    """One of the two tables, with the joints of the poses' own skeleton and exact numbers."""

    def __init__(self, path: Path, source: SourceInfo, form: Literal["csv", "parquet"]) -> None:
        self._frames = _Frames(path, source, EXACT)
        self._file = TableFile(path, form, [self._frames.naming.folder], found=True)

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame; without people, no rows."""
        self._file.append(self._frames.annotations(frame, poses), [frame.index])

    def close(self) -> None:
        """Write the rest. The file takes its name."""
        self._file.close()

    def discard(self) -> None:
        """Remove what was written."""
        self._file.discard()


class CsvSink(_TableSink):
    """CSV with a header line: clip, frame, time_s, person, name, person_score, joint, x, y, score, the box, and
    how the joint was found.

    Missing joints have empty x and y and score 0. Frames without people have no rows.
    """

    def __init__(self, path: Path, source: SourceInfo) -> None:
        super().__init__(path, source, "csv")


class ParquetSink(_TableSink):
    """Parquet with the columns of the CSV, in row groups; x and y are null where a joint is missing."""

    def __init__(self, path: Path, source: SourceInfo) -> None:
        super().__init__(path, source, "parquet")


class MotChallengeSink:
    """MOTChallenge text, one line per person (see ``mot``). Joints are not written."""

    def __init__(self, path: Path, source: SourceInfo) -> None:
        self._file = PendingFile(path)
        self._frames = _Frames(path, source, Digits(pixels=2))

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame; without people, no lines."""
        lines = mot_lines(self._frames.annotations(frame, poses), [frame.index])
        self._file.write("".join(lines).encode())

    def close(self) -> None:
        """The file takes its name."""
        self._file.commit()

    def discard(self) -> None:
        """Remove what was written."""
        self._file.discard()
