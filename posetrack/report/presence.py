"""Reads who is in which frame of a file of poses, and nothing else."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from posetrack.errors import DataFormatError
from posetrack.formats.reading import read_annotations
from posetrack.types import IntArray

_FIRST_LINE, _IMAGES_LINE = b'{"annotations":[\n', b'],"images":[\n'
"""Lines of a file by ``PoseTrack18Sink``: people come first, one per line, then images."""

_LONGEST_LINE = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Presence:
    """Who is in which frame.

    Attributes:
        frame_count: Number of frames in the clip.
        frames: int64 [M], frame of each observation of a person, from 0.
        track_ids: int64 [M], track id of each observation.
    """

    frame_count: int
    frames: IntArray
    track_ids: IntArray

    def people_per_frame(self) -> IntArray:
        """int64 [frame_count]: number of people in each frame."""
        return np.bincount(self.frames, minlength=self.frame_count).astype(np.int64)


def read_presence(path: Path) -> Presence:
    """Read the poses of one video: posetrack's own files line by line, others as a whole.

    Raises:
        DataFormatError: the file is missing or damaged, or holds several videos.
    """
    try:
        with path.open("rb") as file:
            if file.readline(_LONGEST_LINE) == _FIRST_LINE:
                return _by_line(path, iter(lambda: file.readline(_LONGEST_LINE), b""))
    except OSError as error:
        raise DataFormatError(f"{path}: cannot be read ({error.strerror}); check the path.") from error
    return _as_whole(path)


def _as_whole(path: Path) -> Presence:
    videos = read_annotations(path)
    if len(videos) > 1:
        raise DataFormatError(f"{path}: it holds {len(videos)} videos; give a file with one.")
    if not videos:
        return Presence(0, np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Presence(len(videos[0].images), videos[0].frames, videos[0].track_ids)


def _by_line(path: Path, lines: Iterator[bytes]) -> Presence:
    image_ids, track_ids, images = array("q"), array("q"), array("q")
    closed = False
    try:
        for line in lines:
            if line == _IMAGES_LINE:
                break
            if line.startswith(b"{"):
                person = orjson.loads(line.rstrip(b",\n"))
                image_ids.append(person["image_id"])
                track_ids.append(person["track_id"])
        for line in lines:
            if line.startswith(b"{"):
                images.append(orjson.loads(line.rstrip(b",\n"))["id"])
            closed = line.startswith(b'],"categories":') and line.endswith(b"}\n")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _damaged(path) from error
    shown, owners = np.array(images, np.int64), np.array(image_ids, np.int64)
    frames = np.searchsorted(shown, owners)
    if not closed or (np.diff(shown) <= 0).any() or not np.isin(owners, shown).all():
        raise _damaged(path)
    return Presence(len(shown), frames.astype(np.int64), np.array(track_ids, np.int64))


def _damaged(path: Path) -> DataFormatError:
    return DataFormatError(f"{path}: the file is damaged or cut short; track the clip again.")
