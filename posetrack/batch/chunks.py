"""Splits a long clip into overlapping chunks, which are tracked in parallel.

The cuts depend only on the clip and the settings, not on the number of workers: repeated runs and clusters of any
size cut in the same places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posetrack.ranges import require_at_least, require_kinds, require_whole
from posetrack.types import BoolArray, IntArray
from posetrack.video import ReadOptions, Source, open_source
from posetrack.video.files import FileReader
from posetrack.video.packets import list_frames
from posetrack.video.probe import Media, probe

if TYPE_CHECKING:
    from posetrack.presets import Preset

_SETTLING_FRAMES, _SETTLING_S = 30, 1.2
"""Until a tracker started in mid-clip agrees with one that started earlier."""

_SAME_TIME_S = 1e-4
"""As in ``Source``: a frame at most this much before a requested start counts as at the start."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkConfig:
    """Where long clips are cut.

    Attributes:
        chunk_s: Approximate length of a chunk in seconds. Clips shorter than 1.5 chunks stay whole; 0 cuts none.
        overlap_s: Minimum overlap of neighbouring chunks in seconds.
        overlap_frames: Minimum overlap in frames.
        multiple_of: Chunks start at multiples of this, where a whole run without shot cuts would detect people.
    """

    chunk_s: float = 300.0
    overlap_s: float = 4.0
    overlap_frames: int = 30
    multiple_of: int = 1

    def __post_init__(self) -> None:
        require_kinds(self)
        require_at_least(0, chunk_s=self.chunk_s, overlap_s=self.overlap_s)
        require_whole(1, overlap_frames=self.overlap_frames, multiple_of=self.multiple_of)

    def fitted(self, preset: Preset, fps: Fraction | None) -> ChunkConfig:
        """Adapt to a preset and a clip's frame rate.

        The overlap becomes longer than the tracker remembers a hidden person. Anyone who reappears after a seam
        and keeps their id in a whole run was then seen in the overlap, and keeps it in chunks too.
        """
        memory = preset.linker
        gap_s, gap_frames = (memory.max_gap_s, 0) if memory.max_gap_frames is None else (0, memory.max_gap_frames)
        return replace(
            self,
            overlap_s=max(self.overlap_s, gap_s + _SETTLING_S),
            overlap_frames=max(self.overlap_frames, gap_frames + _SETTLING_FRAMES),
            multiple_of=preset.schedule(fps).interval,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A part of a clip. Frame indices are the source's.

    Attributes:
        number: Position among the clip's chunks, from 0.
        reading: The part of the clip to read.
        first: Index of its first frame.
        frames: Number of frames.
        own_from: Index of its first frame that the previous chunk lacks; ``first`` for the first chunk.
    """

    number: int
    reading: ReadOptions
    first: int
    frames: int
    own_from: int

    @property
    def own_frames(self) -> int:
        """Number of its frames that the previous chunk lacks."""
        return self.frames - (self.own_from - self.first) // self.reading.stride


def plan(path: Path, reading: ReadOptions, config: ChunkConfig) -> list[Chunk]:
    """The chunks of a clip in order; empty if it should stay whole.

    Short clips, clips with too few key frames and damaged videos (where seeking is unreliable) stay whole.

    Args:
        path: A video file, or a folder of images.
        reading: The frames to read.
        config: Where to cut.
    """
    if not config.chunk_s or not path.exists() or _known_short(path, config):
        return []
    if path.is_dir():
        count = _image_count(path, reading)
        times_s, keys = np.arange(count) / reading.images_per_second, np.ones(count, np.bool_)
    else:
        listed = list_frames(path)
        if not listed.faultless or len(listed.times_s) == 0 or (np.diff(listed.times_s) <= 0).any():
            return []
        times_s, keys = listed.times_s, listed.keys
    wanted = _wanted(times_s, reading)
    seams = _seams(times_s, keys, wanted, config)
    return _chunks(times_s, wanted, seams, reading) if seams else []


def open_chunk(path: Path, chunk: Chunk) -> Source:
    """Open a chunk. Its frames have the indices and times of a whole run. Raises what ``open_source`` raises."""
    if path.is_dir():
        return open_source(path, chunk.reading)
    return Source(_ChunkReader(path, probe(path), chunk), chunk.reading, path.stem, str(path))


class _ChunkReader(FileReader):
    """Reads a video file from a frame with a known index, without counting the frames before it."""

    def __init__(self, path: Path, media: Media, chunk: Chunk) -> None:
        self._first = chunk.first
        self._start_s = chunk.reading.start_s or 0.0
        self._placed = False
        super().__init__(path, media)

    def advance(self) -> float | None:
        """Advance one frame. The chunk's first frame gets its known index."""
        time_s = super().advance()
        if not self._placed and time_s is not None and time_s >= self._start_s - _SAME_TIME_S:
            self.index, self._placed = self._first, True
        return time_s

    def _frames_before(self, first_s: float, end_s: float) -> int:
        return 0


def _known_short(path: Path, config: ChunkConfig) -> bool:
    """Whether the header gives a duration shorter than a chunk, which saves listing the packets."""
    if path.is_dir():
        return False
    duration_s = probe(path).duration_s
    return duration_s is not None and duration_s < config.chunk_s


def _image_count(folder: Path, reading: ReadOptions) -> int:
    with open_source(folder, replace(reading, start_s=None, end_s=None, stride=1, max_frames=None)) as source:
        return source.info.frame_count or 0


def _wanted(times_s: NDArray[np.float64], reading: ReadOptions) -> IntArray:
    """Indices of the frames that ``Source`` delivers."""
    start_s = (reading.start_s or 0.0) - _SAME_TIME_S
    end_s = math.inf if reading.end_s is None else reading.end_s - _SAME_TIME_S
    within = np.flatnonzero((times_s >= start_s) & (times_s < end_s))
    return within[:: reading.stride][: reading.max_frames].astype(np.int64)


def _seams(
    times_s: NDArray[np.float64], keys: BoolArray, wanted: IntArray, config: ChunkConfig
) -> list[tuple[int, int]]:
    """For each chunk but the first: positions in ``wanted`` of its first frame and its first unshared frame.

    A frame belongs to at most two chunks, and frames remain after the last overlap.
    """
    key_frames = np.flatnonzero(keys)
    if len(wanted) == 0 or len(key_frames) == 0:
        return []
    start_s, length_s = times_s[wanted[0]], times_s[wanted[-1]] - times_s[wanted[0]]
    count = round(length_s / config.chunk_s)
    seams: list[tuple[int, int]] = []
    for number in range(1, count):
        target_s = start_s + number * length_s / count
        nearest = key_frames[np.abs(times_s[key_frames] - target_s).argmin()]
        place = int(np.searchsorted(wanted, nearest))
        place = -(-place // config.multiple_of) * config.multiple_of
        if place >= len(wanted) or place <= (seams[-1][1] if seams else 0):
            continue
        overlap_end_s = times_s[wanted[place]] + config.overlap_s
        end = max(place + config.overlap_frames, int(np.searchsorted(times_s[wanted], overlap_end_s)))
        if end < len(wanted):
            seams.append((place, end))
    return seams


def _chunks(
    times_s: NDArray[np.float64], wanted: IntArray, seams: list[tuple[int, int]], reading: ReadOptions
) -> list[Chunk]:
    starts = [0, *(start for start, _ in seams)]
    ends = [*(end for _, end in seams), len(wanted)]
    chunks = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        last = end == len(wanted)
        part = replace(
            reading,
            start_s=_just_before(times_s, wanted[start]) if number else reading.start_s,
            end_s=reading.end_s if last else _just_before(times_s, wanted[end]),
            max_frames=reading.max_frames and end - start,
        )
        own = seams[number - 1][1] if number else start
        first, own_from = int(wanted[start]), int(wanted[own])
        chunks.append(Chunk(number=number, reading=part, first=first, frames=end - start, own_from=own_from))
    return chunks


def _just_before(times_s: NDArray[np.float64], index: int) -> float:
    """The midpoint between a frame's time and the previous one's: rounding cannot move the cut."""
    return float((times_s[index - 1] + times_s[index]) / 2)
