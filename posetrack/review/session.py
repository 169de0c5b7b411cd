"""One clip under review: what the page asks for, and the repairs that it makes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from posetrack.errors import ConfigError, DataFormatError
from posetrack.refine.bench import Bench
from posetrack.refine.clip import Clip, Track
from posetrack.refine.edits import Split, applied
from posetrack.refine.edits_file import (
    EditConflict,
    History,
    edit_as_json,
    parse_edit,
    read_history,
    write_history,
)
from posetrack.refine.same_tracks import fingerprint, places
from posetrack.refine.second_pass import RefineConfig, refine_clip
from posetrack.review.doubts import Doubt, doubts_of
from posetrack.review.footage import Footage
from posetrack.review.thumbnails import thumbnail
from posetrack.review.tracks import describe_clip, describe_track, extent, pack_track, track_key

Message = dict[str, Any]


class Session:
    """The clip, its video, and the repairs. Several threads may use it.

    Args:
        clip: As read from its file.
        results: That file.
        edits: The file of repairs, which need not exist yet.
        footage: The video; None if there is none: people are drawn on a blank ground.
        portraits: The same video once more, so that thumbnails do not move the first one to and fro.

    Attributes:
        title: Name of the clip's file.
        inputs: The files that are read.
        footage: The video.

    Raises:
        DataFormatError: the file of repairs is damaged, newer, or of other tracks.
    """

    def __init__(
        self, clip: Clip, results: Path, edits: Path, footage: Footage | None, portraits: Footage | None
    ) -> None:
        self.title = results.name
        self._clip, self._results, self._edits = clip, results, edits
        self.inputs = [results, edits]
        self.footage, self._portraits = footage, portraits
        self._lock = threading.Lock()
        self._tracks: dict[Track, tuple[str, bytes]] = {}
        self._thumbnails: dict[str, bytes | None] = {}
        self._load()

    @property
    def version(self) -> int:
        """Of the repairs; grows with each change."""
        return self._history.version

    def _load(self) -> None:
        clip, size, video = self._clip, None, self._clip.video or None
        if self.footage:
            size, video = self.footage.size, self.footage.digest or video
        history = History(people=fingerprint(clip), places=places(clip), size=size, video=video)
        if self._edits.exists():
            found = read_history(self._edits, clip, size, video)
            history = replace(found, places=history.places, size=found.size or size, video=found.video or video)
        self._take(history, applied(history.edits, self._clip))

    def _take(self, history: History, bench: Bench) -> None:
        self._history, self._bench = history, bench
        kept = set(bench.tracks.values())
        self._tracks = {track: packed for track, packed in self._tracks.items() if track in kept}
        self._shown: Message | None = None
        self._refined: Message | None = None

    def describe(self) -> Message:
        """The clip as repaired: everything but the tracks' arrays and the pictures."""
        with self._lock:
            if self._shown is None:
                self._shown = self._described(self._bench.clip()) | {"editable": True}
            return self._shown

    def describe_refined(self) -> Message:
        """The clip as the second pass makes it of the repaired tracks.

        Raises:
            PoseTrackError: a repair cannot be kept.
        """
        with self._lock:
            if self._refined is None:
                refined = refine_clip(self._clip, RefineConfig(edits=self._history.edits))
                self._refined = self._described(refined) | {"editable": False}
            return self._refined

    def _described(self, clip: Clip) -> Message:
        history, subjects = self._history, self._bench.subjects
        self._tracks = {
            track: self._tracks.get(track) or _packed(track) for track in (*clip.tracks, *self._tracks)
        }
        return {
            **describe_clip(clip),
            "title": self.title,
            "size": self.footage.size if self.footage else extent(self._clip),
            "video": self.footage is not None,
            "version": history.version,
            "edits": [{**edit_as_json(step.edit), "undone": step.undone > 0} for step in history.steps],
            "undoable": history.undoable is not None,
            "redoable": history.redoable is not None,
            "subjects": sorted(subjects),
            "tracks": [
                {**describe_track(track, self._tracks[track][0]), "subject": track.track_id in subjects}
                for track in clip.tracks
            ],
            "doubts": [{**asdict(doubt), "checked": self._is_checked(doubt)} for doubt in doubts_of(clip)],
        }

    def _is_checked(self, doubt: Doubt) -> bool:
        return all((number, doubt.at) in self._bench.uncut for number in doubt.people)

    def change(self, request: Mapping[str, Any], version: int) -> None:
        """Make a repair, or undo one, and save it.

        Args:
            request: ``{"edit": {...}}``, ``{"undo": true}``, ``{"redo": true}``, or ``{"toggle": number}``.
            version: Of the repairs that the page shows.

        Raises:
            EditConflict: the repairs have another version. Nothing is changed.
            ConfigError: the repair does not fit.
            OutputError: the file cannot be written.
        """
        with self._lock:
            if version != self._history.version:
                raise EditConflict("The repairs have been changed in another window meanwhile; repeat yours.")
            history = self._changed(request)
            try:
                bench = applied(history.edits, self._clip)
            except DataFormatError as error:
                raise ConfigError(f"This cannot be changed alone: {error}") from error
            try:
                write_history(self._edits, history, self._results)
            except EditConflict:
                self._load()
                raise
            self._take(history, bench)

    def _changed(self, request: Mapping[str, Any]) -> History:
        history = self._history
        if "edit" in request and isinstance(request["edit"], dict):
            return history.done(self._checked_edit(request["edit"]))
        places = {"undo": history.undoable, "redo": history.redoable, "toggle": request.get("toggle")}
        place = next((places[name] for name in places if name in request), None)
        if not isinstance(place, int) or isinstance(place, bool):
            raise ConfigError("There is nothing to undo or to do again.")
        return history.toggled(place)

    def _checked_edit(self, data: Mapping[str, Any]) -> Any:
        """The repair, if it fits what there is now; a split is given an id that nobody has had."""
        if data.get("kind") == "split":
            splits = [step.edit.into for step in self._history.steps if isinstance(step.edit, Split)]
            data = {**data, "into": max([*(track.track_id for track in self._clip.tracks), *splits]) + 1}
        try:
            edit = parse_edit(data)
            edit.apply(applied(self._history.edits, self._clip))
        except ConfigError as error:
            sentence = str(error).rstrip(".")
            raise ConfigError(f"{sentence[:1].upper()}{sentence[1:]}.") from error
        return edit

    def packed(self, key: str) -> bytes | None:
        """The arrays of a track that has been described."""
        with self._lock:
            return next((packed for known, packed in self._tracks.values() if known == key), None)

    def frame(self, number: int) -> bytes | None:
        """A frame of the video as JPEG."""
        return self.footage.jpeg(number) if self.footage else None

    def thumbnail(self, key: str) -> bytes | None:
        """A small picture of the person of a track that has been described."""
        with self._lock:
            track = next((one for one, (known, _) in self._tracks.items() if known == key), None)
        if track is None or self._portraits is None:
            return None
        if key not in self._thumbnails:
            self._thumbnails[key] = thumbnail(track, self._clip.frames, self._portraits)
        return self._thumbnails[key]

    def close(self) -> None:
        """Release the video."""
        for footage in (self.footage, self._portraits):
            if footage is not None:
                footage.close()


def _packed(track: Track) -> tuple[str, bytes]:
    packed = pack_track(track)
    return track_key(packed), packed
