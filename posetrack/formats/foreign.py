"""Reads COCO keypoint results and MOTChallenge text as annotations of videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import EVALUATION_JOINTS, EVALUATION_SLOTS, Annotations, Doubles
from posetrack.formats.checks import check_unique_ids, number_or_nan, rows_of_numbers, track_ids
from posetrack.formats.naming import ImageNaming
from posetrack.skeleton_conversion import conversion_matrix
from posetrack.skeletons import POSETRACK, Skeleton
from posetrack.types import IntArray

_FRAMES_PER_SEQUENCE = 10_000
_LARGEST_MOT_NUMBER = 10**6
_MOT_COLUMNS = 7  # those that are read: frame, id, left, top, width, height, confidence


def parse_coco_results(
    path: Path, people: list[Any], skeleton: Skeleton, images: list[dict[str, Any]] | None
) -> Annotations:
    """COCO keypoint results with the joints of ``skeleton`` as one video.

    Args:
        path: For messages and the video's name.
        people: The file's content.
        skeleton: COCO's or PoseTrack's: what the 17 joints are.
        images: The video's images; None to make them up. Then ids that are equal but for their last four
            digits are numbers of frames, of which none is left out; other ids give one frame each.

    Joints are present where their third number is positive; that number is their score.

    Raises:
        DataFormatError: no image, wrong number of joints, people without track ids, images not in ``images``.
    """
    for number, person in enumerate(people):
        if not isinstance(person, dict) or not isinstance(person.get("image_id"), int | float | str):
            raise DataFormatError(
                f"{path}: COCO results are a list of objects with 'image_id', which number {number} has not; "
                "correct it."
            )
    ids = [person["image_id"] for person in people]
    images = _made_up_images(path, ids) if images is None else images
    frames, order = _frames(path, [image["id"] for image in images], ids)
    people = [people[n] for n in order]

    def where(number: int) -> str:
        return f"frame {frames[number]} ({images[frames[number]]['file_name']})"

    width = len(skeleton)
    rows = [person.get("keypoints") for person in people]
    triples = rows_of_numbers(path, "keypoints", rows, 3 * width, where).reshape(-1, width, 3)
    xy, scores = _in_posetrack(triples[..., :2], triples[..., 2], skeleton)
    tracks = track_ids(path, [person.get("track_id") for person in people], where)
    check_unique_ids(path, frames, tracks, where)
    return _video(
        path,
        images,
        frames,
        tracks,
        xy=xy,
        scores=scores,
        person_scores=np.array([number_or_nan(person.get("score")) for person in people], dtype=np.float64),
    )


def parse_mot(path: Path, text: str, images: list[dict[str, Any]] | None) -> Annotations:
    """MOTChallenge text (ground truth or results) as one video whose people have boxes and no joints.

    Args:
        path: For messages and the video's name.
        text: The file's content.
        images: The video's images; None to make up as many as the last frame says.

    Raises:
        DataFormatError: lines without seven numbers, frames below 1 or beyond ``images``, an id twice in a frame.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    table = np.empty((0, _MOT_COLUMNS))
    try:
        if lines:
            table = np.array([line.split(",")[:_MOT_COLUMNS] for line in lines], dtype=np.float64)
    except ValueError:
        table = np.empty((0, 0))
    if table.shape[1:] != (_MOT_COLUMNS,) or not np.isfinite(table).all():
        raise DataFormatError(
            f"{path}: MOTChallenge lines are frame,id,left,top,width,height,confidence,...; this is not."
        )
    whole = (table[:, :2] % 1 == 0).all(axis=1) & (np.abs(table[:, :2]) <= _LARGEST_MOT_NUMBER).all(axis=1)
    if not whole.all():
        line = int(np.flatnonzero(~whole)[0]) + 1
        raise DataFormatError(
            f"{path}: frame and id must be whole numbers of at most {_LARGEST_MOT_NUMBER}, which those of entry "
            f"{line} are not; correct it."
        )
    numbers = table[:, 0].astype(np.int64) - 1
    if images is None:
        naming = ImageNaming.of(path.stem)
        count = int(numbers.max(initial=-1)) + 1
        images = [{"file_name": naming.file_name(n), "id": naming.image_id(n)} for n in range(count)]
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(images):
        raise DataFormatError(f"{path}: frames must lie between 1 and {len(images)}; correct the first column.")
    order = np.argsort(numbers, kind="stable")
    table, numbers = table[order], numbers[order]
    tracks = table[:, 1].astype(np.int64)
    check_unique_ids(path, numbers, tracks, lambda number: f"frame {numbers[number] + 1}")
    corners = table[:, 2:4] - 1  # MOTChallenge counts from 1
    shape = (len(table), len(EVALUATION_JOINTS))
    return _video(
        path,
        images,
        numbers,
        tracks,
        xy=np.zeros((*shape, 2)),
        scores=np.zeros(shape),
        person_scores=table[:, 6],
        boxes=np.concatenate([corners, corners + table[:, 4:6]], axis=1),
    )


