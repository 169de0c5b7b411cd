"""Whole files of annotations, with the rows that the sinks write frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Literal, TypeVar

import orjson

from posetrack.files.pending import write_file
from posetrack.formats.annotations import Annotations
from posetrack.formats.coco_results import result_rows
from posetrack.formats.json_file import JsonFile
from posetrack.formats.mot import mot_lines
from posetrack.formats.naming import frame_numbers
from posetrack.formats.posetrack17_rows import frame_rows
from posetrack.formats.posetrack18_found import found_rows, in_posetrack_joints
from posetrack.formats.posetrack18_rows import PERSON_CATEGORY, annotation_ids, image_row, people_rows
from posetrack.formats.table_file import TableFile
from posetrack.skeletons import Skeleton

_File = TypeVar("_File", JsonFile, TableFile)


def write_posetrack18(path: Path, videos: Sequence[Annotations]) -> None:
    """One PoseTrack18 file of all videos, including what COCO's tools need.

    Raises:
        DataFormatError: a number is too large for JSON.
        OutputError: the file cannot be written.
    """
    ids = iter(annotation_ids(videos))
    with _whole(JsonFile(path, b'{"images":[\n')) as file:
        for video in videos:
            regions = video.ignore_regions
            file.append(
                image_row(image, video.video, len(video.images), regions.get(frame, []))
                for frame, image in enumerate(video.images)
            )
        file.next_list(b'\n],"annotations":[\n')
        for video in videos:
            found = in_posetrack_joints(video)
            further = repeat({}) if found is None else found_rows(found)
            file.append(
                {"id": next(ids), **person, **more}
                for person, more in zip(people_rows(video), further, strict=False)
            )
        file.close(b'\n],"categories":' + orjson.dumps([PERSON_CATEGORY]) + b"}\n")


def write_posetrack17(path: Path, videos: Sequence[Annotations]) -> None:
    """One PoseTrack17 file. The format has one list of frames: several videos follow each other in it.

    Raises:
        OutputError: the file cannot be written.
    """
    with _whole(JsonFile(path, b'{"annolist":[\n')) as file:
        for video in videos:
            file.append(frame_rows(video, range(1, len(video.images) + 1)))
        file.close(b"\n]}\n")


def write_coco_results(path: Path, videos: Sequence[Annotations], skeleton: Skeleton) -> None:
    """COCO keypoint results with the joints of ``skeleton``.

    Raises:
        DataFormatError: a number is too large for JSON, or to compute with.
        OutputError: the file cannot be written.
    """
    with _whole(JsonFile(path, b"[\n")) as file:
        for video in videos:
            file.append(result_rows(video, skeleton))
        file.close(b"\n]\n")


def write_mot(path: Path, videos: Sequence[Annotations]) -> None:
    """MOTChallenge text of at most one video, whose images become its frames in order.

    Raises:
        DataFormatError: a box is too large to compute its size.
        OutputError: the file cannot be written.
    """
    lines = (line for video in videos for line in mot_lines(video, range(len(video.images))))
    write_file(path, "".join(lines).encode())


def write_table(path: Path, videos: Sequence[Annotations], form: Literal["csv", "parquet"]) -> None:
    """A table of at most one video; frames keep the numbers in their images' names.

    Raises:
        DataFormatError: a coordinate is too large for 32 bits.
        OutputError: the file cannot be written.
    """
    texts = [text for video in videos for text in (video.clip, *video.names.values())]
    found = any(video.found is not None for video in videos)
    with _whole(TableFile(path, form, texts, found=found)) as file:
        for video in videos:
            file.append(video, frame_numbers(video.images))
        file.close()


@contextmanager
def _whole(file: _File) -> Iterator[_File]:
    """Discards the file after an error."""
    try:
        yield file
    except BaseException:
        file.discard()
        raise
