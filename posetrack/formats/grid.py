"""A video's people as arrays over all frames and people, for formats with a column per joint."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import Annotations, Joints
from posetrack.formats.checks import number_or_nan
from posetrack.formats.found import Found
from posetrack.formats.joints import own_joints
from posetrack.formats.naming import frame_numbers
from posetrack.formats.rates import frame_rate
from posetrack.formats.results import images_up_to, results_video
from posetrack.skeletons import Skeleton
from posetrack.types import Doubles, IntArray

MOST_CELLS = 50_000_000
"""Frames x people x joints that are held at once (about 1.2 GB)."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Grid:
    """P people with K joints in F frames.

    Attributes:
        numbers: int64 [F], ascending: the frames' numbers, from 0.
        times: float64 [F], ascending, seconds.
        people: int64 [P], ascending: track ids.
        skeleton: Names of the K joints.
        xy: float64 [F, P, K, 2], pixels; NaN where a joint is absent.
        scores: float64 [F, P, K]; NaN where unknown or absent.
        found: How the joints were found, of [F, P] people. ``None`` if nobody says, or needs it.
    """

    numbers: IntArray
    times: Doubles
    people: IntArray
    skeleton: Skeleton
    xy: Doubles
    scores: Doubles
    found: Found | None = None

    @property
    def rate(self) -> float:
        """Frames per second, as ``frame_rate`` finds it."""
        return frame_rate(self.times)

    @property
    def is_regular(self) -> bool:
        """Whether frames come at a constant rate: no time is off by half a frame or more."""
        steps = np.arange(len(self.times)) / self.rate
        offset = self.times - self.times[0] - steps if len(self.times) else self.times
        return bool((np.abs(offset) < 0.5 / self.rate).all())


def grid_of(video: Annotations, *, timed: bool = True, with_found: bool = False) -> Grid:
    """The people of a video in all frames from the first to the last with an image.

    People beyond ``MOST_CELLS`` are left out, those with the fewest frames first (``most_seen``).

    Args:
        video: With ``time_s`` in some of its images.
        timed: Whether the format has times; without them, frames count as seconds.
        with_found: Whether the format says how joints were found.

    Raises:
        DataFormatError: no image has a time, or times do not ascend.
    """
    joints = own_joints(video)
    all_numbers = np.array(frame_numbers(video.images), dtype=np.int64)
    numbers = _steady(all_numbers)
    times = frame_times(video, all_numbers, numbers) if timed else numbers.astype(np.float64)
    people = most_seen(video, len(numbers), len(joints.skeleton))
    shape = (len(numbers), len(people), len(joints.skeleton))
    xy, scores = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
    rows = np.flatnonzero(np.isin(video.track_ids, people))
    place = (
        np.searchsorted(numbers, all_numbers[video.frames[rows]]),
        np.searchsorted(people, video.track_ids[rows]),
    )
    there = joints.present[rows]
    xy[place] = np.where(there[..., None], joints.xy[rows], np.nan)
    scores[place] = np.where(there, joints.scores[rows], np.nan)
    found = None
    if with_found and video.found is not None:
        found = Found.unknown(shape[:2], shape[2])
        found[place] = video.found[rows]
    return Grid(
        numbers=numbers, times=times, people=people, skeleton=joints.skeleton, xy=xy, scores=scores, found=found
    )


def most_seen(video: Annotations, frame_count: int, joint_count: int) -> IntArray:
    """int64 [P], ascending: the track ids that fit into ``MOST_CELLS``, by the number of their frames."""
    ids, counts = np.unique(video.track_ids, return_counts=True)
    room = MOST_CELLS // max(1, frame_count * joint_count)
    kept: IntArray = np.sort(ids[np.argsort(-counts, kind="stable")[: max(1, room)]])
    return kept


def _steady(numbers: IntArray) -> IntArray:
    """All frames from the first to the last. A stride leaves out the same number of frames each time."""
    if len(numbers) < 2:
        return numbers
    step = max(1, int(np.gcd.reduce(np.diff(numbers))))
    return np.arange(numbers[0], numbers[-1] + 1, step, dtype=np.int64)


def frame_times(video: Annotations, given: IntArray, numbers: IntArray) -> Doubles:
    """float64 [F] the times of frames ``numbers``; those that the file does not give lie between known ones.

    Raises:
        DataFormatError: no time is known, or times do not ascend.
    """
    times = np.array([number_or_nan(image.get("time_s")) for image in video.images], dtype=np.float64)
    known = np.flatnonzero(~np.isnan(times))
    if len(numbers) < 2 and not len(known):
        return np.zeros(len(numbers))
    if not len(known) or (len(known) < 2 and len(numbers) > 1):
        raise DataFormatError(f"{video.path}: the frames have no times; give the frame rate (--fps).")
    at, seconds = given[known], times[known]
    for number in np.flatnonzero(np.diff(seconds) <= 0)[:1].tolist():
        raise DataFormatError(
            f"{video.path}, frame {at[number + 1]}: its time, {seconds[number + 1]:g} s, is not later than the "
            "frame "
            "before it; correct it, or give the frame rate (--fps)."
        )
    inside: Doubles = np.interp(numbers, at, seconds)
    if len(known) < 2:
        return inside
    step = 1 / frame_rate(seconds, at)
    before, after = np.minimum(numbers - at[0], 0), np.maximum(numbers - at[-1], 0)
    return np.asarray(inside + step * (before + after))


def video_of_grid(path: Path, grid: Grid) -> Annotations:
    """A grid that was read from a file as a video: people are in the frames in which they have a joint."""
    present = np.asarray(np.isfinite(grid.xy).all(axis=-1), dtype=np.bool_)
    at, who = np.nonzero(present.any(axis=2))
    there = present[at, who]
    joints = Joints(
        skeleton=grid.skeleton,
        xy=np.where(there[..., None], grid.xy[at, who], 0),
        scores=np.where(there, grid.scores[at, who], np.nan),
        present=there,
    )
    images = images_up_to(path.stem, int(grid.numbers.max(initial=-1)))
    for number, time in zip(grid.numbers.tolist(), grid.times.tolist(), strict=True):
        images[number]["time_s"] = time
    people = grid.numbers[at], grid.people[who]
    video = results_video(path, images, people, joints, np.full(len(at), np.nan))
    return video if grid.found is None else replace(video, found=grid.found[at, who])
