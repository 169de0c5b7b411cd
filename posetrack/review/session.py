"""One clip under review: what the page asks for, from memory."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import Any

from posetrack.refine.clip import Clip, Track
from posetrack.review.doubts import doubts_of
from posetrack.review.footage import Footage
from posetrack.review.thumbnails import thumbnail
from posetrack.review.tracks import describe_clip, describe_track, extent, pack_track, track_key


class Session:
    """The clip, its video, and the repairs. Several threads may use it.

    Args:
        clip: As read from its file.
        file: Name of that file, to show.
        footage: The video; None if there is none: people are drawn on a blank ground.
        portraits: The same video once more, so that thumbnails do not move the first one to and fro.

    Attributes:
        title: Name of the clip's file.
        version: Of the edits; grows with each change.
    """

    def __init__(self, clip: Clip, file: str, footage: Footage | None, portraits: Footage | None) -> None:
        self._clip = clip
        self.title = file
        self.version = 0
        self._footage, self._portraits = footage, portraits
        self._lock = threading.Lock()
        self._packed: dict[str, tuple[Track, bytes]] = {}
        self._thumbnails: dict[str, bytes | None] = {}

    def describe(self) -> dict[str, Any]:
        """Everything but the tracks' arrays and the pictures."""
        with self._lock:
            return {
                **describe_clip(self._clip),
                "title": self.title,
                "size": self._footage.size if self._footage else extent(self._clip),
                "video": self._footage is not None,
                **self._shown(self._clip),
            }

    def _shown(self, clip: Clip) -> dict[str, Any]:
        """The tracks and doubts of one version of the clip."""
        keys = [self._pack(track) for track in clip.tracks]
        return {
            "tracks": [describe_track(track, key) for track, key in zip(clip.tracks, keys, strict=True)],
            "doubts": [asdict(doubt) for doubt in doubts_of(clip)],
        }

    def _pack(self, track: Track) -> str:
        packed = pack_track(track)
        key = track_key(packed)
        self._packed[key] = track, packed
        return key

    def packed(self, key: str) -> bytes | None:
        """The arrays of a track that ``describe`` has named."""
        found = self._packed.get(key)
        return found and found[1]

    def frame(self, number: int) -> bytes | None:
        """A frame of the video as JPEG."""
        return self._footage.jpeg(number) if self._footage else None

    def thumbnail(self, key: str) -> bytes | None:
        """A small picture of the person of a track."""
        found = self._packed.get(key)
        if found is None or self._portraits is None:
            return None
        if key not in self._thumbnails:
            self._thumbnails[key] = thumbnail(found[0], self._clip.frames, self._portraits)
        return self._thumbnails[key]

    def close(self) -> None:
        """Release the video."""
        for footage in (self._footage, self._portraits):
            if footage is not None:
                footage.close()
