"""Detect cuts between shots."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from posetrack.ranges import require_at_least, require_fraction, require_kinds, require_whole
from posetrack.types import FloatArray, Image

# x1, x2, y1, y2 relative to the frame (long side along x): the centre, which stays visible in a pan, and the two
# halves, as a person close to the camera may cover one of them.
_PARTS = ((0.2, 0.8, 0.2, 0.8), (0.0, 0.5, 0.1, 0.9), (0.5, 1.0, 0.1, 0.9))
# Luma, and red and blue against green, which have less contrast in film: by luma alone, unrelated pictures look
# similar far more often.
_OPPONENTS = np.array([[0, 2, 0], [1, -2, -2], [0, 0, 2]], np.float32)
# Contrast is normalised by that of a window of this side (thumbnail pixels), plus this many grey levels, so that
# noise is not amplified.
_SURROUNDINGS_PX = 17
_NOISE_LEVELS = 6.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ShotConfig:
    """Settings of ``ShotDetector``.

    Attributes:
        min_correlation: Two frames belong to the same shot if a part of the first correlates with the second by at
            least this. Unrelated photographs stayed below 0.35; film at five frames per second, flashes, shakes,
            zooms, pans by a fifth of the frame and large people stayed above 0.50.
        max_shift: Maximum shift of a part, relative to the sides of the frame.
        min_contrast: Frames with less contrast (grey levels) are blank: white flashes, black.
        thumbnail_px: Longer side of the compared thumbnails.
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
    """Detects cuts between shots. Use one instance per video.

    Compares thumbnails in normalised contrast, so that light, a flash or a fade changes little, and part by part,
    allowing for motion. A blank frame counts as part of the previous shot, and the next frame that is not blank is
    compared with the last one that was not. Dissolves, which have no first frame, are not detected.
    """

    def __init__(self, config: ShotConfig | None = None) -> None:
        self._config = config or ShotConfig()
        self._frame: Image | None = None
        self._last: FloatArray | None = None

    def is_cut(self, previous: Image, current: Image) -> bool:
        """Whether a new shot begins with ``current``.

        Args:
            previous: uint8 [H, W, 3], the previous frame; usually ``current`` of the last call, which is cached
                (and recognised as the same array).
            current: uint8 [H, W, 3]. A change of size is a cut, even for a blank frame.
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
        """Thumbnail of a frame in normalised contrast, float32 [h, w, 3], long side along x; None if blank."""
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
        """Highest correlation of a part of ``last`` with ``shown`` near the same place."""
        height, width = last.shape[:2]
        margin_x, margin_y = round(self._config.max_shift * width), round(self._config.max_shift * height)
        best = -1.0
        for x1, x2, y1, y2 in _PARTS:
            left, right, top, bottom = int(x1 * width), int(x2 * width), int(y1 * height), int(y2 * height)
            region = shown[max(0, top - margin_y) : bottom + margin_y, max(0, left - margin_x) : right + margin_x]
            matches = cv2.matchTemplate(region, last[top:bottom, left:right], cv2.TM_CCOEFF_NORMED)
            best = max(best, float(matches.max()))
        return best
