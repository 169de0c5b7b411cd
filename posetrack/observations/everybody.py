"""Everybody whom a tracker saw or expected, reported or not: for blurring faces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from posetrack.errors import DataFormatError
from posetrack.observations.reader import ObservationFile, Observations
from posetrack.skeletons import Skeleton
from posetrack.types import Poses

_FIRST_VERSION = 2
"""Files of version 1 hold only the people who were reported."""


def everybody_by_frame(path: Path) -> Iterator[tuple[int, Poses]]:
    """Each frame's number, and everybody in it: the people of the first pass, and those whom it did not report.

    Args:
        path: A file of observations.

    Raises:
        DataFormatError: the file is missing, damaged, of another kind, or of a version that lacks some people.
    """
    with ObservationFile(path) as file:
        if file.version < _FIRST_VERSION:
            raise DataFormatError(
                f"{path} was written by an earlier version of posetrack, and does not hold all people whose faces "
                "must be blurred: track the source again."
            )
        for piece in file.pieces():
            yield from _everybody(piece, file.skeleton)


def _everybody(piece: Observations, skeleton: Skeleton) -> Iterator[tuple[int, Poses]]:
    reported = Poses(
        boxes=piece.boxes, scores=piece.person_scores, keypoints=piece.joints, keypoint_scores=piece.scores,
        track_ids=piece.track_ids, skeleton=skeleton,
    )  # fmt: skip
    for place, number in enumerate(piece.frames.tolist()):
        parts = [
            people[slice(*starts[place : place + 2].tolist())]
            for people, starts in ((reported, piece.starts), (piece.unreported, piece.unreported_starts))
        ]
        yield number, Poses.concatenate(parts)
