"""How the joints of a video's people were found: what tables hold beyond places and scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.errors import DataFormatError
from posetrack.types import Doubles, Origin, Poses

Codes = NDArray[np.uint8]

WORDS = ("", "seen", "carried", "filled", "hidden")
"""Where a joint comes from, as files say it: nobody knows, the pose network, optical flow, the second pass; or it
is missing because it was hidden by hand. A code is an index of these."""

_CODES = {word: code for code, word in enumerate(WORDS)}

SEEN, CARRIED = WORDS.index("seen"), WORDS.index("carried")

RAW_BOX = ("raw_box_x1", "raw_box_y1", "raw_box_x2", "raw_box_y2")
COLUMNS = ("raw_x", "raw_y", "origin", "sd", "identity", *RAW_BOX)
"""The columns of a table, in this order, behind all others."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Found:
    """What is known of M people (or of [F, P] people) with K joints.

    Attributes:
        raw: float64 [M, K, 2]: each joint before filling and smoothing, pixels; NaN where it was not seen.
        origins: uint8 [M, K]: an index of ``WORDS``.
        sds: float64 [M, K]: standard deviation of x and of y, pixels; NaN where unknown.
        identity: float64 [M]: probability that this is the person whom the track mostly holds; NaN where unknown.
        raw_boxes: float64 [M, 4]: x1 y1 x2 y2 before smoothing, from the image's corner; NaN where there was none.
    """

    raw: Doubles
    origins: Codes
    sds: Doubles
    identity: Doubles
    raw_boxes: Doubles

    def __getitem__(self, chosen: Any) -> Found:
        """Some of the people."""
        return Found(**{name: getattr(self, name)[chosen] for name in self.__slots__})

    def __setitem__(self, place: Any, others: Found) -> None:
        """Put what is known of others into a place."""
        for name in self.__slots__:
            getattr(self, name)[place] = getattr(others, name)

    @classmethod
    def unknown(cls, people: tuple[int, ...], joints: int) -> Found:
        """Nothing is known."""
        shape = (*people, joints)
        return cls(
            raw=np.full((*shape, 2), np.nan),
            origins=np.zeros(shape, dtype=np.uint8),
            sds=np.full(shape, np.nan),
            identity=np.full(people, np.nan),
            raw_boxes=np.full((*people, 4), np.nan),
        )


def origin_codes(words: Sequence[Any], place: Callable[[int], str], name: str = "origin") -> list[int]:
    """Where joints come from, as indices of ``WORDS``.

    Args:
        words: [N] what a file says.
        place: How messages name the place of the n-th word.
        name: What the file calls them.

    Raises:
        DataFormatError: a word is none of ``WORDS``.
    """
    for number, word in enumerate(words):
        if not isinstance(word, str) or word not in _CODES:
            raise DataFormatError(
                f"{place(number)}: {name!r} is {word!r}, but must be {', '.join(WORDS[1:])} or empty; correct it."
            )
    return [_CODES[word] for word in words]


def found_in(poses: Poses, boxes: Doubles) -> Found:
    """What a tracker knows: the origins of joints. Nothing has been smoothed yet.

    Args:
        poses: N people.
        boxes: float64 [N, 4], theirs, from the image's corner.
    """
    known = Found.unknown((len(poses),), len(poses.skeleton))
    origins = np.where(poses.present, poses.origin, np.uint8(Origin.PENDING))
    known.origins[:] = origins
    known.raw[:] = np.where(np.isin(origins, (SEEN, CARRIED))[..., None], poses.keypoints, np.nan)
    known.raw_boxes[:] = boxes
    return known
