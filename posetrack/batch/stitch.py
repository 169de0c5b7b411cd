"""Chunks of a clip joined again: whoever is seen by both neighbours of a seam goes on under one id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from posetrack.batch.chunk_poses import ChunkPoses
from posetrack.batch.chunks import Chunk
from posetrack.errors import VideoError
from posetrack.ranges import require_above, require_fraction
from posetrack.tracker.matching import hungarian
from posetrack.tracker.oks import Outlines, oks_pairs
from posetrack.types import IntArray, Poses

SAME_TIME_S = 1e-3
"""A frame is the same if it is seen at the same time: containers round to milliseconds at worst."""


class SeamError(VideoError):
    """Two chunks do not show the same frames where they overlap: the clip has to be tracked as a whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StitchConfig:
    """How the tracks of two chunks are matched.

    Attributes:
        min_oks: Two tracks less alike than this, on average over the frames that both are seen in, are
            different people.
        half_life_share: The weight of a shared frame halves with every such share of the overlap that it lies
            before its end: what counts is who is who where one chunk takes over from the other.
    """

    min_oks: float = 0.5
    half_life_share: float = 0.1

    def __post_init__(self) -> None:
        shares = {"min_oks": self.min_oks, "half_life_share": self.half_life_share}
        require_above(0, **shares)
        require_fraction(**shares)


def matched_tracks(left: ChunkPoses, right: ChunkPoses, config: StitchConfig) -> dict[int, int]:
    """Track of the right chunk -> track of the left one that is the same person.

    One to one, so that the sum over all pairs and shared frames of weight x OKS is largest.

    Args:
        left, right: Poses of both chunks in the same F frames.
        config: Settings.

    Raises:
        ValueError: the frames are not the same number, or skeletons differ.
    """
    if len(left) != len(right):
        raise ValueError(f"{len(left)} frames of one chunk cannot be compared with {len(right)} of the other")
    rows, columns, frames = _pairs(left, right)
    oks, common = oks_pairs(Outlines.of(left.people), Outlines.of(right.people), rows, columns)
    weights = np.exp2((frames - (len(left) - 1)) / (config.half_life_share * len(left)))
    left_ids, row_tracks = np.unique(left.people.track_ids[rows], return_inverse=True)
    right_ids, column_tracks = np.unique(right.people.track_ids[columns], return_inverse=True)
    comparable = weights * (common > 0)
    shape = len(left_ids), len(right_ids)
    gain, weight = np.zeros(shape), np.zeros(shape)
    np.add.at(gain, (row_tracks, column_tracks), comparable * oks)
    np.add.at(weight, (row_tracks, column_tracks), comparable)
    alike = gain >= config.min_oks * weight
    matched = hungarian(np.where(alike, gain, 0), 0.0)
    return {int(right_ids[column]): int(left_ids[row]) for row, column in zip(*matched, strict=True)}


def _pairs(left: ChunkPoses, right: ChunkPoses) -> tuple[IntArray, IntArray, IntArray]:
    """Everybody of the left chunk with everybody of the right one in the same frame: rows, columns, places."""
    lefts, rights = np.diff(left.starts), np.diff(right.starts)
    counts = lefts * rights
    frames = np.repeat(np.arange(len(counts)), counts)
    numbers = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = left.starts[frames] + numbers // rights[frames]
    columns = right.starts[frames] + numbers % rights[frames]
    return rows, columns, frames


def stitched(
    parts: Iterable[ChunkPoses], chunks: Iterable[Chunk], config: StitchConfig
) -> Iterator[tuple[int, float, Poses]]:
    """The frames of the whole clip, each once: index, time, and people under ids that go on over the seams.

    Shared frames are the left chunk's, which knows the past; the right one takes over behind the overlap, in which
    it has found its way. A track of it that continues none of the left chunk's gets the next free id,
    the one born first the lowest: ids stay compact, and the first chunk's are those of a whole run.

    Args:
        parts: The chunks' poses in order; two are held at a time.
        chunks: The plan.
        config: How tracks are matched.

    Raises:
        SeamError: two chunks do not show the same frames in their overlap.
    """
    before: ChunkPoses | None = None
    next_id = 0
    for part, chunk in zip(parts, chunks, strict=True):
        own = int(np.searchsorted(part.indices, chunk.own_from))
        identities: dict[int, int] = {}
        if before is not None:
            overlap = before.part(slice(int(np.searchsorted(before.indices, chunk.first)), len(before)))
            shared = part.part(slice(0, own))
            _require_same_frames(overlap, shared)
            identities = matched_tracks(overlap, shared, config)
        new = [
            track_id
            for track_id in np.unique(part.people.track_ids[part.starts[own] :]).tolist()
            if track_id not in identities
        ]
        identities |= {track_id: next_id + number for number, track_id in enumerate(new)}
        next_id += len(new)
        # Tracks that end within the overlap and continue nothing are left out with the frames that show them.
        table = np.full(int(part.people.track_ids.max(initial=-1)) + 1, -1, np.int64)
        table[list(identities)] = list(identities.values())
        people = part.people.replace(track_ids=table[part.people.track_ids])
        before = ChunkPoses(part.indices, part.times_s, part.starts, people)
        yield from before.part(slice(own, len(part)))


def _require_same_frames(left: ChunkPoses, right: ChunkPoses) -> None:
    same = np.array_equal(left.indices, right.indices)
    if not same or (np.abs(left.times_s - right.times_s) > SAME_TIME_S).any():
        raise SeamError("Its frames are not found again by seeking: the file is damaged, or lacks time stamps.")
