"""Video files."""

from __future__ import annotations

from pathlib import Path

from posetrack.errors import VideoError
from posetrack.types import Image
from posetrack.video.completeness import fault_at_end
from posetrack.video.decoder import FileDecoder
from posetrack.video.packets import list_frames
from posetrack.video.probe import Media
from posetrack.video.timing import RisingTimes

_SHORTEST_JUMP_S = 10.0
_JUMP_MARGINS_S = (2.0, 10.0, 60.0)
"""Jump to this much before the wanted time, then try earlier: decoding starts at key frames, and some containers
do not list them."""

_DOUBTFUL_S = 1.0
"""After a jump, frames more than this before the wanted time are not used: where few packets have time stamps, the
first frames get wrong ones."""


class FileReader:
    """A ``Reader`` of a video file. Decodes the first frame at once, so that a file that opens can be read.

    Args:
        path: The file.
        media: Its properties, from ``probe``.

    Raises:
        VideoError: no frame can be decoded.
    """

    live = False

    def __init__(self, path: Path, media: Media) -> None:
        self._path = path
        self._media = media
        self.fps, self.frame_count = media.fps, media.frame_count
        self.index = -1
        self.incomplete: str | None = None
        self._times = RisingTimes(media.fps)
        self._image: Image | None = None
        fault = (
            f"{path}: its video ({media.video_codec}) cannot be decoded: it is damaged, or this ffmpeg "
            f"does not support it. Convert it first, for example with: ffmpeg -i INPUT -c:v libx264 OUTPUT.mp4"
        )
        if media.size is None:
            raise VideoError(fault)
        self.size = media.size
        self._decoder = FileDecoder(path, media)
        self._waiting = self._decoder.next()
        if self._waiting is None:
            self.close()
            raise VideoError(fault)
        self._first_s = self._waiting[0]

    def advance(self) -> float | None:
        """Go to the next frame; its time in seconds, or None at the end."""
        frame, self._waiting = self._waiting or self._decoder.next(), None
        if frame is None:
            self._image = None
            self.incomplete = self._at_end()
            return None
        time_s, self._image = frame
        self.index += 1
        return self._times.next(time_s)

    def picture(self) -> Image:
        """The current frame."""
        assert self._image is not None
        return self._image

    def jump(self, time_s: float) -> None:
        """Seek, and count in the container which frame that is."""
        if time_s < _SHORTEST_JUMP_S or self.index >= 0:
            return
        for margin_s in _JUMP_MARGINS_S:
            if margin_s >= time_s:
                return
            decoder = FileDecoder(self._path, self._media, time_s - margin_s)
            frame = entry = decoder.next()
            while frame is not None and frame[0] < time_s - _DOUBTFUL_S:
                frame = decoder.next()
            if entry is not None and frame is not None and self._first_s < entry[0] <= time_s:
                self._decoder.close()
                self._decoder, self._waiting = decoder, frame
                self.index = self._frames_before(self._first_s, frame[0]) - 1
                return
            decoder.close()

    def _frames_before(self, first_s: float, time_s: float) -> int:
        """Number of frames with ``first_s`` <= time < ``time_s``. A subclass may know it already."""
        return list_frames(self._path).between(first_s, time_s)

    def close(self) -> None:
        """Stop the decoder."""
        self._waiting = None
        self._decoder.close()

    def _at_end(self) -> str | None:
        return fault_at_end(
            self._path,
            self._media,
            decoded=self.index + 1,
            first_s=self._first_s,
            decoder_succeeded=self._decoder.succeeded(),
        )
