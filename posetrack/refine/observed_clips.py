"""Clips from files of observations (``NAME.tracks``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.formats.naming import ImageNaming
from posetrack.observations.header import Header
from posetrack.observations.reader import ObservationFile, Observations
from posetrack.refine.clip import Clip
from posetrack.refine.rows import People, tracks_of
from posetrack.skeletons import Skeleton
from posetrack.types import Doubles, FloatArray, IntArray


def read_observed_clip(path: Path, fps: float | None = None) -> Clip:
    """The clip of a file of observations.

    Args:
        path: The file.
        fps: Frames per second. Replaces the file's times.

    Raises:
        DataFormatError: the file is missing, damaged, of another kind, or of a later version.
    """
    with ObservationFile(path) as file:
        pieces = list(file.pieces())
        return clip_of_pieces(file.header, file.skeleton, pieces, fps)


def clip_of_pieces(
    header: Header, skeleton: Skeleton, pieces: Sequence[Observations], fps: float | None = None
) -> Clip:
    """The clip of consecutive pieces."""
    frames = _joined([piece.frames for piece in pieces], np.int64)
    times = _joined([piece.times_s for piece in pieces], np.float64) if fps is None else frames / fps
    cuts = _joined([piece.cuts for piece in pieces], np.bool_)
    people = _people(pieces, len(skeleton))
    return Clip(
        name=header.name,
        skeleton=skeleton,
        frames=frames,
        times=times,
        tracks=tracks_of(people, times),
        cuts=np.flatnonzero(cuts)[np.flatnonzero(cuts) > 0],
        images=_images(header, frames),
        camera=_camera(pieces),
        video=header.source_digest,
    )


def _joined(parts: Sequence[Any], kind: Any) -> Any:
    return np.concatenate([np.zeros(0, kind), *parts])


def _people(pieces: Sequence[Observations], width: int) -> People:
    def column(name: str, *shape: int) -> Doubles:
        return np.concatenate([np.zeros((0, *shape)), *(getattr(piece, name) for piece in pieces)])

    counts = np.concatenate([np.zeros(0, np.int64), *(np.diff(piece.starts) for piece in pieces)])
    scores, joints = column("scores", width), column("joints", width, 2)
    joints[scores == 0] = np.nan
    origins = np.concatenate([np.zeros((0, width), np.uint8), *(piece.origins for piece in pieces)])
    return People(
        ids=_joined([piece.track_ids for piece in pieces], np.int64),
        frames=np.repeat(np.arange(len(counts)), counts),
        boxes=column("boxes", 4),
        box_scores=column("person_scores"),
        joints=joints,
        joint_scores=scores,
        raw=joints,
        origins=np.where(scores > 0, origins, np.uint8(0)),
        appearance=_appearance(pieces),
    )


def _images(header: Header, frames: IntArray) -> tuple[dict[str, Any], ...]:
    naming = ImageNaming.of(header.name)
    size = {"has_no_densepose": True, "width": header.width, "height": header.height}
    return tuple(
        {"file_name": naming.file_name(number), "id": naming.image_id(number), **size}
        for number in frames.tolist()
    )


def _camera(pieces: Sequence[Observations]) -> Doubles | None:
    cameras = np.concatenate([np.zeros((0, 2, 3)), *(piece.cameras for piece in pieces)])
    unknown = np.isnan(cameras).any(axis=(1, 2))
    cameras[unknown] = np.eye(2, 3)
    return None if unknown.all() else cameras


def _appearance(pieces: Sequence[Observations]) -> FloatArray | None:
    """float32 [M, D], NaN for people without a descriptor; ``None`` if there are none."""
    width = next((piece.appearance.shape[1] for piece in pieces if piece.appearance is not None), None)
    if width is None:
        return None
    unknown = np.full((1, width), np.nan, np.float32)
    given = [(len(piece.track_ids), piece.appearance) for piece in pieces]
    return np.concatenate([unknown.repeat(count, axis=0) if array is None else array for count, array in given])
