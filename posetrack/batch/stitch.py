"""Joins the chunks of a clip: a person seen by both neighbours of a seam keeps one id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from posetrack.batch.chunk_poses import ChunkPoses
from posetrack.batch.chunks import Chunk
from posetrack.errors import VideoError
from posetrack.ranges import require_above, require_fraction, require_kinds
from posetrack.tracker.matching import hungarian
from posetrack.tracker.oks import Outlines, oks_pairs
from posetrack.types import UNLINKED, Frame, IntArray, Poses

SAME_TIME_S = 1e-3
"""Frames whose times differ by at most this are the same: containers round to milliseconds at worst."""


class SeamError(VideoError):
    """Two chunks show different frames in their overlap: the clip must be tracked as a whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StitchConfig:
    """How the tracks of two chunks are matched.

    Attributes:
        min_oks: Minimum mean OKS of two tracks, over the frames they share, to be the same person.
        half_life_share: Half-life of a frame's weight, as a share of the overlap. Frames near the end of the
            overlap weigh most, because the right chunk takes over there.
    """

    min_oks: float = 0.5
    half_life_share: float = 0.1

    def __post_init__(self) -> None:
        require_kinds(self)
        shares = {"min_oks": self.min_oks, "half_life_share": self.half_life_share}
        require_above(0, **shares)
        require_fraction(**shares)


def matched_tracks(left: ChunkPoses, right: ChunkPoses, config: StitchConfig) -> dict[int, int]:
    """Match the tracks of two chunks one to one, maximising the sum of weight x OKS over pairs and frames.

    Args:
        left, right: Poses of both chunks in the same F frames.
        config: Settings.

    Returns:
        Track id in the right chunk -> id of the same person in the left chunk.

    Raises:
        ValueError: the numbers of frames or the skeletons differ.
    """
    if len(left) != len(right):
        raise ValueError(f"{len(left)} frames of one chunk cannot be matched with {len(right)} of the other")
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
    """All pairs of a left and a right person in the same frame: rows left, rows right, frame positions."""
    lefts, rights = np.diff(left.starts), np.diff(right.starts)
    counts = lefts * rights
    frames = np.repeat(np.arange(len(counts)), counts)
    numbers = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = left.starts[frames] + numbers // rights[frames]
    columns = right.starts[frames] + numbers % rights[frames]
    return rows, columns, frames


def stitched(
    parts: Iterable[ChunkPoses], chunks: Iterable[Chunk], config: StitchConfig
) -> Iterator[tuple[Frame, Poses]]:
    """Join the chunks: each frame of the clip once, with ids that are the same on both sides of a seam.

    Shared frames come from the left chunk, which knows the past; the right chunk takes over after the overlap.
    New tracks get the next free ids in order of appearance, so that ids stay compact and those of the first chunk
    equal a whole run's.

    Args:
        parts: The chunks' poses in order; two are in memory at a time.
        chunks: The chunks themselves.
        config: How tracks are matched.

    Yields:
        Each frame, without its image, and its people.

    Raises:
        SeamError: two chunks show different frames in their overlap.
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
        # Unmatched tracks that end in the overlap stay unlinked: no frame that shows them is delivered.
        track_ids = [identities.get(track_id, UNLINKED) for track_id in part.people.track_ids.tolist()]
        people = part.people.replace(track_ids=np.array(track_ids, np.int64))
        before = replace(part, people=people)
        yield from before.part(slice(own, len(part)))


def _require_same_frames(left: ChunkPoses, right: ChunkPoses) -> None:
    same = np.array_equal(left.indices, right.indices)
    if not same or (np.abs(left.times_s - right.times_s) > SAME_TIME_S).any():
        raise SeamError("Seeking does not find its frames again: the file is damaged, or lacks time stamps.")
