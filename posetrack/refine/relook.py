"""A second look: the pose network is run again, in boxes that only the second pass knows.

In frames with filled joints a person was hidden, or the detector missed them. Joints that the network finds there
in agreement with the path count as seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from posetrack.errors import ConfigError
from posetrack.refine.bodies import sizes
from posetrack.refine.clip import FILLED, SEEN, Clip, Track
from posetrack.refine.stolen import SAME_PLACE
from posetrack.stages import FrameSource, PoseEstimator
from posetrack.types import BoolArray, Boxes, Doubles, IntArray, Poses

_LEAST_SCORE = 0.4
"""Joints with a lower score are more often mistakes than not."""

_FURTHEST_SDS = 2.0
"""Standard deviations of the filled joint from which on the network has found something else."""


class Look(Protocol):
    """Estimates poses in boxes of some frames of a clip."""

    def __call__(self, wanted: Mapping[int, Boxes]) -> Iterator[tuple[int, Poses]]:
        """One pose per box, in the boxes' order, for each place in the clip's frames."""
        ...


def look_again(tracks: Sequence[Track], clip: Clip, look: Look) -> list[Track]:
    """The people, with filled joints replaced by what the pose network sees.

    Args:
        tracks: People with error bars.
        clip: Whose they are.
        look: The network and the pictures.

    Raises:
        ConfigError: the network has other joints than the clip.
    """
    wanted: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, track in enumerate(tracks):
        for row in np.flatnonzero((track.origins == FILLED).any(axis=1)).tolist():
            wanted[int(track.frames[row])].append((number, row))
    boxes = {place: _boxes(tracks, rows) for place, rows in sorted(wanted.items())}
    seen = [_Seen(track, clip.frame_s) for track in tracks]
    rivals = _Rivals(tracks, clip)
    for place, poses in look(boxes):
        if poses.skeleton.joints != clip.skeleton.joints:
            raise ConfigError(
                f"the pose network gives the joints of '{poses.skeleton.name}', the clip has those of "
                f"'{clip.skeleton.name}'; take the network that the clip was tracked with."
            )
        for (number, row), joints, scores in zip(
            wanted[place], poses.keypoints.astype(np.float64), poses.keypoint_scores, strict=True
        ):
            seen[number].take(row, joints, scores, rivals.near(place, tracks[number], joints))
    return [one.track() for one in seen]


def _boxes(tracks: Sequence[Track], rows: Sequence[tuple[int, int]]) -> Boxes:
    return Boxes(
        np.array([tracks[number].boxes[row] for number, row in rows]),
        np.array([tracks[number].box_scores[row] for number, row in rows]),
    )


class _Seen:
    """A person, and what has been seen of them in the second look."""

    def __init__(self, track: Track, frame_s: float) -> None:
        self._track = track
        self._joints, self._scores, self._raw = track.joints.copy(), track.joint_scores.copy(), track.raw.copy()
        self._origins = track.origins.copy()
        limit = np.full(track.origins.shape, np.nan) if track.sds is None else _FURTHEST_SDS * track.sds
        self._limits = np.fmin(limit, sizes(track, frame_s)[:, None] / 2)

    def take(self, row: int, joints: Doubles, scores: Doubles, others: BoolArray) -> None:
        """Take what is sure enough, near the path, and not another person's."""
        off = np.linalg.norm(joints - self._track.joints[row], axis=-1)
        fits = (scores >= _LEAST_SCORE) & (off <= self._limits[row]) & ~others
        taken = (self._track.origins[row] == FILLED) & fits
        self._joints[row, taken] = self._raw[row, taken] = joints[taken]
        self._scores[row, taken] = scores[taken]
        self._origins[row, taken] = SEEN

    def track(self) -> Track:
        return self._track.replace(
            joints=self._joints, joint_scores=self._scores, raw=self._raw, origins=self._origins
        )


class _Rivals:
    """Where the joints of everybody are, by frame."""

    def __init__(self, tracks: Sequence[Track], clip: Clip) -> None:
        self._tracks, self._twins = tracks, clip.skeleton.flip_permutation
        self._sizes = {track.track_id: sizes(track, clip.frame_s) for track in tracks}

    def near(self, place: int, own: Track, joints: Doubles) -> BoolArray:
        """bool [K]: joints at the same place as a seen joint of that kind, of either side, of another person."""
        near: BoolArray = np.zeros(len(joints), dtype=bool)
        for track in self._tracks:
            row = int(np.searchsorted(track.frames, place))
            if track is own or row == len(track) or track.frames[row] != place:
                continue
            theirs = np.where((track.origins[row] == FILLED)[:, None], np.nan, track.joints[row])
            reach = SAME_PLACE * self._sizes[track.track_id][row]
            for order in (slice(None), self._twins):
                near |= np.linalg.norm(joints - theirs[order], axis=-1) <= reach
        return near


class VideoLook:
    """Looks at the frames of a video with a pose network.

    Args:
        open_source: Opens the video that was tracked.
        pose: The network.
        clip: Whose frames they are.
    """

    def __init__(
        self, open_source: Callable[[], AbstractContextManager[FrameSource]], pose: PoseEstimator, clip: Clip
    ) -> None:
        self._open, self._pose = open_source, pose
        self._frames: IntArray = clip.frames
        self._times, self._frame_s = clip.times, clip.frame_s

    def __call__(self, wanted: Mapping[int, Boxes]) -> Iterator[tuple[int, Poses]]:
        """One pose per box for each place in the clip's frames.

        Raises:
            ConfigError: a frame is not there, or at another time than in the clip.
        """
        left = dict(wanted)
        if not left:
            return
        with self._open() as source:
            for frame in source:
                place = int(np.searchsorted(self._frames, frame.index))
                if place in left and self._frames[place] == frame.index:
                    self._check(frame.index, frame.time_s, place)
                    yield place, self._pose.estimate(frame.image, left.pop(place))
                if not left:
                    return
        raise ConfigError(
            f"the video ends before frame {self._frames[max(left)]}, which was tracked; give the video that was "
            "tracked."
        )

    def _check(self, index: int, time_s: float, place: int) -> None:
        if abs(time_s - self._times[place]) > max(self._frame_s, 1e-3):
            raise ConfigError(
                f"frame {index} of the video is at {time_s:.2f} s, but was tracked at {self._times[place]:.2f} s; "
                "give the video that was tracked."
            )
