"""Write the annotated video."""

from __future__ import annotations

import errno
import logging
from dataclasses import replace
from pathlib import Path

from posetrack.errors import OutputError
from posetrack.files.drafts import temporary_beside
from posetrack.files.pending import give_name, output_errors
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses
from posetrack.video.colour import HD
from posetrack.video.draw import Annotator
from posetrack.video.encoder import Encoder, EncodingConfig, Picture, encodable
from posetrack.video.probe import Media, probe
from posetrack.video.sound import SoundError, cut_sound, holds_sound, join
from posetrack.video.timing import DEFAULT_PERIOD_S


class VideoSink:
    """A ``Sink`` that draws the people into the frames and writes an MP4 file.

    The file is H.264, yuv420p, with the index first. It keeps the source's size, pixel aspect, colours, frame
    times and sound. Odd sizes grow by one repeated row or column; sizes too large for H.264 are shrunk, and a
    warning is logged. The file is written under a temporary name in the same folder and renamed in ``close``. If
    writing fails, what was written is removed and the sink is closed.

    Args:
        path: The file. ``close`` replaces an existing one.
        info: Properties of the source.
        annotator: Draws the people.
        config: Encoding settings.
        start_s: Source time at which the file, and its sound, begins.

    Attributes:
        warning: After ``close``, one sentence if the sound could not be copied, else None.

    Raises:
        OutputError: from every method: no permission, no folder, disk full, no encoder, or ffmpeg fails.
    """

    def __init__(
        self,
        path: str | Path,
        info: SourceInfo,
        annotator: Annotator,
        *,
        config: EncodingConfig | None = None,
        start_s: float = 0.0,
    ) -> None:
        config = config or EncodingConfig()
        self.warning: str | None = None
        self._path = Path(path)
        self._annotator = annotator
        self._source = info.path
        self._start_s = start_s
        self._last_duration_s = float(1 / info.fps) if info.fps else DEFAULT_PERIOD_S
        self._first_s: float | None = None
        self._last_s = 0.0
        width, height = annotator.size(info.width, info.height)
        shown = replace(info, width=width, height=height)
        media = probe(info.path) if info.path is not None else None
        self._sound = media.audio_codecs if media is not None and config.sound else ()
        self._frames_file = temporary_beside(self._path, "frames.part")
        self._sound_file = temporary_beside(self._path, "sound.part")
        self._whole_file = temporary_beside(self._path)
        self._encoder: Encoder | None = None
        written = encodable(width, height)
        if written != (width, height):
            logging.getLogger("posetrack").warning(
                f"{path} is written at {written[0]}x{written[1]} pixels: H.264 does not allow {width}x{height}."
            )
        with output_errors(self._path):
            if self._path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "is a folder")
            self._frames_file.touch()
        try:
            self._encoder = Encoder(self._frames_file, _picture(shown, media), config, faststart=not self._sound)
        except OutputError as error:
            raise self._failed(error) from error

    def write(self, frame: Frame, poses: Poses) -> None:
        """Draw the people and append the frame. Frames must come in order of time."""
        if self._encoder is None:
            raise ValueError("the video is already closed")
        if self._first_s is None:
            self._first_s = frame.time_s
        image = self._annotator.draw(frame, poses)
        try:
            self._encoder.write(image, frame.time_s - self._first_s)
        except OutputError as error:
            raise self._failed(error) from error
        self._last_s = frame.time_s

    def close(self) -> None:
        """Finish the file; without frames, there is none. May be called twice."""
        if self._encoder is None:
            return
        if self._first_s is None:
            self.discard()
            return
        try:
            self._encoder.finish()
            finished = self._add_sound() if self._sound else self._frames_file
        except OutputError as error:
            raise self._failed(error) from error
        self._encoder = None
        try:
            with output_errors(self._path):
                give_name(finished, self._path)
        finally:
            self._remove()

    def discard(self) -> None:
        """Remove what was written, also after an interrupted ``close``. Does nothing after a complete one."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            encoder.abort()
        self._remove()

    def _failed(self, error: OutputError) -> OutputError:
        self.discard()
        return OutputError(f"Cannot write {self._path}: {str(error).removesuffix('.')}.")

    def _remove(self) -> None:
        for file in (self._frames_file, self._sound_file, self._whole_file):
            file.unlink(missing_ok=True)

    def _add_sound(self) -> Path:
        """Join the frames with the source's sound; if that fails, leave the sound out and set ``warning``."""
        assert self._first_s is not None and self._source is not None
        first_s, length_s = self._first_s - self._start_s, self._last_s + self._last_duration_s - self._start_s
        try:
            cut_sound(self._source, self._sound, self._start_s, length_s, self._sound_file)
            sound = self._sound_file if holds_sound(self._sound_file) else None
            join(self._frames_file, first_s, sound, self._whole_file)
        except SoundError:
            self.warning = f"{self._path} has no sound: the sound of {self._source} could not be copied."
            join(self._frames_file, first_s, None, self._whole_file)
        return self._whole_file


def _picture(info: SourceInfo, media: Media | None) -> Picture:
    return Picture(
        width=info.width,
        height=info.height,
        fps=info.fps,
        colour=media.picture_colour if media else HD,
        sample_aspect=media.sample_aspect if media else None,
    )
