"""PoseTrack's names and ids of images.

PoseTrack names an image ``images/val/000342_mpii_test/000007.jpg`` and numbers it T SSSSSS FFFF: the source
(1 mpii, 2 bonn, 3 mpiinew), the sequence, the frame. The official evaluator parses these names and rejects any
others, so other footage is named as sequence 000000 of the first source. Characters that JSON cannot hold are
escaped.

PoseTrack's frames end at 9999. Later frames continue in front of the T: frame 120007 of that sequence is
12 1 000342 0007. So ids are unique across sequences, ascend with the frames, and tell the frame.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from posixpath import basename, dirname
from typing import Any

from posetrack.files.text import printable

_SEQUENCE = re.compile(r"(\d{1,6})_(mpii|bonn|mpiinew)(_.*)?")
_SOURCE_NUMBERS = {"mpii": 1, "bonn": 2, "mpiinew": 3}
_FRAMES, _SEQUENCES, _SOURCES = 10**4, 10**6, 10

OWN_FOOTAGE = 10**10
"""Id of frame 0 of footage that is not one of PoseTrack's sequences, which begin at 1."""

_OWN_FOLDER = "000000_mpii_"
"""What the names of its folders begin with."""

LARGEST_FRAME = 10**6
"""Frame numbers are smaller: an image is made up for every frame up to the last."""

_NUMBERED_NAME = re.compile(r"(?:.*/)?(\d{1,8})(?:_[^/]*)?(?:\.[^./]*)?", re.DOTALL)


def packed_id(first_id: int, frame: int) -> int:
    """Id of a frame's image, from the id of the sequence's frame 0.

    >>> packed_id(10003420000, 7), packed_id(10003420000, 120007)
    (10003420007, 1210003420007)
    """
    beyond, number = divmod(frame, _FRAMES)
    return beyond * _SOURCES * _SEQUENCES * _FRAMES + first_id + number


def unpacked_id(image_id: int) -> tuple[int, int]:
    """Id of the sequence's frame 0, and the frame's number: the inverse of ``packed_id``.

    >>> unpacked_id(1210003420007)
    (10003420000, 120007)
    """
    beyond, within = divmod(image_id, _SOURCES * _SEQUENCES * _FRAMES)
    number = within % _FRAMES
    return within - number, beyond * _FRAMES + number


@dataclass(frozen=True)
class ImageNaming:
    """Names and ids of one sequence's images.

    Attributes:
        folder: Name of the folder in the images' paths.
        video_id: Six digits.
        first_id: Id of frame 0.
    """

    folder: str
    video_id: str
    first_id: int

    @classmethod
    def of(cls, name: str) -> ImageNaming:
        r"""Naming of the sequence or video ``name``.

        >>> ImageNaming.of("000342_mpii_test").first_id
        10003420000
        >>> ImageNaming.of("street").file_name(7)
        'images/000000_mpii_street/000007.jpg'

        Bytes of a name that are not UTF-8 are escaped:

        >>> ImageNaming.of("b\udce9").folder
        '000000_mpii_b\\udce9'
        """
        folder = printable(name).replace("/", "_")
        match = _SEQUENCE.fullmatch(name)
        if match is None:
            return cls(folder=_OWN_FOLDER + folder, video_id="000000", first_id=OWN_FOOTAGE)
        number = int(match[1])
        first_id = (_SOURCE_NUMBERS[match[2]] * _SEQUENCES + number) * _FRAMES
        return cls(folder=folder, video_id=f"{number:06d}", first_id=first_id)

    def file_name(self, index: int) -> str:
        """Name of a frame's image."""
        return f"images/{self.folder}/{index:06d}.jpg"

    def image_id(self, index: int) -> int:
        """Id of a frame's image. The official evaluator reads clips of at most 10,000 frames."""
        return packed_id(self.first_id, index)


def video_of(file_name: str) -> str:
    """Name of the video that an image belongs to, from the image's name.

    >>> video_of("images/val/000342_mpii_test/000000.jpg"), video_of("street/000000.jpg")
    ('000342', 'street')
    """
    folder = basename(dirname(file_name))
    number = folder.split("_")[0]
    return number if number.isdigit() else folder


def clip_of(file_name: str) -> str:
    """Name of the clip that an image belongs to, from the image's name: its folder. Empty if it has none.

    >>> clip_of("images/000000_mpii_street/000007.jpg"), clip_of("images/val/000342_mpii_test/000000.jpg")
    ('street', '000342_mpii_test')
    """
    return basename(dirname(file_name)).removeprefix(_OWN_FOLDER)


def official_ids(images: Sequence[dict[str, Any]]) -> list[int]:
    """[F] PoseTrack's ids for images of these names. Names without numbers are numbered in order."""
    names = [_NUMBERED_NAME.fullmatch(image["file_name"]) for image in images]
    numbers = [int(name[1]) if name else n for n, name in enumerate(names)]
    if len(set(numbers)) < len(numbers):
        numbers = list(range(len(numbers)))
    folders = [basename(dirname(image["file_name"])) for image in images]
    namings = {folder: ImageNaming.of(folder) for folder in set(folders)}
    return [namings[folder].image_id(n) for folder, n in zip(folders, numbers, strict=True)]


def frame_numbers(images: Sequence[dict[str, Any]]) -> list[int]:
    """[F] unique frame numbers from 0: those in the images' names where possible, otherwise the positions."""
    numbers = [unpacked_id(image_id)[1] for image_id in official_ids(images)]
    return numbers if max(numbers, default=0) < LARGEST_FRAME else list(range(len(images)))
