"""Reads COCO keypoint results and MOTChallenge text as annotations of videos."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import EVALUATION_JOINTS, EVALUATION_SLOTS, VISIBLE, Annotations, Doubles
from posetrack.formats.checks import check_unique_ids, number_or_nan, rows_of_numbers, track_ids
from posetrack.formats.mot import LARGEST_FRAME, parse_table
from posetrack.formats.naming import OWN_FOOTAGE, ImageNaming, packed_id, unpacked_id
from posetrack.skeleton_conversion import conversion_matrix
from posetrack.skeletons import POSETRACK, Skeleton
from posetrack.types import IntArray


def parse_coco_results(
    path: Path, people: list[Any], skeleton: Skeleton, images: list[dict[str, Any]] | None
) -> Annotations:
    """COCO keypoint results with the joints of ``skeleton`` as one video.

    Args:
        path: For messages and the video's name.
        people: The file's content.
        skeleton: COCO's or PoseTrack's: what the 17 joints are.
        images: The video's images; None to make them up. Ids that tell the frames of one video
            (``are_frame_numbers``) then give all frames up to the last; other ids give one frame each.

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
    frames, ids, boxes, confidences = parse_table(path, text)
    if images is None:
        naming = ImageNaming.of(path.stem)
        images = _made_up(naming, map(naming.image_id, range(int(frames.max(initial=-1)) + 1)))
    if len(frames) and not 0 <= frames.min() <= frames.max() < len(images):
        raise DataFormatError(f"{path}: frames must lie between 1 and {len(images)}; correct the first column.")
    shape = (len(frames), len(EVALUATION_JOINTS))
    return _video(
        path,
        images,
        frames,
        ids,
        xy=np.zeros((*shape, 2)),
        scores=np.zeros(shape),
        person_scores=confidences,
        boxes=boxes,
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
        visibility=np.where(present, VISIBLE, 0.0),
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
    if are_frame_numbers(ids):
        frame_count, image_id = _numbering(ids)
        return _made_up(naming, map(image_id, range(frame_count)))
    if all(isinstance(image_id, int) for image_id in ids):
        return _made_up(naming, sorted(set(ids)))
    return _made_up(naming, sorted(set(ids), key=_with_numbers))


def _made_up(naming: ImageNaming, ids: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"file_name": naming.file_name(n), "id": image_id} for n, image_id in enumerate(ids)]


def are_frame_numbers(ids: Sequence[Any]) -> bool:
    """Whether image ids tell the frames of one video; otherwise their order is all there is to go by."""
    return all(isinstance(image_id, int) for image_id in ids) and _numbering(ids)[0] >= 0


def _numbering(ids: Sequence[int]) -> tuple[int, Callable[[int], int]]:
    """Frames of a video up to the last of these images, and each frame's id; -1 if they are of several."""
    if all(0 <= image_id < LARGEST_FRAME for image_id in ids):
        return max(ids, default=-1) + 1, int
    places = [unpacked_id(image_id) for image_id in ids]
    sequences = {first_id for first_id, _ in places}
    first_id = min(sequences)
    if len(sequences) == 1:
        frame_count, image_id = max(frame for _, frame in places) + 1, partial(packed_id, first_id)
    elif first_id == OWN_FOOTAGE and max(ids) < 2 * OWN_FOOTAGE:
        # posetrack 0.1 let frames beyond 9999 run on into the digits of the sequence
        frame_count, image_id = max(ids) - OWN_FOOTAGE + 1, partial(add, OWN_FOOTAGE)
    else:
        return -1, int
    return frame_count if frame_count <= LARGEST_FRAME else -1, image_id


def _with_numbers(image_id: Any) -> list[Any]:
    """Sorts "frame10.jpg" behind "frame9.jpg"."""
    parts = re.split(r"(\d{1,18})", str(image_id))
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]


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
