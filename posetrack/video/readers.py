"""A source of frames: a reader that goes forward, and the selection of the frames to deliver."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Protocol, Self

from posetrack.errors import VideoError
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Image
from posetrack.video.options import ReadOptions

_SAME_TIME_S = 1e-4
"""Tolerance for equal times: containers round them, at worst to milliseconds."""


class Reader(Protocol):
    """Reads a source once, front to back. All pictures have the same size."""

    @property
    def size(self) -> tuple[int, int]:
        """Upright width and height."""
        ...

    @property
    def fps(self) -> Fraction | None:
        """Nominal frames per second."""
        ...

    @property
    def frame_count(self) -> int | None:
        """Estimated number of frames; None if unknown."""
        ...

    @property
    def index(self) -> int:
        """Index of the current frame; -1 before the first."""
        ...

    @property
    def incomplete(self) -> str | None:
        """One sentence about what could not be read; None if everything could so far."""
        ...

    @property
    def live(self) -> bool:
        """Whether frames arrive in real time (a camera)."""
        ...

    def advance(self) -> float | None:
        """Go to the next frame; its presentation time in seconds, or None at the end."""
        ...

    def picture(self) -> Image:
        """The current frame, uint8 [H, W, 3] RGB."""
        ...

    def jump(self, time_s: float) -> None:
        """Skip to some frame at or before ``time_s``, if that is faster than reading on."""
        ...

    def close(self) -> None:
        """Release the file or device."""
        ...


class Source:
    """A ``FrameSource`` that delivers the frames of a reader selected by the options. To be iterated once.

    It may be opened in one thread and iterated in another.

    Args:
        reader: Reads the frames.
        options: Which frames to deliver.
        name: Short name for outputs.
        path: The file to take the sound from, if there is one.
    """

    def __init__(self, reader: Reader, options: ReadOptions, name: str, path: str | None = None) -> None:
        self._reader = reader
        self._options = options
        self._last_s = 0.0
        width, height = reader.size
        self._info = SourceInfo(
            name=name,
            width=width,
            height=height,
            fps=reader.fps,
            frame_count=options.count(reader.frame_count, float(reader.fps) if reader.fps else None),
            path=path,
            delivered_fps=(reader.fps or Fraction(options.images_per_second)) / options.stride,
        )

    @property
    def info(self) -> SourceInfo:
        """Properties known before reading."""
        return self._info

    @property
    def incomplete(self) -> str | None:
        """One sentence about what could not be delivered, or None. Final once the iteration has ended."""
        return self._reader.incomplete

    @property
    def live(self) -> bool:
        """Whether frames arrive in real time (a camera) instead of as fast as they are read."""
        return self._reader.live

    def __iter__(self) -> Iterator[Frame]:
        """The frames.

        Raises:
            VideoError: no frame lies in the selected part, or images differ in size.
        """
        delivered = 0
        for delivered, frame in enumerate(self._chosen(), start=1):
            yield frame
            if delivered == self._options.max_frames:
                return
        if not delivered:
            raise VideoError(
                f"{self._info.name} has no frames in the selected part: it ends at {self._last_s:.2f} s."
            )

    def _chosen(self) -> Iterator[Frame]:
        reader, options = self._reader, self._options
        start_s = (options.start_s or 0.0) - _SAME_TIME_S
        reader.jump(start_s)
        chosen_from = None
        while (time_s := reader.advance()) is not None:
            self._last_s = time_s
            if time_s < start_s:
                continue
            if options.end_s is not None and time_s >= options.end_s - _SAME_TIME_S:
                return
            chosen_from = reader.index if chosen_from is None else chosen_from
            if (reader.index - chosen_from) % options.stride == 0:
                yield Frame(reader.index, time_s, reader.picture())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file or device."""
        self._reader.close()
