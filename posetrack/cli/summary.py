"""The table at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from posetrack.cli.output import console

if TYPE_CHECKING:
    from posetrack.realtime import RealtimeReport
    from posetrack.runner import RunSummary


def print_summary(summary: RunSummary) -> None:
    """Frames, people, tracks, speed, where the time went, and which files there are."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    people = summary.poses / summary.frames if summary.frames else 0.0
    table.add_row("frames", str(summary.frames))
    if summary.realtime is not None:
        _add_realtime(table, summary.frames, summary.realtime)
    table.add_row("people per frame", f"{people:.1f} (at most {summary.most_people})")
    table.add_row("tracks", str(summary.tracks))
    table.add_row("time", f"{summary.seconds:.1f} s, {summary.fps:.1f} frames per second")
    table.add_row("time went to", _shares(summary.stages_s))
    for number, path in enumerate(summary.files):
        table.add_row("" if number else "files", str(path))
    console(soft_wrap=True).print(table)


def _add_realtime(table: Table, frames: int, report: RealtimeReport) -> None:
    """What it took to keep up with a live source."""
    arrived = frames + report.dropped
    share = 100 * report.dropped / arrived if arrived else 0.0
    table.add_row("dropped", f"{report.dropped} of {arrived} frames ({share:.0f} %)")
    table.add_row("people looked for", _intervals(report))
    table.add_row(
        "behind the source", f"{report.mean_lag_s:.2f} s on average, at most {report.longest_lag_s:.2f} s"
    )


def _intervals(report: RealtimeReport) -> str:
    """How often people were looked for."""
    shortest, longest = report.shortest_interval, report.longest_interval
    if not shortest:
        return "where a shot begins"
    if shortest == longest:
        return "in every frame" if longest == 1 else f"every {longest} frames"
    return f"every {shortest} to {longest} frames, {report.mean_interval:.1f} on average"


def _shares(stages_s: dict[str, float]) -> str:
    """Each stage's share of the time that all stages have worked (they overlap)."""
    total = sum(stages_s.values())
    if not total:
        return "-"
    ranked = sorted(stages_s.items(), key=lambda stage: -stage[1])
    return ", ".join(f"{name} {100 * seconds / total:.0f} %" for name, seconds in ranked)
