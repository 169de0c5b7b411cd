"""What a batch is told, tells meanwhile, and tells in the end."""

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
from posetrack.ranges import require_kinds
from posetrack.runner import Outputs
from posetrack.video import ReadOptions


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """How a folder of footage is tracked.

    Attributes:
        tracker: Makes the tracker, in each worker once.
        choice: Which clips are wanted.
        reading: Which part of each clip is read.
        outputs: What is written of each; ``overwrite``: all is done again, and files not ours are replaced.
        compute: Where networks run.
        chunks: How long clips are cut, to be tracked by several workers.
        remote_url: Where results go, as fsspec takes it (``s3://bucket/folder``), while the output folder holds
            the manifest alone; None: into the output folder.
        workers: Processes; 0: what fits the computer.
        retries: How often a clip that has failed is tried again in one run: at once where the reason may pass (a
            process that died), else when the batch is run again.
        timeout_s: A clip that does not come a frame further for so long has failed; None: wait for ever.

    Raises:
        ConfigError: a number is out of range.
    """

    tracker: TrackerFactory
    choice: Choice = field(default_factory=Choice)
    reading: ReadOptions = field(default_factory=ReadOptions)
    outputs: Outputs = field(default_factory=Outputs)
    compute: Compute = field(default_factory=Compute)
    chunks: ChunkConfig = field(default_factory=ChunkConfig)
    remote_url: str | None = None
    workers: int = 0
    retries: int = 1
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.workers < 0:
            raise ConfigError(f"workers is {self.workers}; give a number of processes, or 0 for what fits.")
        if self.retries < 0:
            raise ConfigError(f"retries is {self.retries}; give 0 (never try again) or more.")
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise ConfigError(f"timeout is {self.timeout_s} s; give more than 0, or leave it out.")


class BatchObserver(Protocol):
    """Is told how a batch goes on."""

    def planned(self, plan: Plan) -> None:
        """Before anything is done."""
        ...

    def started(self, record: ClipRecord) -> None:
        """A clip is being tracked."""
        ...

    def progressed(self, progress: Progress) -> None:
        """It comes forward."""
        ...

    def finished(self, record: ClipRecord) -> None:
        """It is done, has failed, or waits to be tried again (``pending``, with an ``error``)."""
        ...


@dataclass(kw_only=True)
class BatchSummary:
    """What a run has done.

    Attributes:
        done: Clips tracked in this run.
        skipped: Clips that were done before.
        failed: Records of clips that have failed, now or before, and have not been done since.
        pending: Clips that wait for the next run.
        frames: Frames tracked in this run.
        seconds: By the clock.
        interrupted: By Ctrl-C.
        stopped: Why it ended before its end (a full disk), a sentence.
        table: ``summary.csv``.
        page: ``index.html``, over all clips.
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
        """Frames tracked per second, all workers together."""
        return self.frames / self.seconds if self.seconds else 0.0
