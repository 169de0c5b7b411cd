"""The progress of ``posetrack batch``: bars on a terminal, log lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from posetrack.batch.plan import ACTIONS, TRACKED, Plan
from posetrack.cli.output import console, note, readable, tell

if TYPE_CHECKING:
    from posetrack.batch.config import BatchObserver, BatchSummary
    from posetrack.batch.manifest import ClipRecord
    from posetrack.batch.workers import Progress as ClipProgress

_LISTED = 10
"""Maximum failed clips in the final summary; ``summary.csv`` has all."""

_SPEED_WINDOW_S = 60.0
_LINE_EVERY_S = 60.0


def print_plan(plan: Plan) -> None:
    """Print what would be done with each clip, what is left out, and the totals."""
    for clip in plan.clips:
        verb = "track" if clip.action in TRACKED else "fail" if clip.record.status == "failed" else "skip"
        reason = clip.record.error if clip.action == "failed" else ACTIONS[clip.action]
        tell(f"{verb}  {clip.record.clip}  ({reason or ''})")
    for left in plan.left_out:
        tell(f"leave out  {left.path}  ({left.reason})")
    tell(plan_line(plan))


def plan_line(plan: Plan) -> str:
    """The numbers of clips, on one line."""
    counts = plan.counts
    parts = [f"{counts[action]} {meaning}" for action, meaning in ACTIONS.items() if counts[action]]
    known = f"; {len(plan.absent)} more from earlier runs" if plan.absent else ""
    left = f"; {len(plan.left_out)} left out (--dry-run says why)" if plan.left_out else ""
    total = f"{len(plan.clips)} clip{'s' * (len(plan.clips) != 1)}, {len(plan.to_track)} to track"
    return f"{total}{': ' if parts else ''}{', '.join(parts)}{known}{left}"


def print_batch_summary(summary: BatchSummary) -> None:
    """Print the final table and the first failures."""
    lines = {
        "done": f"{summary.done}, and {summary.skipped} before",
        "failed": len(summary.failed),
        "not yet done": summary.pending,
        "frames": f"{summary.frames}, {summary.fps:.1f} per second",
        "time": duration(summary.seconds),
        "summary": summary.table,
        "in a browser": summary.page,
    }
    for name, value in lines.items():
        if value:
            tell(f"{name:<14}{value}")
    for record in summary.failed[:_LISTED]:
        note(f"failed: {record.clip}: {record.error or ''}")
    if len(summary.failed) > _LISTED:
        note(f"failed: {len(summary.failed) - _LISTED} more, see {summary.table}")


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(59.6), duration(3725)
    ('1:00', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@dataclass
class Pace:
    """How far a batch has come, and how long it will take.

    Progress is measured in bytes: the frame counts of unopened clips are unknown.
    """

    total_bytes: int = 0
    done_bytes: int = 0
    frames: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    running: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    start_s: float = field(default_factory=time.monotonic)
    _history: deque[tuple[float, int]] = field(default_factory=deque)

    def plan(self, plan: Plan) -> None:
        """Start."""
        self.sizes = {clip.record.clip: max(1, clip.record.size) for clip in plan.to_track}
        self.total_bytes = sum(self.sizes.values())
        self.start_s = time.monotonic()

    def finish(self, record: ClipRecord) -> None:
        """Record that a clip is no longer being tracked."""
        self.running.pop(record.clip, None)
        self.frames += record.frames
        if record.status != "pending":
            self.done_bytes += self.sizes.get(record.clip, 0)

    @property
    def all_frames(self) -> int:
        """Frames tracked so far, including running clips."""
        return self.frames + sum(frames for frames, _ in self.running.values())

    @property
    def share(self) -> float:
        """Share of the footage that is done, 0 to 1."""
        begun = sum(
            self.sizes.get(clip, 0) * min(1.0, frames / total)
            for clip, (frames, total) in self.running.items()
            if total
        )
        return (self.done_bytes + begun) / self.total_bytes if self.total_bytes else 1.0

    def fps(self) -> float:
        """Frames per second of all workers together, over the last minute."""
        now = time.monotonic()
        self._history.append((now, self.all_frames))
        while now - self._history[0][0] > _SPEED_WINDOW_S:
            self._history.popleft()
        since, frames = self._history[0] if len(self._history) > 1 else (self.start_s, 0)
        return max(0.0, (self.all_frames - frames) / (now - since)) if now > since else 0.0

    def left(self) -> str:
        """Estimated time left; a question mark before the first frame."""
        share, elapsed = self.share, time.monotonic() - self.start_s
        return duration(elapsed * (1 - share) / share) if share > 0 else "?"


class _Lines:
    """Progress for files and pipes: one line per clip, and one per minute for the whole batch."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._results: Counter[str] = Counter()
        self._total = 0
        self._next_s = 0.0

    def planned(self, plan: Plan) -> None:
        self._pace.plan(plan)
        self._total = len(plan.to_track)
        self._next_s = time.monotonic() + _LINE_EVERY_S
        _log(plan_line(plan))

    def started(self, record: ClipRecord) -> None:
        self._pace.running[record.clip] = 0, None

    def progressed(self, progress: ClipProgress) -> None:
        self._pace.running[progress.clip] = progress.frames, progress.total
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + _LINE_EVERY_S
            pace = self._pace
            _log(f"{pace.all_frames} frames, {pace.fps():.1f} per second, about {pace.left()} left")

    def finished(self, record: ClipRecord) -> None:
        self._pace.finish(record)
        self._results[record.status] += record.status != "pending"
        number = self._results.total()
        _log(f"[{number}/{self._total}] {outcome(record)}")


