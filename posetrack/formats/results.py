"""Videos from results that do not name images: COCO results, MOTChallenge text and tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import EVALUATION_SLOTS, VISIBLE, Annotations, Joints
from posetrack.formats.joints import converted
from posetrack.formats.naming import LARGEST_FRAME, OWN_FOOTAGE, ImageNaming, packed_id, unpacked_id
from posetrack.skeletons import POSETRACK
from posetrack.types import Doubles, IntArray


def results_video(
    path: Path,
    images: list[dict[str, Any]],
    people: tuple[IntArray, IntArray],
    joints: Joints,
    person_scores: Doubles,
    boxes: Doubles | None = None,
) -> Annotations:
    """A video of M people.

    Args:
        path: The file they come from.
        images: [F] the video's images.
        people: int64 [M] frames, ascending, and int64 [M] track ids.
        joints: In the file's skeleton.
        person_scores: float64 [M]; NaN where the file gives none.
        boxes: float64 [M, 4], x1 y1 x2 y2 from the image's corner. ``None`` if the format has none.

    Raises:
        DataFormatError: a coordinate is too large to compute with.
    """
    evaluated = converted(path, joints, POSETRACK)
    present = evaluated.present[:, EVALUATION_SLOTS]
    frames, track_ids = people
    nowhere = np.full((len(frames), 4), np.nan)
    return Annotations(
        path=path,
        video=ImageNaming.of(Path(images[0]["file_name"]).parent.name).video_id if images else path.stem,
        images=images,
        frames=frames,
        track_ids=track_ids,
        keypoints=evaluated.xy[:, EVALUATION_SLOTS],
        visibility=np.full(present.shape, VISIBLE),
        present=present,
        scores=evaluated.scores[:, EVALUATION_SLOTS],
        listed=np.ones(len(frames), dtype=bool),
        head_boxes=nowhere,
        boxes=nowhere if boxes is None else boxes,
        person_scores=person_scores,
        joints=None if joints.skeleton == POSETRACK else joints,
    )


def images_up_to(clip: str, last: int) -> list[dict[str, Any]]:
    """Images for the frames 0 to ``last`` of a clip of that name; none if ``last`` is -1."""
    naming = ImageNaming.of(clip)
    return _made_up(naming, map(naming.image_id, range(last + 1)))


def images_of_ids(path: Path, ids: Sequence[Any]) -> list[dict[str, Any]]:
    """Images for these ids: all frames up to the last if the ids tell the frames, otherwise one per id."""
    naming, numbering = ImageNaming.of(path.stem), _numbering(ids)
    if numbering is not None:
        frame_count, image_id = numbering
        return _made_up(naming, map(image_id, range(frame_count)))
    if all(isinstance(image_id, int) for image_id in ids):
        return _made_up(naming, sorted(set(ids)))
    return _made_up(naming, sorted(set(ids), key=_with_numbers))


def _made_up(naming: ImageNaming, ids: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"file_name": naming.file_name(n), "id": image_id} for n, image_id in enumerate(ids)]


def are_frame_numbers(ids: Sequence[Any]) -> bool:
    """Whether image ids tell the frames of one video; otherwise only their order is known."""
    return _numbering(ids) is not None


def _numbering(ids: Sequence[Any]) -> tuple[int, Callable[[int], int]] | None:
    """Number of frames up to the last of these images, and each frame's id. None if the ids do not tell frames."""
    if not all(isinstance(image_id, int) and image_id >= 0 for image_id in ids):
        return None
    if all(image_id < LARGEST_FRAME for image_id in ids):
        return max(ids, default=-1) + 1, int
    places = [unpacked_id(image_id) for image_id in ids]
    sequences = {first_id for first_id, _ in places}
    first_id = min(sequences)
    if len(sequences) == 1:
        frame_count, image_id = max(frame for _, frame in places) + 1, partial(packed_id, first_id)
    elif first_id == OWN_FOOTAGE:
        # posetrack 0.1 let frames beyond 9999 run on into the digits of the sequence
        frame_count, image_id = max(ids) - OWN_FOOTAGE + 1, partial(add, OWN_FOOTAGE)
    else:
        return None
    return (frame_count, image_id) if frame_count <= LARGEST_FRAME else None


def _with_numbers(image_id: Any) -> list[Any]:
    """A key that sorts "frame10.jpg" behind "frame9.jpg"."""
    parts = re.split(r"(\d{1,18})", str(image_id))
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]


def order_by_frame(path: Path, image_ids: list[Any], ids: list[Any]) -> tuple[IntArray, IntArray]:
    """Each person's frame, ascending, and the order of the people that makes it so.

    Raises:
        DataFormatError: an id of ``ids`` is not among ``image_ids``.
    """
    positions = {image_id: n for n, image_id in enumerate(image_ids)}
    unknown = [
        image_id for image_id in ids if not isinstance(image_id, int | float | str) or image_id not in positions
    ]
    if unknown:
        raise DataFormatError(
            f"{path}: there is no image with the id {unknown[0]}; name the file that has it (--like)."
        )
    frames = np.array([positions[image_id] for image_id in ids], dtype=np.int64)
    order = np.argsort(frames, kind="stable")
    return frames[order], order
