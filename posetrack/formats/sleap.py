"""SLEAP's labels, through sleap-io (an extra).

SLEAP counts pixels as posetrack does: (0, 0) is the centre of the top-left pixel.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from posetrack import __version__
from posetrack.errors import ConfigError, DataFormatError
from posetrack.files.pending import write_file
from posetrack.formats.annotations import Annotations, Joints
from posetrack.formats.joints import own_joints
from posetrack.formats.names import numbers_in
from posetrack.formats.naming import LARGEST_FRAME, frame_numbers
from posetrack.formats.results import images_up_to, results_video
from posetrack.skeletons import skeleton_with


def _sleap_io() -> Any:
    try:
        import sleap_io
    except ImportError:
        raise ConfigError(
            "SLEAP files need the package sleap-io, which is not installed: pip install 'posetrack[sleap]'."
        ) from None
    return sleap_io


def check_sleap() -> None:
    """Refuse to begin work whose result could not be written.

    Raises:
        ConfigError: sleap-io is not installed.
    """
    _sleap_io()


def write_slp(path: Path, video: Annotations, _: float | None) -> None:
    """Write SLEAP's labels: predicted instances with a track per person."""
    labels = labels_of(video)
    _through_draft(path, lambda draft: _sleap_io().save_slp(labels, str(draft), verbose=False))


def _through_draft(path: Path, write: Callable[[Path], object]) -> None:
    """HDF5 needs a file of its own while it writes."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sleap-io's, about what it does not find in our labels
        draft = Path(folder) / f"draft{path.suffix}"
        write(draft)
        write_file(path, draft.read_bytes())


def labels_of(video: Annotations) -> Any:
    """The people as sleap-io's ``Labels``."""
    sio = _sleap_io()
    joints = own_joints(video)
    slots = joints.skeleton.in_use
    names = [joints.skeleton.joints[slot] for slot in slots]
    edges = [(a, b) for a, b in joints.skeleton.limbs if a in names and b in names]
    skeleton = sio.Skeleton(nodes=names, edges=edges, name=joints.skeleton.name)
    footage = sio.Video(filename=f"{video.path.stem}.mp4", open_backend=False)
    tracks = {track_id: sio.Track(name=f"person{track_id}") for track_id in np.unique(video.track_ids).tolist()}
    there = joints.present[:, slots]
    xy = np.where(there[..., None], joints.xy[:, slots], np.nan)
    scores = np.where(there, np.nan_to_num(joints.scores[:, slots], nan=1.0), 0)
    overall = np.nan_to_num(video.person_scores, nan=1.0)
    frames: dict[int, list[Any]] = {}
    numbers = frame_numbers(video.images)
    for row, (frame, track_id) in enumerate(zip(video.frames.tolist(), video.track_ids.tolist(), strict=True)):
        person = sio.PredictedInstance.from_numpy(
            xy[row], skeleton, point_scores=scores[row], score=float(overall[row]), track=tracks[track_id]
        )
        frames.setdefault(numbers[frame], []).append(person)
    labelled = [sio.LabeledFrame(video=footage, frame_idx=n, instances=people) for n, people in frames.items()]
    return sio.Labels(
        labeled_frames=labelled,
        videos=[footage],
        skeletons=[skeleton],
        tracks=list(tracks.values()),
        provenance={"sleap_version": f"posetrack {__version__}"},
    )


def load_sleap(path: Path) -> Any:
    """What sleap-io reads of a file.

    Raises:
        ConfigError: sleap-io is not installed.
        DataFormatError: the file is missing or damaged.
    """
    if not path.is_file():
        raise DataFormatError(f"{path}: there is no such file; check the path.")
    sio = _sleap_io()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return sio.load_slp(str(path), open_videos=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataFormatError(f"{path}: sleap-io cannot read this file ({error}); write it again.") from error


def parse_sleap(path: Path, labels: Any) -> Annotations:
    """The people of a file with one video and one skeleton.

    Raises:
        DataFormatError: several videos, joints of no known skeleton, people without tracks, an id twice in a
        frame.
    """
    if len(labels.videos) > 1:
        raise DataFormatError(f"{path}: the file holds {len(labels.videos)} videos; save one file per video.")
    names = [node.name for node in labels.skeletons[0].nodes] if labels.skeletons else []
    skeleton = skeleton_with(names)
    if skeleton is None:
        raise DataFormatError(
            f"{path}: no known skeleton has all of the nodes {', '.join(names)}; rename them, for instance to "
            "left_knee."
        )
    people = sorted(
        ((int(frame.frame_idx), person) for frame in labels for person in frame.instances),
        key=lambda each: each[0],
    )
    ids = _track_ids(path, labels, people)
    slots = [skeleton.index(name) for name in names]
    shape = (len(people), len(skeleton))
    xy, scores = np.zeros((*shape, 2)), np.full(shape, np.nan)
    for row, (_, person) in enumerate(people):
        xy[row, slots] = person.numpy()
        scores[row, slots] = person.points["score"] if "score" in person.points.dtype.names else np.nan
    present = np.zeros(shape, dtype=bool)
    present[:, slots] = ~np.isnan(xy[:, slots]).any(axis=2)
    joints = Joints(
        skeleton=skeleton,
        xy=np.where(present[..., None], xy, 0),
        scores=np.where(present, scores, np.nan),
        present=present,
    )
    overall = np.array([getattr(person, "score", np.nan) for _, person in people], dtype=np.float64)
    frames = np.array([number for number, _ in people], dtype=np.int64)
    images = images_up_to(path.stem, int(frames.max(initial=-1)))
    return results_video(path, images, (frames, ids), joints, overall)


def _track_ids(path: Path, labels: Any, people: list[tuple[int, Any]]) -> Any:
    """int64 [N]: the number in each track's name if all have different ones, else the track's place."""
    numbers = numbers_in([track.name or "" for track in labels.tracks])
    number_of = {id(track): number for track, number in zip(labels.tracks, numbers, strict=True)}
    seen: set[tuple[int, int]] = set()
    ids = []
    for frame, person in people:
        if person.track is None or frame >= LARGEST_FRAME:
            raise DataFormatError(f"{path}, frame {frame}: a person has no track; give everyone a track in SLEAP.")
        key = frame, number_of[id(person.track)]
        if key in seen:
            raise DataFormatError(
                f"{path}, frame {frame}: two people have the track {person.track.name!r}; mend one."
            )
        seen.add(key)
        ids.append(key[1])
    return np.array(ids, dtype=np.int64)