class _Bars:
    """Progress for terminals: a bar for the batch, and one for each running clip."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._pace = Pace()
        self._results: Counter[str] = Counter()
        self._whole: TaskID | None = None
        self._clips: dict[str, TaskID] = {}

    def planned(self, plan: Plan) -> None:
        self._pace.plan(plan)
        self._progress.console.print(plan_line(plan))
        self._number = len(plan.to_track)
        self._whole = self._progress.add_task("all clips", total=1.0, text="")
        self._show()

    def started(self, record: ClipRecord) -> None:
        self._pace.running[record.clip] = 0, None
        self._clips[record.clip] = self._progress.add_task(readable(record.clip), total=None, text="opening")

    def progressed(self, progress: ClipProgress) -> None:
        self._pace.running[progress.clip] = progress.frames, progress.total
        total = progress.total if (progress.total or 0) >= progress.frames else None
        text = f"{progress.frames}{f'/{total}' if total else ''} frames"
        if progress.clip in self._clips:
            self._progress.update(self._clips[progress.clip], completed=progress.frames, total=total, text=text)
        self._show()

    def finished(self, record: ClipRecord) -> None:
        self._pace.finish(record)
        self._results[record.status] += 1
        if record.clip in self._clips:
            self._progress.remove_task(self._clips.pop(record.clip))
        if record.status != "done":
            self._progress.console.print(outcome(record), soft_wrap=True)
        self._show()

    def _show(self) -> None:
        assert self._whole is not None
        done, failed = self._results["done"], self._results["failed"]
        text = (
            f"{done + failed}/{self._number} clips, {failed} failed, {self._pace.fps():.1f} frames/s, "
            f"{self._pace.left()} left"
        )
        self._progress.update(self._whole, completed=self._pace.share, text=text)


def outcome(record: ClipRecord) -> str:
    """The outcome of a clip, on one line."""
    clip, error = readable(record.clip), readable(record.error or "")
    if record.status == "pending":
        return f"will retry: {clip}: {error}"
    if record.status == "failed":
        return f"failed: {clip}: {error}"
    people = f"at most {record.people} people, {record.tracks} tracks, {record.fps:.1f} frames/s"
    warning = f" ({readable(record.warning)})" if record.warning else ""
    return f"done: {clip}: {record.frames} frames, {people}{warning}"


@contextmanager
def batch_progress() -> Iterator[BatchObserver]:
    """Show bars on a terminal, or log lines elsewhere, on standard error."""
    shown = console(stderr=True)
    if not shown.is_terminal:
        yield _Lines()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=shown, transient=True) as progress:
        yield _Bars(progress)


def _log(line: str) -> None:
    note(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}")