def _video(
    path: Path, images: list[dict[str, Any]], frames: IntArray, ids: IntArray, **columns: Doubles
) -> Annotations:
    present = columns["scores"] > 0
    nowhere = np.full((len(frames), 4), np.nan)
    return Annotations(
        path=path,
        video=ImageNaming.of(Path(images[0]["file_name"]).parent.name).video_id if images else path.stem,
        images=images,
        frames=frames,
        track_ids=ids,
        keypoints=np.where(present[..., None], columns["xy"], 0),
        visibility=np.where(present, 1.0, 0.0),
        present=present,
        scores=np.where(present, columns["scores"], np.nan),
        listed=np.ones(len(frames), dtype=bool),
        head_boxes=nowhere,
        boxes=columns.get("boxes", nowhere),
        person_scores=columns["person_scores"],
    )


def _in_posetrack(xy: Doubles, scores: Doubles, skeleton: Skeleton) -> tuple[Doubles, Doubles]:
    """Joints [N, K_source, 2] and scores as PoseTrack's evaluated joints: [N, K, 2] and [N, K]."""
    weights = conversion_matrix(skeleton, POSETRACK).astype(np.float64)[EVALUATION_SLOTS]
    made_of = weights != 0
    least = np.where(made_of, scores[:, None], np.inf).min(axis=2, initial=np.inf)
    there = xy * (scores > 0)[..., None]
    return np.einsum("ts,nsc->ntc", weights, there), np.where(made_of.any(axis=1), least, 0)


def _made_up_images(path: Path, ids: Sequence[Any]) -> list[dict[str, Any]]:
    naming = ImageNaming.of(path.stem)
    if not all(isinstance(image_id, int) for image_id in ids):
        unique = sorted(set(map(str, ids)))
        return [{"file_name": naming.file_name(n), "id": image_id} for n, image_id in enumerate(unique)]
    sequences = {image_id // _FRAMES_PER_SEQUENCE for image_id in ids}
    first = min(sequences, default=0) * _FRAMES_PER_SEQUENCE
    all_ids = range(first, max(ids, default=first - 1) + 1) if len(sequences) <= 1 else sorted(set(ids))
    return [{"file_name": naming.file_name(n), "id": image_id} for n, image_id in enumerate(all_ids)]


def _frames(path: Path, image_ids: list[Any], ids: list[Any]) -> tuple[IntArray, IntArray]:
    """Each person's frame, ascending, and the order of people that makes it so."""
    positions = {image_id: n for n, image_id in enumerate(image_ids)}
    unknown = [image_id for image_id in ids if image_id not in positions]
    if unknown:
        raise DataFormatError(
            f"{path}: there is no image with the id {unknown[0]}; name the file that has it (--like)."
        )
    frames = np.array([positions[image_id] for image_id in ids], dtype=np.int64)
    order = np.argsort(frames, kind="stable")
    return frames[order], order
