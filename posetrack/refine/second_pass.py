"""The second pass: from tracks as they were found frame by frame to people of the whole clip."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from posetrack.ranges import require_at_least, require_kinds
from posetrack.refine.boxes import with_steady_boxes
from posetrack.refine.clip import Clip, Track, observed, unfilled
from posetrack.refine.edits import Edit, applied
from posetrack.refine.errors import with_error_bars
from posetrack.refine.filling import fill
from posetrack.refine.ghosts import is_furniture
from posetrack.refine.hand import kept_by_hand
from posetrack.refine.one_euro import OneEuro
from posetrack.refine.outliers import remove_outliers
from posetrack.refine.people import Person, find_people
from posetrack.refine.priors import Priors
from posetrack.refine.relook import Look, look_again
from posetrack.refine.sides import mirrored, settle_sides
from posetrack.refine.smoothing import Smoothing, smooth
from posetrack.refine.stolen import remove_stolen
from posetrack.refine.subjects import chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class RefineConfig:
    """How a clip is refined.

    Attributes:
        max_fill_s: Longest gap that is filled, in seconds; 0 fills none.
        smoothing: The filter along joints' paths.
        priors: What is known about the people.
        edits: Repairs, made before anything else.

    Raises:
        ConfigError: ``max_fill_s`` is below 0.
    """

    max_fill_s: float = 1.0
    smoothing: Smoothing = field(default_factory=Smoothing)
    priors: Priors = field(default_factory=Priors)
    edits: tuple[Edit, ...] = ()

    def __post_init__(self) -> None:
        require_kinds(self)
        require_at_least(0, max_fill_s=self.max_fill_s)

    @property
    def for_streams(self) -> OneEuro | None:
        """The One-Euro filter, if nothing else is asked for: it alone needs no second pass."""
        if self != RefineConfig(smoothing=self.smoothing) or self.smoothing.name != "one-euro":
            return None
        return self.smoothing.one_euro


def refine_clip(clip: Clip, config: RefineConfig, look: Look | None = None) -> Clip:
    """Refine a clip: associate pieces of tracks, drop ghosts, correct sides, fill gaps and smooth.

    Starts from the observed joints, and keeps identities decided earlier, so that refining twice changes nothing.

    Args:
        clip: Tracks, as found or as refined.
        config: How to refine.
        look: Runs the pose network again where joints were filled (``relook.VideoLook``). Optional.

    Raises:
        ConfigError: a constraint names nobody or cannot be met, or the frame rate is too low for the cut-off.
        DataFormatError: a repair does not fit the clip.
    """
    config.smoothing.check_rate(clip.frame_s)
    seen = [track for track in map(observed, clip.tracks) if len(track)]
    bench = applied(config.edits, clip.with_tracks(seen))
    priors = bench.priors(config.priors)
    clip = priors.apply(bench.clip())
    certain = priors.whole | {track.track_id for track in clip.tracks if track.decided}
    clip = clip.with_tracks(
        [track for track in clip.tracks if track.track_id in certain or not is_furniture(track, clip)]
    )
    people = find_people(clip, priors)
    subjects = {one.track_id for one in chosen([one.track for one in people], priors.subjects, clip)}
    as_before = {person.track.track_id for person in people if person.settled}
    sided = remove_stolen([_sided(person, clip) for person in people], clip, as_before)
    del people
    by_hand = [track for track in sided if track.by_hand is not None]
    settled = []
    while sided:  # what is done is let go: clips may be long
        track = sided.pop()
        if track.track_id in subjects:
            settled.append(_settled(track, clip, config))
    if look is not None:
        settled = [_settled(unfilled(track), clip, config) for track in look_again(settled, clip, look)]
    return clip.with_tracks(kept_by_hand(settled, by_hand))


def _sided(person: Person, clip: Clip) -> Track:
    track = person.track
    if not person.settled or track.sides_known is not None:  # sides set by hand since then spread
        track = settle_sides(track, clip.skeleton, clip.frame_s)
    return mirrored(track, clip.skeleton, np.isin(track.frames, person.mirrored))


def _settled(track: Track, clip: Clip, config: RefineConfig) -> Track:
    track = remove_outliers(track, clip.skeleton, clip.frame_s)
    track = with_error_bars(smooth(fill(track, clip, config.max_fill_s), clip, config.smoothing), clip)
    return with_steady_boxes(track, clip)
