"""Which people are the subjects: the only ones that the user wants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posetrack.errors import ConfigError
from posetrack.refine.arrays import norms
from posetrack.refine.bodies import box_centres
from posetrack.refine.clip import Clip, Track
from posetrack.refine.priors import Subject


def chosen(people: Sequence[Track], subjects: Sequence[Subject], clip: Clip) -> list[Track]:
    """The people that the subjects are; everybody if there are no subjects.

    Raises:
        ConfigError: nobody is at a subject's place.
    """
    if not subjects:
        return list(people)
    if not people:
        raise ConfigError("--subject: nobody is seen in the clip; leave it out.")
    ids = {_found(people, subject, clip).track_id for subject in subjects}
    return [track for track in people if track.track_id in ids]


def _found(people: Sequence[Track], subject: Subject, clip: Clip) -> Track:
    if subject.kind == "at":
        return _at(people, subject)
    if subject.kind == "longest":
        values = [float(len(track)) for track in people]
    elif subject.kind == "largest":
        values = [float(np.median((track.boxes[:, 2:] - track.boxes[:, :2]).prod(axis=1))) for track in people]
    else:
        middle = clip.picture.mean(axis=0)
        values = [-float(np.median(norms(box_centres(track.boxes) - middle))) for track in people]
    # a person seen for a moment is rarely the subject: less than a tenth of the longest
    longest = max(map(len, people))
    return max(zip(values, people, strict=True), key=lambda one: (10 * len(one[1]) >= longest, one[0]))[1]


def _at(people: Sequence[Track], subject: Subject) -> Track:
    """The person whose box holds the place, and is nearest to it, at the time."""
    place = np.array([subject.x, subject.y])
    best: tuple[float, float, Track] | None = None
    for track in people:
        inside = ((place >= track.boxes[:, :2]) & (place <= track.boxes[:, 2:])).all(axis=1)
        apart = track.times if subject.time_s is None else np.abs(track.times - subject.time_s)
        near = inside if subject.time_s is None else inside & (apart <= _moment(track))
        away = norms(box_centres(track.boxes) - place)
        if near.any():
            row = np.lexsort((away, apart, ~near))[0]
            found = (float(apart[row]), float(away[row]), track)
            best = found if best is None or found[:2] < best[:2] else best
    if best is None:
        when = "at any time" if subject.time_s is None else f"at {subject.time_s:g} s"
        raise ConfigError(
            f"--subject: nobody is at {subject.x:g},{subject.y:g} {when}; give a point inside a person's box."
        )
    return best[2]


def _moment(track: Track) -> float:
    """A time between two frames belongs to the nearer one."""
    return float(np.diff(track.times).min(initial=0.1)) / 2 + 1e-9
