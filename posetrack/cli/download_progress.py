"""A progress bar over the bytes of a download."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from posetrack.cli.output import console
from posetrack.zoo import Entry


class DownloadProgress:
    """Shows size, speed and time left on a terminal, or plain lines elsewhere, on standard error."""

    def __init__(self) -> None:
        self._console = console(stderr=True, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def progressed(self, entry: Entry, done_bytes: int, total_bytes: int | None) -> None:
        """More of a file has arrived."""
        if entry.name not in self._tasks:
            size = "" if total_bytes is None else f", {total_bytes / 1e6:.1f} MB"
            resumed = f", {done_bytes / 1e6:.1f} MB already here" if done_bytes else ""
            if not self._console.is_terminal:
                self._console.print(f"{entry.name}: downloading{size}{resumed}", highlight=False)
            self._tasks[entry.name] = self._progress.add_task(entry.name, completed=done_bytes)
            self._progress.start()
        self._progress.update(self._tasks[entry.name], completed=done_bytes, total=total_bytes)

    def noticed(self, entry: Entry, sentence: str) -> None:
        """Something happened during the download."""
        self._console.print(f"{entry.name}: {sentence}", highlight=False)

    def ended(self, entry: Entry, sentence: str) -> None:
        """A download has succeeded or failed."""
        self._console.print(f"{entry.name}: {sentence}", highlight=False)
