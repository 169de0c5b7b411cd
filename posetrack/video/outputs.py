"""All files of a run: the annotated video and files of poses, written together."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from posetrack.errors import ConfigError
from posetrack.formats import FORMATS
from posetrack.ranges import require_kinds
from posetrack.stages import Sink, SourceInfo
from posetrack.stopwatch import Stopwatch
from posetrack.types import Frame, Poses
from posetrack.video.draw import Annotator, AnnotatorConfig
from posetrack.video.options import ReadOptions
from posetrack.video.sink import VideoSink
from posetrack.video.window import LiveWindow


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What is written.

    Attributes:
        video: ``NAME_tracked.mp4``, the source with skeletons and identities.
        formats: Files of poses, keys of ``posetrack.formats.FORMATS``.
        overwrite: Replace files of earlier runs; otherwise they are an error.
        show: Also show the annotated frames in a window as they come.
        drawing: What is drawn, and how.
    """

    video: bool = True
    formats: tuple[str, ...] = ("posetrack18",)
    overwrite: bool = False
    show: bool = False
    drawing: AnnotatorConfig = field(default_factory=AnnotatorConfig)

    def __post_init__(self) -> None:
        require_kinds(self)
        for name in self.formats:
            if name not in FORMATS:
                raise ConfigError(f"there is no format {name!r}; choose from {', '.join(FORMATS)}.")

    def paths(self, folder: Path, name: str) -> dict[str, Path]:
        """The file of each output (``video`` or a format's name) for a source of that name."""
        paths = {"video": folder / f"{name}_tracked.mp4"} if self.video else {}
        return paths | {kind: folder / f"{name}{FORMATS[kind][0]}" for kind in self.formats}


class ResultWriter:
    """All files of a run, written together; a context manager.

    Left in the ordinary way it finishes every file. Left by an error it removes them all.

    Args:
        paths: The file of each output, from ``Outputs.paths``.
        info: Of the source.
        outputs: What is written.
        reading: Which part of the source is read: the sound begins where the frames do.
        stopwatch: Where the time is added up.

    Raises:
        OutputError: from every method: a file cannot be written, there is no window.
    """

    def __init__(
        self,
        paths: dict[str, Path],
        info: SourceInfo,
        outputs: Outputs,
        reading: ReadOptions,
        stopwatch: Stopwatch,
    ) -> None:
        self._time = stopwatch
        self._sinks: list[tuple[str, Sink]] = []
        self._window: LiveWindow | None = None
        try:
            for kind, path in paths.items():
                if kind == "video":
                    annotator = Annotator(outputs.drawing)
                    sink: Sink = VideoSink(path, info, annotator, start_s=reading.start_s or 0.0)
                else:
                    sink = FORMATS[kind][1](path, info)
                self._sinks.append(("video" if kind == "video" else "files", sink))
            if outputs.show:
                self._window = LiveWindow(info, Annotator(outputs.drawing))
                self._sinks.append(("window", self._window))
        except BaseException:
            self._discard()
            raise

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame to every file."""
        for part, sink in self._sinks:
            with self._time(part):
                sink.write(frame, poses)

    @property
    def stopped(self) -> bool:
        """The user has closed the window: no more frames are wanted."""
        return self._window is not None and self._window.closed

    @property
    def warning(self) -> str | None:
        """What the finished video lacks, as a sentence."""
        return next((sink.warning for _, sink in self._sinks if isinstance(sink, VideoSink)), None)

    def _discard(self) -> None:
        with ExitStack() as all_of_them:  # also those behind one that fails
            for _, sink in self._sinks:
                all_of_them.callback(sink.discard)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._discard()
            return
        try:
            for _, sink in self._sinks:
                with self._time("finish"):
                    sink.close()
        except BaseException:
            self._discard()
            raise
