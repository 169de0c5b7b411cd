"""The people of a clip frame by frame, as trackers yield them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from posetrack.observations.header import Header
from posetrack.observations.names import ENDING
from posetrack.observations.writer import ObservationSink
from posetrack.refine.clip import MISSING, Clip
from posetrack.refine.files import read_clip
from posetrack.refine.rows import people_of
from posetrack.refine.second_pass import RefineConfig, refine_clip
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Origin, Poses


def refined_poses(found: Iterable[tuple[Frame, Poses]], info: SourceInfo) -> list[Poses]:
    """The people of every frame of a clip after a second pass with default settings.

    Args:
        found: What a tracker yields. Images are not needed.
        info: Its source.
    """
    with tempfile.TemporaryDirectory(prefix="posetrack-") as folder:
        path = Path(folder) / f"clip{ENDING}"
        sink = ObservationSink(path, Header.of(info))
        for frame, poses in found:
            sink.write(frame, poses)
        sink.close()
        return [poses for _, _, poses in poses_by_frame(refine_clip(read_clip(path), RefineConfig()))]


def poses_by_frame(clip: Clip) -> Iterator[tuple[int, float, Poses]]:
    """Each frame's number, its time in seconds, and its people by id."""
    people = people_of(clip.tracks, len(clip.skeleton))
    starts = np.searchsorted(people.frames, np.arange(len(clip.frames) + 1)).tolist()
    for place, (number, time_s) in enumerate(zip(clip.frames.tolist(), clip.times.tolist(), strict=True)):
        rows = slice(starts[place], starts[place + 1])
        there = people.origins[rows] != MISSING
        yield (
            number,
            time_s,
            Poses(
                boxes=people.boxes[rows].astype(np.float32),
                scores=people.box_scores[rows].astype(np.float32),
                keypoints=np.where(there[..., None], people.joints[rows], 0),
                keypoint_scores=np.where(there, people.joint_scores[rows], 0),
                track_ids=people.ids[rows],
                skeleton=clip.skeleton,
                origin=np.where(there, people.origins[rows], np.uint8(Origin.ESTIMATED)),
            ),
        )
