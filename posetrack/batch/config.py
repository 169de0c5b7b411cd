"""The settings, progress events and summary of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from posetrack.batch.chunks import ChunkConfig
from posetrack.batch.manifest import ClipRecord
from posetrack.batch.names import PAGE, SUMMARY
from posetrack.batch.patterns import Choice
from posetrack.batch.plan import Plan
from posetrack.batch.tasks import Compute, TrackerFactory
from posetrack.batch.workers import Progress
from posetrack.errors import ConfigError
from posetrack.provenance.meta import IN_PYTHON, Repetition
from posetrack.ranges import require_kinds
from posetrack.refine.second_pass import RefineConfig
from posetrack.runner import Outputs
from posetrack.video import ReadOptions


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """How a folder of footage is tracked.

    Attributes:
        tracker: Makes the tracker, once in each worker.
        choice: The clips to track.
        reading: The part of each clip to read.
        outputs: The files to write. ``overwrite`` tracks everything again and replaces files of other origin.
        compute: Where networks run.
        refine: How the second pass refines each clip; ``None`` leaves it out.
        chunks: Where long clips are cut.
        repetition: How ``posetrack verify`` repeats the run of a clip.
        remote_url: An fsspec URL for the results (``s3://bucket/folder``); the output folder then holds only the
            manifest. ``None`` writes the results to the output folder.
        workers: Number of processes. 0 uses what fits the computer.
        retries: Maximum retries of a failed clip in one run: at once if the cause may pass (a process died),
            otherwise the next time the batch runs.
        timeout_s: A clip without a new frame for this many seconds has failed. ``None`` disables the timeout.

    Raises:
        ConfigError: a number is out of range.
    """

    tracker: TrackerFactory
    choice: Choice = field(default_factory=Choice)
    reading: ReadOptions = field(default_factory=ReadOptions)
    outputs: Outputs = field(default_factory=Outputs)
    compute: Compute = field(default_factory=Compute)
    refine: RefineConfig | None = field(default_factory=RefineConfig)
    chunks: ChunkConfig = field(default_factory=ChunkConfig)
    repetition: Repetition = IN_PYTHON
    remote_url: str | None = None
    workers: int = 0
    retries: int = 1
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.workers < 0:
            raise ConfigError(f"workers is {self.workers}; give a number of processes, or 0 for as many as fit.")
        if self.retries < 0:
            raise ConfigError(f"retries is {self.retries}; give 0 (never try again) or more.")
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise ConfigError(f"timeout is {self.timeout_s} s; give more than 0, or leave it out.")


class BatchObserver(Protocol):
    """Receives the events of a batch."""

    def planned(self, plan: Plan) -> None:
        """The plan is made; nothing is done yet."""
        ...

    def started(self, record: ClipRecord) -> None:
        """A clip starts."""
        ...

    def progressed(self, progress: Progress) -> None:
        """More frames of a clip are done."""
        ...

    def finished(self, record: ClipRecord) -> None:
        """A clip is done, has failed, or will be retried (``pending`` with an ``error``)."""
        ...


@dataclass(kw_only=True)
class BatchSummary:
    """The outcome of a run.

    Attributes:
        done: Clips tracked in this run.
        skipped: Clips that were already done.
        failed: Records of clips that failed, in this run or an earlier one.
        pending: Clips left for the next run.
        frames: Frames tracked in this run.
        seconds: Wall time.
        interrupted: Whether the user stopped it.
        stopped: Why it stopped early (a full disk), as a sentence.
        table: Path of ``summary.csv``.
        page: Path of ``index.html``.
    """

    done: int = 0
    skipped: int = 0
    failed: list[ClipRecord] = field(default_factory=list)
    pending: int = 0
    frames: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    stopped: str | None = None
    table: Path = Path(SUMMARY)
    page: Path = Path(PAGE)

    @property
    def fps(self) -> float:
        """Frames tracked per second by all workers together."""
        return self.frames / self.seconds if self.seconds else 0.0
