"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from posetrack.cli.output import tell

if TYPE_CHECKING:
    from posetrack.realtime import RealtimeReport
    from posetrack.runner import RunSummary


def print_summary(summary: RunSummary) -> None:
    """Print frames, people, tracks, speed, time by stage, the files written, and each person of a second pass."""
    people = summary.poses / summary.frames if summary.frames else 0.0
    _row("frames", str(summary.frames))
    if summary.realtime is not None:
        _add_realtime(summary.frames, summary.realtime)
    _row("people per frame", f"{people:.1f} (at most {summary.most_people})")
    _row("tracks", str(summary.tracks))
    _row("time", f"{summary.seconds:.1f} s, {summary.fps:.1f} frames per second")
    _row("time by stage", _shares(summary.stages_s))
    for number, path in enumerate(summary.files):
        _row("" if number else "files", str(path))
    print_lost(summary.lost)
    if summary.people:
        from posetrack.cli.people import print_people

        print_people(summary.people, summary.appearance)


def print_lost(lost: Mapping[str, Sequence[str]]) -> None:
    """Print which joints the formats lost or made up."""
    for name, sentences in lost.items():
        tell(f"{name} lost:")
        for sentence in sentences:
            tell(f"  - {sentence}")


def _row(name: str, value: str) -> None:
    """Print a row of any length, so that file names are not cut off."""
    tell(f"{name:<18}{value}")


def _add_realtime(frames: int, report: RealtimeReport) -> None:
    """Print how well the run kept up with its source."""
    arrived = frames + report.dropped
    share = 100 * report.dropped / arrived if arrived else 0.0
    _row("dropped", f"{report.dropped} of {arrived} frames ({share:.0f} %)")
    _row("detector ran", _intervals(report))
    _row("behind the source", f"{report.mean_lag_s:.2f} s on average, at most {report.longest_lag_s:.2f} s")


def _intervals(report: RealtimeReport) -> str:
    """How often the detector ran."""
    shortest, longest = report.shortest_interval, report.longest_interval
    if not shortest:
        return "at shot starts only"
    if shortest == longest:
        return "in every frame" if longest == 1 else f"every {longest} frames"
    return f"every {shortest} to {longest} frames, {report.mean_interval:.1f} on average"


def _shares(stages_s: dict[str, float]) -> str:
    """Each stage's share of the total working time of all stages (they overlap)."""
    total = sum(stages_s.values())
    if not total:
        return "-"
    ranked = sorted(stages_s.items(), key=lambda stage: -stage[1])
    return ", ".join(f"{name} {100 * seconds / total:.0f} %" for name, seconds in ranked)
