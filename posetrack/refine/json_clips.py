"""Clips from and to PoseTrack18 JSON.

Refined files have times in their images (``time_s``), and in their annotations what the second pass started from:
``raw_keypoints`` (x, y of each joint; null where there was none), ``origins`` (one word per joint),
``identity`` (a probability) and ``raw_bbox`` (null if filled). Other tools ignore them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import EVALUATION_SLOTS, Annotations, Doubles, Joints
from posetrack.formats.checks import number_or_nan
from posetrack.formats.joints import converted, own_joints
from posetrack.formats.json_file import JsonFile
from posetrack.formats.naming import ImageNaming, frame_numbers
from posetrack.formats.posetrack18_rows import PERSON_CATEGORY, annotation_ids, image_row, people_rows
from posetrack.formats.reading import load_json, parse_annotations
from posetrack.pixels import from_centre, from_corner
from posetrack.refine.clip import HIDDEN, MISSING, ORIGINS, SEEN, Clip, Origins
from posetrack.refine.rows import People, RefinedPeople, named, people_of, tracks_of
from posetrack.refine.times import frame_times
from posetrack.skeletons import POSETRACK
from posetrack.types import BoolArray

_DIGITS = {"pixels": 3, "scores": 4, "times": 6}
_PEOPLE_AT_ONCE = 4096


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
    people = _people(video, data)
    return Clip(
        name=video.clip,
        skeleton=POSETRACK,
        frames=numbers,
        times=times,
        tracks=named(tracks_of(people, times), video.names),
        images=tuple(video.images),
    )


def _people(video: Annotations, data: dict[str, Any]) -> People:
    joints = own_joints(video)
    xy = np.where(joints.present[..., None], joints.xy, np.nan)
    raw, origins = xy.copy(), np.where(joints.present, np.uint8(SEEN), np.uint8(0))
    boxes = from_corner(video.boxes)
    found = boxes.copy()
    identity = np.full(len(boxes), np.nan)
    hidden = np.zeros(origins.shape, dtype=bool)
    _take_refined(video, data, _Refined(raw, origins, found, identity, hidden))
    return People(
        ids=video.track_ids,
        frames=video.frames,
        boxes=boxes,
        box_scores=video.person_scores,
        joints=xy,
        joint_scores=joints.scores,
        raw=raw,
        origins=origins,
        identity=identity,
        raw_boxes=found,
        hidden=hidden,
    )


class _Refined(NamedTuple):
    """What only refined files have; arrays as in ``People``."""

    raw: Doubles
    origins: Origins
    raw_boxes: Doubles
    identity: Doubles
    hidden: BoolArray


def _take_refined(video: Annotations, data: dict[str, Any], to: _Refined) -> None:
    """Put what only refined files have into the arrays."""
    people = [person for person in data.get("annotations", []) if "origins" in person]
    if not people:
        return
    places = {image.get("id"): frame for frame, image in enumerate(video.images)}
    rows = {key: row for row, key in enumerate(zip(video.frames.tolist(), video.track_ids.tolist(), strict=True))}
    words = {word: number for number, word in enumerate(ORIGINS)} | {HIDDEN: MISSING}
    for person in people:
        row = rows[places[person["image_id"]], int(person["track_id"])]
        try:
            given = np.array([words[word] for word in person["origins"]], dtype=np.uint8)
            pairs = np.array(person["raw_keypoints"], dtype=np.float64).reshape(len(POSETRACK), 2)
            to.origins[row] = np.where(to.origins[row] == MISSING, np.uint8(MISSING), given)
            to.hidden[row] = [word == HIDDEN for word in person["origins"]]
            to.identity[row] = np.nan if person.get("identity") is None else float(person["identity"])
            if "raw_bbox" in person:
                left, top, width, height = np.array(person["raw_bbox"] or [np.nan] * 4, dtype=np.float64)
                to.raw_boxes[row] = from_corner(np.array([left, top, left + width, top + height]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataFormatError(
                f"{video.path}, {video.frame_name(int(video.frames[row]))}: 'origins' or 'raw_keypoints' are not "
                "those of a refined file; refine the original again."
            ) from error
        to.raw[row] = pairs


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
        ids = iter(annotation_ids([video]))
        file.append(
            {"id": next(ids), **row, **more}
            for row, more in zip(people_rows(video), _refined(people), strict=True)
        )
        file.close(b'\n],"categories":' + orjson.dumps([PERSON_CATEGORY]) + b"}\n")
    except BaseException:
        file.discard()
        raise


def _refined(people: RefinedPeople) -> Iterator[dict[str, Any]]:
    """What only refined files have, person by person. NaN is written as null."""
    corners = from_centre(people.raw_boxes)
    found = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).round(_DIGITS["pixels"])
    known = (~np.isnan(found[:, 0])).tolist()
    for start in range(0, len(found), _PEOPLE_AT_ONCE):
        part = slice(start, start + _PEOPLE_AT_ONCE)
        raw = people.raw[part].round(_DIGITS["pixels"]).reshape(len(found[part]), -1)
        columns = (raw, people.words(part).tolist(), people.identity[part].round(_DIGITS["scores"]).tolist())
        for row, (pairs, origins, identity) in enumerate(zip(*columns, strict=True), start=start):
            box = found[row] if known[row] else None
            yield {"raw_keypoints": pairs, "origins": origins, "identity": identity, "raw_bbox": box}


def annotations_of_clip(path: Path, clip: Clip) -> Annotations:
    """The clip as the formats' writers take it, with its joints also in its own skeleton."""
    return _annotations(path, clip, people_of(clip.tracks, len(clip.skeleton)))


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
