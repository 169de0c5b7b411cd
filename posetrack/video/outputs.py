"""Write all files of a run together: the annotated video and the pose files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from posetrack.errors import ConfigError
from posetrack.files.descriptions import DESCRIPTION
from posetrack.formats import OUTPUT_FORMATS
from posetrack.observations.header import Header
from posetrack.observations.names import ENDING
from posetrack.ranges import require_kinds
from posetrack.stages import Sink, SourceInfo
from posetrack.stopwatch import Stopwatch
from posetrack.types import Frame, Poses
from posetrack.video.draw import Annotator, AnnotatorConfig
from posetrack.video.options import ReadOptions
from posetrack.video.sink import VideoSink
from posetrack.video.window import LiveWindow

TRACKS = "tracks"
"""The output that holds the observations."""

META = "meta"
"""The output that says where the others come from."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What to write.

    Attributes:
        video: ``NAME_tracked.mp4``, the source with skeletons and identities.
        formats: Formats of the pose files, keys of ``posetrack.formats.OUTPUT_FORMATS``.
        tracks: ``NAME.tracks``, the raw tracks, for ``posetrack refine``. Not written for live sources.
        meta: ``NAME.meta.json``, which says where the files come from.
        overwrite: Replace files of earlier runs instead of raising an error.
        show: Also show the annotated frames in a window.
        drawing: What to draw, and how.
    """

    video: bool = True
    formats: tuple[str, ...] = ("posetrack18",)
    tracks: bool = True
    meta: bool = True
    overwrite: bool = False
    show: bool = False
    drawing: AnnotatorConfig = field(default_factory=AnnotatorConfig)

    def __post_init__(self) -> None:
        require_kinds(self)
        for name in self.formats:
            if name not in OUTPUT_FORMATS:
                raise ConfigError(f"there is no format {name!r}; choose from {', '.join(OUTPUT_FORMATS)}.")

    def paths(self, folder: Path, name: str) -> dict[str, Path]:
        """The path of each output (``video``, a format's name, ``tracks``, ``meta``) for results of that name."""
        paths = {"video": folder / f"{name}_tracked.mp4"} if self.video else {}
        paths |= {kind: folder / f"{name}{OUTPUT_FORMATS[kind][0]}" for kind in self.formats}
        paths |= {TRACKS: folder / f"{name}{ENDING}"} if self.tracks else {}
        return paths | ({META: folder / f"{name}{DESCRIPTION}"} if self.meta else {})


class ResultWriter:
    """Writes all files of a run; a context manager.

    Leaving it finishes every file. Leaving it by an exception removes them all.

    Args:
        paths: The path of each output, from ``Outputs.paths``. Only ``meta``, which says where whole files come
            from, is not written here.
        info: Properties of the source.
        outputs: What to write.
        reading: Which part of the source is read: the sound starts where the frames do.
        stopwatch: Adds up the time of each part.
        header: What the observations say of the source.
        smooth: Smooths the people of each frame, for all files but the observations.

    Raises:
        OutputError: from every method: a file cannot be written, or no window can be opened.
    """

    def __init__(  # noqa: PLR0913 (what the files need)
        self,
        paths: Mapping[str, Path],
        info: SourceInfo,
        outputs: Outputs,
        reading: ReadOptions,
        stopwatch: Stopwatch,
        header: Header | None = None,
        smooth: Callable[[Frame, Poses], Poses] | None = None,
    ) -> None:
        self._time, self._smooth = stopwatch, smooth
        self._sinks: list[tuple[str, Sink]] = []
        self._window: LiveWindow | None = None
        try:
            for kind, path in paths.items():
                if kind == META:
                    continue
                if kind == "video":
                    annotator = Annotator(outputs.drawing)
                    sink: Sink = VideoSink(path, info, annotator, start_s=reading.start_s or 0.0)
                elif kind == TRACKS:
                    sink = _observations(path, header or Header.of(info))
                else:
                    sink = OUTPUT_FORMATS[kind][1](path, info)
                self._sinks.append((kind, sink))
            if outputs.show:
                self._window = LiveWindow(info, Annotator(outputs.drawing))
                self._sinks.append(("window", self._window))
        except BaseException:
            self._discard()
            raise

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame to every file."""
        shown = poses if self._smooth is None else self._smooth(frame, poses)
        for kind, sink in self._sinks:
            with self._time(kind if kind in ("video", "window") else "files"):
                sink.write(frame, poses if kind == TRACKS else shown)

    @property
    def stopped(self) -> bool:
        """Whether the user has closed the window to stop the run."""
        return self._window is not None and self._window.closed

    @property
    def warning(self) -> str | None:
        """One sentence about what the finished video lacks, or None."""
        return next((sink.warning for _, sink in self._sinks if isinstance(sink, VideoSink)), None)

    def _discard(self) -> None:
        with ExitStack() as all_of_them:  # the others too, if one fails
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


def _observations(path: Path, header: Header) -> Sink:
    # importing pyarrow takes a third of a second, which live sources need not pay
    from posetrack.observations.writer import ObservationSink

    return ObservationSink(path, header)
