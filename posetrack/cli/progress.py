"""A progress bar over the frames of a source."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from posetrack.cli.output import console

if TYPE_CHECKING:
    from posetrack.runner import RunSummary
    from posetrack.stages import SourceInfo


class FrameProgress:
    """Shows frames done, frames per second and the time left of each pass, on a terminal only.

    Uses standard error, because results may go to a pipe.
    """

    def __init__(self) -> None:
        shown = console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[frames]} frames"),
            TextColumn("{task.fields[fps]:.1f} fps"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[people]} people"),
            console=shown,
            disable=not shown.is_terminal,
        )
        self._first = self._added("opening")
        self._second: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, info: SourceInfo, summary: RunSummary) -> None:
        """Another frame is tracked. Drops an estimated total once it proves too small."""
        passed = summary.frames + summary.dropped
        total = info.frame_count if (info.frame_count or 0) >= passed else None
        self._progress.start()
        self._show(self._first, info.name, total, passed, summary.frames, summary.tracks)

    def second_pass(self, info: SourceInfo, summary: RunSummary) -> None:
        """The second pass has begun, or another frame is drawn."""
        if self._second is None:
            self._progress.start()
            self._second = self._added(info.name)
        total = max(summary.frames, summary.drawn)
        self._show(self._second, f"{info.name} (second pass)", total, summary.drawn, summary.drawn, summary.tracks)

    def _added(self, description: str) -> TaskID:
        return self._progress.add_task(description, total=None, frames=0, fps=0.0, people=0)

    def _show(self, task: TaskID, name: str, total: int | None, passed: int, done: int, people: int) -> None:
        elapsed = self._progress.tasks[task].elapsed
        self._progress.update(
            task,
            description=name,
            total=total,
            completed=passed,
            frames=passed if total is None else f"{passed}/{total}",
            fps=done / elapsed if elapsed else 0.0,
            people=people,
        )
