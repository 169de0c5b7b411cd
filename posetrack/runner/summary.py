"""The outcome of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from posetrack.formats.joint_losses import joints_lost_by_format
from posetrack.realtime import RealtimeReport
from posetrack.refine.clip import Clip
from posetrack.refine.summary import PersonSummary, appearance_sentence, summarise
from posetrack.skeletons import Skeleton
from posetrack.stages import SourceInfo
from posetrack.types import Poses

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker


@dataclass
class RunSummary:
    """The outcome of a run.

    Attributes:
        frames: Frames tracked.
        drawn: Frames drawn by the second pass so far.
        poses: People, summed over the frames.
        tracks: Track ids, that is different people.
        most_people: Maximum number of people in one frame.
        people: After a second pass, each of them in figures.
        appearance: How well appearance tells them apart, as a sentence; ``None`` if that is unknown.
        seconds: Wall-clock time from the first frame to the closed files.
        stages_s: Wall-clock seconds in each stage; stages overlap, so their sum may be larger.
        files: The files written.
        lost: Format -> which joints it lost or made up, in sentences; only formats that did.
        observations: The file of observations among them; ``None`` for live sources.
        beside: The files have other names than usual, because earlier results were kept.
        interrupted: Stopped before the source's end by Ctrl-C or by closing the window.
        unrefined: Stopped in the second pass: there are observations, but no other results.
        incomplete: What the source did not deliver, as a sentence; None if it was complete.
        warning: What the video lacks (its sound), as a sentence; None if nothing.
        realtime: How the run kept up with a live source; None without ``realtime``.
    """

    frames: int = 0
    drawn: int = 0
    poses: int = 0
    tracks: int = 0
    most_people: int = 0
    people: list[PersonSummary] = field(default_factory=list)
    appearance: str | None = None
    seconds: float = 0.0
    stages_s: dict[str, float] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    lost: dict[str, list[str]] = field(default_factory=dict)
    observations: Path | None = None
    beside: bool = False
    interrupted: bool = False
    unrefined: bool = False
    incomplete: str | None = None
    warning: str | None = None
    realtime: RealtimeReport | None = None
    _skeleton: Skeleton | None = None

    @property
    def dropped(self) -> int:
        """Frames of a live source that were dropped to keep up."""
        return self.realtime.dropped if self.realtime is not None else 0

    @property
    def fps(self) -> float:
        """Frames per second over the whole run."""
        return self.frames / self.seconds if self.seconds else 0.0

    def count(self, poses: Poses) -> None:
        """Add a frame. Track ids have no gaps, so the largest gives their number."""
        self.frames += 1
        self._skeleton = poses.skeleton
        self.poses += len(poses)
        self.most_people = max(self.most_people, len(poses))
        self.tracks = max(self.tracks, int(poses.track_ids.max(initial=-1)) + 1)

    def describe(self, clip: Clip) -> None:
        """Take the people of a refined clip instead of those counted so far."""
        frames = np.concatenate([np.zeros(0, np.int64), *(track.frames for track in clip.tracks)])
        self._skeleton = clip.skeleton
        self.poses, self.tracks = len(frames), len(clip.tracks)
        self.most_people = int(np.bincount(frames, minlength=1).max())
        self.people, self.appearance = summarise(clip), appearance_sentence(clip)

    def compare(self, formats: Iterable[str]) -> None:
        """Record which joints of the people's skeleton the written formats lack."""
        if self._skeleton is not None:
            told = {name: joints_lost_by_format(self._skeleton, name) for name in formats}
            self.lost = {name: sentences for name, sentences in told.items() if sentences}


class RunObserver(Protocol):
    """Called after each frame."""

    def __call__(self, info: SourceInfo, summary: RunSummary) -> None: ...


def goes_on_from(observations: Path) -> str:
    """What to do with the observations of a run that ended before its second pass, as a sentence."""
    return f"The raw tracks are in {observations}: `posetrack refine {observations}` continues from them."


def made_with(tracker: PoseTracker) -> dict[str, Any]:
    """What a tracker's results depend on besides the source. Stand-ins for a tracker need not say."""
    return dict(getattr(tracker, "made_with", {}))
