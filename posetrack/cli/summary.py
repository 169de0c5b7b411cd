"""The table at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from posetrack.runner import RunSummary


def print_summary(summary: RunSummary) -> None:
    """Frames, people, tracks, speed, where the time went, and which files there are."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    people = summary.poses / summary.frames if summary.frames else 0.0
    table.add_row("frames", str(summary.frames))
    table.add_row("people per frame", f"{people:.1f} (at most {summary.most_people})")
    table.add_row("tracks", str(summary.tracks))
    table.add_row("time", f"{summary.seconds:.1f} s, {summary.fps:.1f} frames per second")
    table.add_row("time went to", _shares(summary.stages_s))
    for number, path in enumerate(summary.files):
        table.add_row("" if number else "files", str(path))
    Console(soft_wrap=True).print(table)


def _shares(stages_s: dict[str, float]) -> str:
    """Each stage's share of the time that all stages have worked (they overlap)."""
    total = sum(stages_s.values())
    if not total:
        return "-"
    ranked = sorted(stages_s.items(), key=lambda stage: -stage[1])
    return ", ".join(f"{name} {100 * seconds / total:.0f} %" for name, seconds in ranked)
