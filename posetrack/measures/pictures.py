"""Pictures of a clip's footage: frames, and a sheet of them with the people drawn in."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from posetrack.errors import VideoError
from posetrack.files.text import printable
from posetrack.refine.clip import Clip
from posetrack.types import Frame, Image, Poses
from posetrack.video import ReadOptions, open_source
from posetrack.video.draw import Annotator, AnnotatorConfig

_COLUMNS = 4
_MOST_FRAMES = 12
_PAGE_WIDTH = 11.7


def frame_at(footage: Path, time_s: float) -> Frame:
    """The frame shown at a time.

    Raises:
        VideoError: the footage cannot be read, or ends before.
    """
    with open_source(footage, ReadOptions(start_s=max(0.0, time_s - 1e-3), max_frames=1)) as source:
        for frame in source:
            return frame
    raise VideoError(
        f"{footage}: it ends before {time_s:.2f} s; give the footage that the poses come from (--video)."
    )


def poses_at(clip: Clip, place: int) -> Poses:
    """The people of a frame, ``place`` of the clip's list."""
    tracks = [(track, np.searchsorted(track.frames, place)) for track in clip.tracks]
    there = [(track, row) for track, row in tracks if row < len(track) and track.frames[row] == place]
    if not there:
        return Poses.empty(clip.skeleton)
    return Poses(
        boxes=np.stack([track.boxes[row] for track, row in there]),
        scores=np.array([track.box_scores[row] for track, row in there]),
        keypoints=np.nan_to_num(np.stack([track.joints[row] for track, row in there])),
        keypoint_scores=np.stack([track.joint_scores[row] for track, row in there]),
        track_ids=np.array([track.track_id for track, _ in there]),
        skeleton=clip.skeleton,
        origin=np.stack([np.maximum(track.origins[row], 1) for track, row in there]),
    )


def contact_sheet(clip: Clip, footage: Path | None, size: tuple[int, int]) -> Figure:
    """Frames evenly spread over the clip, with everybody drawn in.

    Args:
        clip: The people.
        footage: The video; None draws them on white.
        size: Width and height of the white picture.
    """
    count = min(_MOST_FRAMES, len(clip.frames))
    places = np.unique(np.linspace(0, len(clip.frames) - 1, count).round().astype(int)).tolist()
    rows = max(1, math.ceil(len(places) / _COLUMNS))
    pictures = [_drawn(clip, place, footage, size) for place in places]
    height, width = pictures[0].shape[:2] if pictures else (1, 1)
    figure = Figure(figsize=(_PAGE_WIDTH, rows * (_PAGE_WIDTH / _COLUMNS * height / width + 0.2) + 0.3))
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained", h_pad=0.02, w_pad=0.02)
    people = "1 person" if len(clip.tracks) == 1 else f"{len(clip.tracks)} people"
    figure.suptitle(f"{printable(clip.name)}: {people}, {len(clip.frames)} frames", fontsize=11)
    for number in range(rows * _COLUMNS):
        axes = figure.add_subplot(rows, _COLUMNS, number + 1)
        axes.set_axis_off()
        if number < len(places):
            axes.imshow(pictures[number])
            axes.set_title(f"{clip.times[places[number]]:.2f} s", fontsize=8, pad=2)
    return figure


def _drawn(clip: Clip, place: int, footage: Path | None, size: tuple[int, int]) -> Image:
    time_s = float(clip.times[place])
    image = np.full((size[1], size[0], 3), 255, np.uint8) if footage is None else frame_at(footage, time_s).image
    annotator = Annotator(AnnotatorConfig())
    return annotator.draw(Frame(int(clip.frames[place]), time_s, image), poses_at(clip, place))


def extent(clip: Clip) -> tuple[int, int]:
    """Width and height that hold everybody, in pixels."""
    corners = [track.boxes[:, 2:].max(axis=0) for track in clip.tracks if len(track)]
    furthest = np.max(corners, axis=0, initial=64.0) if corners else np.array([64.0, 64.0])
    return int(min(furthest[0] + 20, 8000)), int(min(furthest[1] + 20, 8000))
