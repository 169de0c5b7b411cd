"""A clip at a glance: people over time, tracks over time and a picture, kept in a small file."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from posetrack.errors import DataFormatError
from posetrack.files.pending import write_file
from posetrack.report.presence import Presence, read_presence
from posetrack.report.thumbnail import Thumbnail, thumbnail_of
from posetrack.types import UNLINKED, IntArray

MOST_BINS = 96
"""Points of the curve of people over time: about one per pixel of its width."""

MOST_TRACKS = 30
"""Maximum number of tracks kept: the longest."""

_SMALLEST_GAP = 1 / 50
"""Share of the clip: shorter gaps in a track are not shown."""

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackTimeline:
    """When a person was visible.

    Attributes:
        track_id: Id of the person.
        stretches: First and last tracked frame of each stretch, from 0, ascending. At least one stretch.
    """

    track_id: int
    stretches: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if not self.stretches:
            raise ValueError(f"track {self.track_id} was never there")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOverview:
    """A clip at a glance.

    Attributes:
        frames: Number of tracked frames.
        duration_s: Duration of the footage; None if it could not be read.
        people: Maximum number of people in a frame.
        tracks: Number of tracks.
        mean_people: Mean number of people in each of at most ``MOST_BINS`` equal parts of the clip.
        most_people: Maximum number of people in a frame of each part.
        timelines: The ``MOST_TRACKS`` longest tracks, in order of appearance.
        thumbnail: Content of a small WebP file; None if no picture could be read.
    """

    frames: int
    duration_s: float | None
    people: int
    tracks: int
    mean_people: tuple[float, ...]
    most_people: tuple[int, ...]
    timelines: tuple[TrackTimeline, ...]
    thumbnail: bytes | None

    def __post_init__(self) -> None:
        if self.thumbnail is not None and not (self.thumbnail[:4] == b"RIFF" and self.thumbnail[8:12] == b"WEBP"):
            raise ValueError("the thumbnail is not a WebP file")

    def save(self, path: Path) -> None:
        """Write a JSON file. It gets its name once it is complete.

        Raises:
            OutputError: it cannot be written.
        """
        picture = None if self.thumbnail is None else base64.b64encode(self.thumbnail).decode()
        data = {
            "version": _VERSION,
            "frames": self.frames,
            "duration_s": self.duration_s,
            "people": self.people,
            "tracks": self.tracks,
            "mean_people": self.mean_people,
            "most_people": self.most_people,
            "timelines": [[line.track_id, line.stretches] for line in self.timelines],
            "thumbnail": picture,
        }
        write_file(path, orjson.dumps(data))

    @classmethod
    def load(cls, path: Path) -> ClipOverview:
        """Read a file that ``save`` wrote.

        Raises:
            DataFormatError: the file is missing, damaged or of another version.
        """
        try:
            return cls._from_json(orjson.loads(path.read_bytes()))
        except OSError as error:
            raise DataFormatError(f"{path}: cannot be read ({error.strerror}); make it again.") from error
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise DataFormatError(
                f"{path}: this is not an overview of a clip ({error}); make it again."
            ) from error

    @classmethod
    def _from_json(cls, data: Any) -> ClipOverview:
        if data["version"] != _VERSION:
            raise ValueError(f"version {data['version']}, not {_VERSION}")
        picture, duration_s = data["thumbnail"], data["duration_s"]
        return cls(
            frames=int(data["frames"]),
            duration_s=None if duration_s is None else float(duration_s),
            people=int(data["people"]),
            tracks=int(data["tracks"]),
            mean_people=tuple(map(float, data["mean_people"])),
            most_people=tuple(map(int, data["most_people"])),
            timelines=tuple(
                TrackTimeline(
                    track_id=int(track_id), stretches=tuple((int(first), int(last)) for first, last in stretches)
                )
                for track_id, stretches in data["timelines"]
            ),
            thumbnail=None if picture is None else base64.b64decode(picture, validate=True),
        )


def clip_overview(poses: Path, footage: Path | None) -> ClipOverview:
    """Make the overview of a tracked clip, without loading all joints into memory.

    Args:
        poses: PoseTrack18 (or PoseTrack17) JSON of one clip.
        footage: The annotated video of the same frames, or the clip itself. The picture is the middle one of the
            frames with the most people. Without readable footage there is no picture and no duration.

    Raises:
        DataFormatError: the JSON is missing, damaged, or holds more than one video.
    """
    presence = read_presence(poses)
    counts = presence.people_per_frame()
    fullest = np.flatnonzero(counts == counts.max(initial=0))
    at = int(fullest[len(fullest) // 2]) if len(fullest) else 0
    picture = thumbnail_of(footage, at) if footage is not None else Thumbnail()
    means, most = _over_time(counts)
    tracks = np.unique(presence.track_ids[presence.track_ids != UNLINKED])
    return ClipOverview(
        frames=presence.frame_count,
        duration_s=presence.frame_count / picture.fps if picture.fps else None,
        people=int(counts.max(initial=0)),
        tracks=len(tracks),
        mean_people=means,
        most_people=most,
        timelines=_timelines(presence),
        thumbnail=picture.webp,
    )


def _over_time(counts: IntArray) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Mean and maximum over parts of the clip that are equal to within a frame."""
    bins = min(len(counts), MOST_BINS)
    if not bins:
        return (), ()
    edges = np.linspace(0, len(counts), bins + 1).round().astype(np.int64)
    means = np.add.reduceat(counts, edges[:-1]) / np.diff(edges)
    return tuple(means.round(2).tolist()), tuple(np.maximum.reduceat(counts, edges[:-1]).tolist())


def _timelines(presence: Presence) -> tuple[TrackTimeline, ...]:
    linked = presence.track_ids != UNLINKED
    ids, frames = presence.track_ids[linked], presence.frames[linked]
    order = np.lexsort((frames, ids))
    ids, frames = ids[order], frames[order]
    known, starts, lengths = np.unique(ids, return_index=True, return_counts=True)
    longest = np.sort(np.argsort(-lengths, kind="stable")[:MOST_TRACKS])
    smallest_gap = max(2.0, presence.frame_count * _SMALLEST_GAP)
    lines = [
        TrackTimeline(
            track_id=int(known[n]), stretches=_stretches(frames[starts[n] : starts[n] + lengths[n]], smallest_gap)
        )
        for n in longest.tolist()
    ]
    return tuple(sorted(lines, key=lambda line: (line.stretches[0], line.track_id)))


def _stretches(frames: IntArray, smallest_gap: float) -> tuple[tuple[int, int], ...]:
    """First and last frames of the stretches between gaps of at least ``smallest_gap`` frames.

    >>> _stretches(np.array([0, 1, 2, 4, 9]), 3)
    ((0, 4), (9, 9))
    """
    breaks = np.flatnonzero(np.diff(frames) - 1 >= smallest_gap)
    firsts = frames[np.concatenate([[0], breaks + 1])]
    lasts = frames[np.concatenate([breaks, [len(frames) - 1]])]
    return tuple(zip(firsts.tolist(), lasts.tolist(), strict=True))
