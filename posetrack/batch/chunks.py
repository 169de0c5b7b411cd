"""Where a long clip is cut into chunks that overlap, so that they can be tracked side by side.

The cuts depend on the clip and the settings alone, never on how many workers there are: a repeated run, and a
cluster of any size, cut in the same places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posetrack.ranges import require_at_least, require_whole
from posetrack.types import BoolArray, IntArray
from posetrack.video import ReadOptions, Source, open_source
from posetrack.video.files import FileReader
from posetrack.video.packets import list_frames
from posetrack.video.probe import Media, probe

if TYPE_CHECKING:
    from posetrack.presets import Preset

_TO_FIND_ITS_WAY_FRAMES, _TO_FIND_ITS_WAY_S = 30, 1.2
"""Until a tracker that begins in the middle of a clip sees what one sees that has begun earlier."""

_SAME_TIME_S = 1e-4
"""As for ``Source``: a frame this much before a wanted time is wanted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChunkConfig:
    """How long clips are cut.

    Attributes:
        chunk_s: About so many seconds make a chunk; clips shorter than one and a half are not cut. 0: none is.
        overlap_s: At least so many seconds at a seam are tracked by both neighbours.
        overlap_frames: And at least so many frames.
        detect_every: Chunks begin at frames where a whole run without shot cuts would look for people.
    """

    chunk_s: float = 300.0
    overlap_s: float = 4.0
    overlap_frames: int = 30
    detect_every: int = 1

    def __post_init__(self) -> None:
        require_at_least(0, chunk_s=self.chunk_s, overlap_s=self.overlap_s)
        require_whole(1, overlap_frames=self.overlap_frames, detect_every=self.detect_every)

    def fitted(self, preset: Preset, fps: Fraction | None) -> ChunkConfig:
        """For a tracker's settings and a clip of that many frames a second.

        The overlap is longer than the tracker remembers anybody unseen: whoever comes out of hiding behind a seam
        and is known again in a whole run has been seen in the overlap, and is known again in chunks.
        """
        memory = preset.linker
        gap_s, gap_frames = (memory.max_gap_s, 0) if memory.max_gap_frames is None else (0, memory.max_gap_frames)
        return replace(
            self,
            overlap_s=max(self.overlap_s, gap_s + _TO_FIND_ITS_WAY_S),
            overlap_frames=max(self.overlap_frames, gap_frames + _TO_FIND_ITS_WAY_FRAMES),
            detect_every=preset.detection_interval(fps),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A part of a clip. Frames are those of the whole clip that its options ask for, counted in the source.

    Attributes:
        number: From 0.
        reading: Which part of the clip to read.
        first: Index of its first frame.
        frames: How many frames it has.
        own_from: Index from which on the chunk before has them no more; its own first for the first chunk.
    """

    number: int
    reading: ReadOptions
    first: int
    frames: int
    own_from: int

    @property
    def own_frames(self) -> int:
        """How many of its frames the chunk before does not have."""
        return self.frames - (self.own_from - self.first) // self.reading.stride


def plan(path: Path, reading: ReadOptions, config: ChunkConfig) -> list[Chunk]:
    """The chunks of a clip in order; empty if it is better tracked as a whole.

    That is: short clips, clips with too few key frames, and videos whose container is damaged (frames could not
    be found again by seeking).

    Args:
        path: A video file, or a folder of images.
        reading: Which frames are wanted of it.
        config: How it is cut.
    """
    if not config.chunk_s or not path.exists() or _surely_short(path, config):
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
    """The source of a chunk's frames, with the indices and times of a whole run. Raises as ``open_source``."""
    if path.is_dir():
        return open_source(path, chunk.reading)
    return Source(_ChunkReader(path, probe(path), chunk), chunk.reading, path.stem, str(path))


class _ChunkReader(FileReader):
    """A video file, read from a frame on whose index is known: nothing has to be counted up to there."""

    def __init__(self, path: Path, media: Media, chunk: Chunk) -> None:
        self._first = chunk.first
        self._start_s = chunk.reading.start_s or 0.0
        self._placed = False
        super().__init__(path, media)

    def advance(self) -> float | None:
        """To the next frame; the first of the chunk gets its index."""
        time_s = super().advance()
        if not self._placed and time_s is not None and time_s >= self._start_s - _SAME_TIME_S:
            self.index, self._placed = self._first, True
        return time_s

    def _frames_before(self, first_s: float, end_s: float) -> int:
        return 0


def _surely_short(path: Path, config: ChunkConfig) -> bool:
    """Whether the header says that the clip is shorter than a chunk: then its packets need no listing."""
    if path.is_dir():
        return False
    duration_s = probe(path).duration_s
    return duration_s is not None and duration_s < config.chunk_s


def _image_count(folder: Path, reading: ReadOptions) -> int:
    with open_source(folder, replace(reading, start_s=None, end_s=None, stride=1, max_frames=None)) as source:
        return source.info.frame_count or 0


def _wanted(times_s: NDArray[np.float64], reading: ReadOptions) -> IntArray:
    """Indices of the frames that ``Source`` would deliver."""
    start_s = (reading.start_s or 0.0) - _SAME_TIME_S
    end_s = math.inf if reading.end_s is None else reading.end_s - _SAME_TIME_S
    within = np.flatnonzero((times_s >= start_s) & (times_s < end_s))
    return within[:: reading.stride][: reading.max_frames].astype(np.int64)


def _seams(
    times_s: NDArray[np.float64], keys: BoolArray, wanted: IntArray, config: ChunkConfig
) -> list[tuple[int, int]]:
    """For each chunk but the first: its first frame, and the one behind its last shared (places in ``wanted``).

    A frame belongs to two chunks at most, and something is left behind the last seam.
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
        place = -(-place // config.detect_every) * config.detect_every
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
    """A time between a frame and the one before: no rounding of times can shift what is cut there."""
    return float((times_s[index - 1] + times_s[index]) / 2)
