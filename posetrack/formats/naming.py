"""Names and ids of images, as PoseTrack gives them.

PoseTrack calls an image ``images/val/000342_mpii_test/000007.jpg`` and numbers it T SSSSSS FFFF: the
source (1 mpii, 2 bonn, 3 mpiinew), the sequence, the frame. The official evaluator parses these names and
stops at any other, so that footage of one's own is filed as sequence 000000 of the first source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SEQUENCE = re.compile(r"(\d{1,6})_(mpii|bonn|mpiinew)(_.*)?")
_SOURCE_NUMBERS = {"mpii": 1, "bonn": 2, "mpiinew": 3}


@dataclass(frozen=True)
class ImageNaming:
    """How the images of one sequence are called.

    Attributes:
        folder: Name of the folder that the images are said to lie in.
        video_id: Six digits.
        first_id: Id of frame 0; ids go on by one.
    """

    folder: str
    video_id: str
    first_id: int

    @classmethod
    def of(cls, name: str) -> ImageNaming:
        """Naming of the sequence or video ``name``.

        >>> ImageNaming.of("000342_mpii_test").first_id
        10003420000
        >>> ImageNaming.of("street").file_name(7)
        'images/000000_mpii_street/000007.jpg'
        """
        match = _SEQUENCE.fullmatch(name)
        if match is None:
            return cls(folder=f"000000_mpii_{name}", video_id="000000", first_id=10**10)
        number = int(match[1])
        return cls(
            folder=name, video_id=f"{number:06d}", first_id=_SOURCE_NUMBERS[match[2]] * 10**10 + number * 10**4
        )

    def file_name(self, index: int) -> str:
        """Name of a frame's image."""
        return f"images/{self.folder}/{index:06d}.jpg"

    def image_id(self, index: int) -> int:
        """Id of a frame's image. The official evaluator reads the first 10,000 frames of a sequence."""
        return self.first_id + index
