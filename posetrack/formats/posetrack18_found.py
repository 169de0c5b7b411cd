"""How joints were found, in PoseTrack18 JSON. Other tools ignore these fields of annotations.

``raw_keypoints`` (x, y of each joint before smoothing; null where there was none), ``origins`` (one word per
joint), ``identity`` (a probability) and ``raw_bbox`` (null if filled).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import Annotations
from posetrack.formats.checks import Where
from posetrack.formats.found import WORDS, Found, origin_codes
from posetrack.formats.joints import own_joints
from posetrack.formats.posetrack18_rows import xywh
from posetrack.skeletons import POSETRACK
from posetrack.types import IntArray

FIELDS = frozenset({"raw_keypoints", "origins", "identity", "raw_bbox"})

_AT_ONCE = 4096


def found_of(path: Path, people: Sequence[dict[str, Any]], where: Where) -> Found | None:
    """What a file says of its people; ``None`` if it says nothing of any.

    Args:
        path: The file.
        people: [M] annotations.
        where: How messages name the frame of a person.

    Raises:
        DataFormatError: a list does not fit PoseTrack's joints, or a word is unknown.
    """
    saying = [row for row, person in enumerate(people) if "origins" in person]
    if not saying:
        return None
    found = Found.unknown((len(people),), len(POSETRACK))
    for row in saying:
        person = people[row]
        try:
            found.origins[row] = _origins(path, person["origins"], where(row))
            found.raw[row] = np.array(person["raw_keypoints"], dtype=np.float64).reshape(len(POSETRACK), 2)
            found.identity[row] = np.nan if person.get("identity") is None else float(person["identity"])
            left, top, width, height = np.array(person.get("raw_bbox") or [np.nan] * 4, dtype=np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise DataFormatError(
                f"{path}, {where(row)}: 'origins' or 'raw_keypoints' are not those of a refined file; refine the "
                "original again."
            ) from error
        found.raw_boxes[row] = left, top, left + width, top + height
    return found


def _origins(path: Path, words: Sequence[Any], frame: str) -> list[int]:
    return origin_codes(words, lambda _: f"{path}, {frame}", "origins")


def found_rows(found: Found) -> Iterator[dict[str, Any]]:
    """The fields of each person, with joints in PoseTrack's order. NaN is written as null."""
    boxes, words = xywh(found.raw_boxes), np.array(WORDS, dtype=object)
    known = (~np.isnan(boxes[:, 0])).tolist()
    for start in range(0, len(boxes), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        raw = found.raw[part].reshape(len(boxes[part]), -1)
        columns = (raw, words[found.origins[part]].tolist(), found.identity[part].tolist())
        for row, (pairs, origins, identity) in enumerate(zip(*columns, strict=True), start=start):
            box = boxes[row] if known[row] else None
            yield {"raw_keypoints": pairs, "origins": origins, "identity": identity, "raw_bbox": box}


def in_posetrack_joints(video: Annotations) -> Found | None:
    """How joints were found that PoseTrack has, too; of those made of others, nothing is known."""
    if video.found is None:
        return None
    own = own_joints(video).skeleton
    shared = [slot for slot, joint in enumerate(POSETRACK.joints) if joint in own.joints]
    theirs: IntArray = np.array([own.index(POSETRACK.joints[slot]) for slot in shared], dtype=np.int64)
    found = Found.unknown((len(video),), len(POSETRACK))
    found.origins[:, shared] = video.found.origins[:, theirs]
    found.raw[:, shared] = video.found.raw[:, theirs]
    found.identity[:] = video.found.identity
    found.raw_boxes[:] = video.found.raw_boxes
    return found
