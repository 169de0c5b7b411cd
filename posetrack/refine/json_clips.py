"""Clips from and to PoseTrack18 JSON.

Refined files have times in their images (``time_s``), and in their annotations what the second pass started from
(``formats/posetrack18_found.py``).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import EVALUATION_SLOTS, Annotations, Joints
from posetrack.formats.checks import number_or_nan
from posetrack.formats.found import WORDS, Found
from posetrack.formats.joints import converted, own_joints
from posetrack.formats.json_file import JsonFile
from posetrack.formats.naming import ImageNaming, frame_numbers
from posetrack.formats.posetrack18_found import found_rows
from posetrack.formats.posetrack18_rows import PERSON_CATEGORY, annotation_ids, image_row, people_rows
from posetrack.formats.reading import load_json, parse_annotations
from posetrack.pixels import from_centre, from_corner
from posetrack.refine.clip import HIDDEN, MISSING, SEEN, Clip
from posetrack.refine.rows import People, RefinedPeople, named, people_of, tracks_of
from posetrack.refine.times import frame_times
from posetrack.skeletons import POSETRACK

_DIGITS = {"pixels": 3, "scores": 4, "times": 6}


def read_json_clip(path: Path, fps: float | None = None) -> Clip:
    """The clip of a PoseTrack18 JSON file of one video.

    Args:
        path: The file.
        fps: Frames per second, for files without times.

    Raises:
        DataFormatError: the file is missing, damaged, of another format, holds several videos, or has no times and
            ``fps`` is not given.
    """
    data = load_json(path)
    videos = parse_annotations(path, data)
    if len(videos) > 1:
        raise DataFormatError(f"{path}: the file holds {len(videos)} videos; write one file per video.")
    if not videos:
        raise DataFormatError(f"{path}: the file lists no images; write it again.")
    video = videos[0]
    numbers = np.array(frame_numbers(video.images), dtype=np.int64)
    if (np.diff(numbers) <= 0).any():
        raise DataFormatError(f"{path}: the images are not in the order of their frames; sort them.")
    known = np.array([number_or_nan(image.get("time_s")) for image in video.images], dtype=np.float64)
    times = frame_times(path, numbers, known, fps)
    people = _people(video)
    return Clip(
        name=video.clip,
        skeleton=POSETRACK,
        frames=numbers,
        times=times,
        tracks=named(tracks_of(people, times), video.names),
        images=tuple(video.images),
    )


def _people(video: Annotations) -> People:
    joints = own_joints(video)
    xy = np.where(joints.present[..., None], joints.xy, np.nan)
    boxes = from_corner(video.boxes)
    found = video.found or Found.unknown((len(video),), len(POSETRACK))
    unsaid = found.origins == 0
    raw_boxes = from_corner(found.raw_boxes)
    hidden = found.origins == WORDS.index(HIDDEN)
    origins = np.where(unsaid, np.uint8(SEEN), found.origins)
    return People(
        ids=video.track_ids,
        frames=video.frames,
        boxes=boxes,
        box_scores=video.person_scores,
        joints=xy,
        joint_scores=joints.scores,
        raw=np.where(unsaid[..., None], xy, found.raw),
        origins=np.where(joints.present & ~hidden, origins, np.uint8(MISSING)),
        identity=found.identity,
        raw_boxes=None if np.isnan(raw_boxes).all() else raw_boxes,
        hidden=hidden,
    )


def write_json_clip(path: Path, clip: Clip) -> None:
    """Write a refined clip as PoseTrack18 JSON. Joints of other skeletons are not written: use a table.

    Raises:
        DataFormatError: a number is too large for JSON.
        OutputError: the file cannot be written. Nothing new is left behind.
    """
    people = people_of(clip.tracks, len(clip.skeleton))
    video = _annotations(path, clip, people)
    file = JsonFile(path, b'{"images":[\n')
    try:
        file.append(
            image_row(image, video.video, len(video.images), video.ignore_regions.get(number))
            for number, image in enumerate(video.images)
        )
        file.next_list(b'\n],"annotations":[\n')
        rows = zip(annotation_ids([video]), people_rows(video), found_rows(_found(people)), strict=True)
        file.append({"id": number, **row, **more} for number, row, more in rows)
        file.close(b'\n],"categories":' + orjson.dumps([PERSON_CATEGORY]) + b"}\n")
    except BaseException:
        file.discard()
        raise


def annotations_of_clip(path: Path, clip: Clip) -> Annotations:
    """The clip as the formats' writers take it, with its joints also in its own skeleton."""
    people = people_of(clip.tracks, len(clip.skeleton))
    return replace(_annotations(path, clip, people), found=_found(people))


def _found(people: RefinedPeople) -> Found:
    return Found(
        raw=people.raw.round(_DIGITS["pixels"]),
        origins=np.where(people.hidden, np.uint8(WORDS.index(HIDDEN)), people.origins),
        sds=people.sds,
        identity=people.identity.round(_DIGITS["scores"]),
        raw_boxes=from_centre(people.raw_boxes).round(_DIGITS["pixels"]),
    )


def _annotations(path: Path, clip: Clip, people: RefinedPeople) -> Annotations:
    naming = ImageNaming.of(clip.name)
    images = clip.images or [
        {"file_name": naming.file_name(number), "id": naming.image_id(number)} for number in clip.frames.tolist()
    ]
    timed = [
        {**image, "time_s": round(time, _DIGITS["times"])}
        for image, time in zip(images, clip.times.tolist(), strict=True)
    ]
    there = people.origins > 0
    own = Joints(
        skeleton=clip.skeleton,
        xy=np.where(there[..., None], people.joints, 0).round(_DIGITS["pixels"]),
        scores=np.where(there, people.joint_scores.round(_DIGITS["scores"]), 0),
        present=there,
    )
    joints = converted(path, own, POSETRACK)
    present = joints.present[:, EVALUATION_SLOTS]
    corners = from_centre(people.boxes)
    nowhere = np.full((len(people.ids), 4), np.nan)
    return Annotations(
        path=path,
        video=str(images[0].get("vid_id", naming.video_id)) if len(images) else naming.video_id,
        images=timed,
        frames=people.frames,
        track_ids=people.ids,
        keypoints=joints.xy[:, EVALUATION_SLOTS],
        visibility=np.where(present, 2.0, 0.0),
        present=present,
        scores=np.where(present, joints.scores[:, EVALUATION_SLOTS], 0),
        listed=np.ones(len(people.ids), dtype=bool),
        head_boxes=nowhere,
        boxes=corners.round(_DIGITS["pixels"]),
        person_scores=people.box_scores.round(_DIGITS["scores"]),
        joints=None if clip.skeleton == POSETRACK else own,
        names={track.track_id: track.name for track in clip.tracks if track.name},
    )
