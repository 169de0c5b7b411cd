"""What one run reads and writes, and with how many passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from posetrack.errors import ConfigError, SecondPassError
from posetrack.files.descriptions import DESCRIPTION
from posetrack.interruption import interruptible
from posetrack.observations.header import Header
from posetrack.provenance.footage import source_facts
from posetrack.provenance.meta import Repetition, write_meta
from posetrack.records import as_json
from posetrack.refine.one_euro import OneEuro, StreamSmoother
from posetrack.refine.second_pass import RefineConfig
from posetrack.runner.naming import Names
from posetrack.runner.second_pass import SecondPass
from posetrack.runner.summary import RunObserver, RunSummary, goes_on_from, made_with
from posetrack.stages import SourceInfo
from posetrack.video import ReadOptions, open_source
from posetrack.video.identity import Identity
from posetrack.video.outputs import META, TRACKS, Outputs, ResultWriter
from posetrack.video.sources import is_stored, stored_path

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker


@dataclass(frozen=True)
class Job:
    """What is read and written, and with how many passes.

    Attributes:
        source: As the user typed it.
        folder: Of the results.
        outputs: What to write at the end.
        reading: Which part of the source to read.
        stored: The source can be read again, and its observations are kept.
        config: How the second pass refines; ``None`` without one.
        filter: Smooths what is written frame by frame; ``None`` does not.
    """

    source: str | Path
    folder: Path
    outputs: Outputs
    reading: ReadOptions
    stored: bool
    config: RefineConfig | None
    filter: OneEuro | None

    @classmethod
    def checked(
        cls,
        source: str | Path,
        output: str | Path,
        outputs: Outputs | None,
        reading: ReadOptions | None,
        *,
        online: bool,
        refine: RefineConfig | None,
    ) -> Self:
        stored = is_stored(source)
        outputs = outputs or Outputs()
        config = None if online or not stored else refine or RefineConfig()
        return cls(
            source=source, folder=Path(output), outputs=replace(outputs, tracks=outputs.tracks and stored),
            reading=reading or ReadOptions(), stored=stored, config=config,
            filter=refine.for_streams if refine is not None and config is None else None,
        )  # fmt: skip

    def check(self, info: SourceInfo, refine: RefineConfig | None) -> None:
        """Refuse settings that need a second pass or another frame rate, before any work."""
        if self.config is None and refine is not None and self.filter is None:
            raise ConfigError(
                f"{self.source} is tracked frame by frame, without a second pass, which these options need: leave "
                "them out, smooth with one-euro, or refine NAME.tracks later."
            )
        if refine is not None and info.delivered_fps:
            with _second_pass_errors():
                refine.smoothing.check_rate(1 / float(info.delivered_fps))

    def writer(self, drafts: Path, info: SourceInfo, tracker: PoseTracker) -> ResultWriter:
        """Writes what the first pass leaves: observations; or everything, if it is the only one."""
        paths = self._paths(drafts, info)
        if self.config is not None:
            paths = {TRACKS: paths[TRACKS]}
        header = None
        if self.stored:
            identity = Identity.now(stored_path(self.source) or Path())
            header = Header.of(
                info,
                source_bytes=identity.size,
                source_digest=identity.digest,
                made_with={**made_with(tracker), "reading": as_json(self.reading)},
                formats=self.outputs.formats,
            )
        smooth = None if self.filter is None else StreamSmoother(self.filter)
        return ResultWriter(paths, info, self.outputs, self.reading, tracker.stopwatch, header, smooth)

    def finish(
        self,
        drafts: Path,
        names: Names,
        info: SourceInfo,
        tracker: PoseTracker,
        summary: RunSummary,
        observer: RunObserver | None,
    ) -> None:
        """Give the files their names, after a second pass if there is one."""
        paths = self._paths(drafts, info)
        if self.config is None:
            names.give(paths)
            return
        observations = paths.pop(TRACKS)
        if self.outputs.tracks:
            names.give({TRACKS: observations}, last=False)
        second = SecondPass(
            self.config, replace(self.outputs, show=False), self.reading,
            lambda: open_source(self.source, self.reading), tracker.stopwatch, observer,
        )  # fmt: skip
        try:
            with interruptible() as interruption, _second_pass_errors():
                second.run(summary.observations or observations, info, paths, summary, interruption)
        except KeyboardInterrupt:
            summary.interrupted = summary.unrefined = True
            return
        except Exception as error:
            if summary.observations is not None:
                error.add_note(goes_on_from(summary.observations))
            raise
        names.give(paths)

    def describe(
        self,
        drafts: Path,
        names: Names,
        info: SourceInfo,
        made_with: Mapping[str, Any],
        summary: RunSummary,
        repetition: Repetition,
    ) -> None:
        """Say where the files come from, beside them. Observations alone say it themselves."""
        if summary.unrefined or not self.outputs.meta:
            return
        draft = drafts / DESCRIPTION
        write_meta(
            draft, summary.files, source=source_facts(self.source, info), made_with=made_with,
            repetition=replace(repetition, hindrance=self._hindrance(summary) or repetition.hindrance),
        )  # fmt: skip
        names.give({META: draft})

    def _hindrance(self, summary: RunSummary) -> str | None:
        """What of the run itself cannot be repeated."""
        if not self.stored:
            return "cameras and streams cannot be read again"
        if summary.realtime is not None:
            return "what --realtime sees depends on the speed of the computer"
        return "it was interrupted" if summary.interrupted else None

    def _paths(self, drafts: Path, info: SourceInfo) -> dict[str, Path]:
        needed = self.config is not None or self.outputs.tracks
        return replace(self.outputs, tracks=needed, meta=False).paths(drafts, info.name)


@contextmanager
def _second_pass_errors() -> Iterator[None]:
    """Mark errors of settings as those of one clip."""
    try:
        yield
    except ConfigError as error:
        raise SecondPassError(str(error)) from error
