"""Where one shot ends and the next begins."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from posetrack.ranges import require_at_least, require_fraction, require_kinds, require_whole
from posetrack.types import FloatArray, Image

# x1, x2, y1, y2 in shares of the frame (long side along x): the centre, which any pan leaves in sight, and the two
# halves, one of which is left alone by somebody who fills the other.
_PARTS = ((0.2, 0.8, 0.2, 0.8), (0.0, 0.5, 0.1, 0.9), (0.5, 1.0, 0.1, 0.9))
# Light, and red and blue against green, which film carries with less contrast: where only light is compared,
# unrelated pictures resemble each other far more easily.
_OPPONENTS = np.array([[0, 2, 0], [1, -2, -2], [0, 0, 2]], np.float32)
# Contrast is taken relative to that of the surroundings, this far around (pixels of the thumbnail), and
# not below this many grey levels, which are noise.
_SURROUNDINGS_PX = 17
_NOISE_LEVELS = 6.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ShotConfig:
    """Settings of ``ShotDetector``.

    Attributes:
        min_correlation: Two frames belong to one shot if some part of the first is found in the second
            with at least this correlation. Unrelated photographs stayed below 0.35; film at five frames a
            second, flashes, shakes, zooms, pans by a fifth of the frame and large people stayed above 0.50.
        max_shift: How far a part may have moved, as a share of the frame's sides.
        min_contrast: Frames with less contrast (grey levels) are blank: white flashes, black.
        thumbnail_px: Longer side of the thumbnails that are compared.
    """

    min_correlation: float = 0.42
    max_shift: float = 0.25
    min_contrast: float = 2.0
    thumbnail_px: int = 64

    def __post_init__(self) -> None:
        require_kinds(self)
        require_fraction(min_correlation=self.min_correlation, max_shift=self.max_shift)
        require_at_least(0, min_contrast=self.min_contrast)
        require_whole(32, thumbnail_px=self.thumbnail_px)


class ShotDetector:
    """Tells cuts between shots from everything else that changes a picture. One instance for one video.

    Frames are compared as small pictures in relative contrast, so that light, a flash or a fade changes little,
    and part by part with room for motion. Nobody can tell what a blank frame belongs to: it is taken as a part
    of the shot before, and the next frame that shows something is compared with the last one that did.
    Dissolves, which have no first frame, are not found.
    """

    def __init__(self, config: ShotConfig | None = None) -> None:
        self._config = config or ShotConfig()
        self._frame: Image | None = None
        self._last: FloatArray | None = None

    def is_cut(self, previous: Image, current: Image) -> bool:
        """Whether another shot begins with ``current``.

        Args:
            previous: uint8 [H, W, 3], the frame before; as a rule ``current`` of the last call, which is
                remembered (as long as it is the same array).
            current: uint8 [H, W, 3]; another size is a cut, also that of a blank frame.
        """
        if previous is not self._frame:
            self._last = self._shown(previous)
        self._frame = current
        shown, last = self._shown(current), self._last
        if previous.shape != current.shape:
            self._last = shown
            return True
        if shown is None:
            return False
        self._last = shown
        return last is not None and self._correlation(last, shown) < self._config.min_correlation

    def _shown(self, frame: Image) -> FloatArray | None:
        """The frame's thumbnail in relative contrast, float32 [h, w, 3], long side along x; None if blank."""
        height, width = frame.shape[:2]
        scale = self._config.thumbnail_px / max(height, width)
        step = max(1, int(0.5 / scale))
        size = max(8, round(width * scale)), max(8, round(height * scale))
        small = cv2.resize(np.ascontiguousarray(frame[::step, ::step]), size, interpolation=cv2.INTER_AREA)
        if height > width:
            small = small.transpose(1, 0, 2)
        colours = np.ascontiguousarray(small.astype(np.float32) @ _OPPONENTS)
        window = (_SURROUNDINGS_PX, _SURROUNDINGS_PX)
        mean = cv2.blur(colours, window)
        deviation = np.sqrt(np.maximum(cv2.blur(colours * colours, window) - mean * mean, 0))
        if deviation[..., 0].mean() < self._config.min_contrast:
            return None
        return np.asarray((colours - mean) / (deviation + _NOISE_LEVELS), np.float32)

    def _correlation(self, last: FloatArray, shown: FloatArray) -> float:
        """The best correlation of any part of ``last`` with what is near its place in ``shown``."""
        height, width = last.shape[:2]
        margin_x, margin_y = round(self._config.max_shift * width), round(self._config.max_shift * height)
        best = -1.0
        for x1, x2, y1, y2 in _PARTS:
            left, right, top, bottom = int(x1 * width), int(x2 * width), int(y1 * height), int(y2 * height)
            region = shown[max(0, top - margin_y) : bottom + margin_y, max(0, left - margin_x) : right + margin_x]
            matches = cv2.matchTemplate(region, last[top:bottom, left:right], cv2.TM_CCOEFF_NORMED)
            best = max(best, float(matches.max()))
        return best
