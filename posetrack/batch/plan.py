"""Decides what to do with each clip, given its record in the manifest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from posetrack.batch.discovery import Discovery, FoundClip, LeftOut
from posetrack.batch.identity import is_recorded
from posetrack.batch.manifest import ClipRecord
from posetrack.batch.names import assign_names, folder_of
from posetrack.batch.output import is_within
from posetrack.batch.remote import RemoteFolder
from posetrack.errors import ConfigError
from posetrack.files.drafts import LONGEST_NAME_BYTES
from posetrack.runner import Outputs
from posetrack.video.identity import Identity

Action = Literal[
    "new", "continued", "changed", "resettled", "missing", "again", "retried", "done", "broken", "failed"
]

ACTIONS: dict[Action, str] = {
    "new": "new",
    "continued": "started or planned earlier, not finished",
    "changed": "changed since it was tracked",
    "resettled": "done before with different settings",
    "missing": "done before, but results are missing or changed",
    "again": "to be replaced (--overwrite)",
    "retried": "failed before",
    "done": "done with these settings",
    "broken": "incomplete file, tracked as far as it can be read",
    "failed": "failed",
}
"""Descriptions of the actions for users."""

TRACKED: frozenset[Action] = frozenset({"new", "continued", "changed", "resettled", "missing", "again", "retried"})
"""The actions that track a clip; the others leave it as it is."""


@dataclass(frozen=True, kw_only=True)
class PlannedClip:
    """One clip and what to do with it.

    Attributes:
        found: The clip.
        record: Its record at the start of the run.
        action: A key of ``ACTIONS``.
        tries: Maximum number of attempts in this run.
    """

    found: FoundClip
    record: ClipRecord
    action: Action
    tries: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All clips of a run.

    Attributes:
        clips: In order of their paths.
        left_out: What looks like footage but is not tracked.
        absent: Recorded clips that were not found, or not chosen, in this run.
    """

    clips: tuple[PlannedClip, ...]
    left_out: tuple[LeftOut, ...] = ()
    absent: tuple[ClipRecord, ...] = ()

    @property
    def to_track(self) -> list[PlannedClip]:
        """Clips to track: largest first, to keep all workers busy to the end, but earlier failures last."""
        wanted = [clip for clip in self.clips if clip.action in TRACKED]
        return sorted(wanted, key=lambda clip: (clip.action == "retried", -clip.record.size))

    @property
    def counts(self) -> Counter[Action]:
        """Number of clips for each action."""
        return Counter(clip.action for clip in self.clips)


@dataclass(frozen=True, kw_only=True)
class Planner:
    """Decides what to do with each clip.

    Attributes:
        output: Folder of the results.
        outputs: The files to write. ``overwrite`` repeats done clips and replaces files of other origin.
        settings: Hash of the settings.
        retries: Maximum retries of a failed clip in one run.
        remote: Where the results are, if not in ``output``.
    """

    output: Path
    outputs: Outputs
    settings: str
    retries: int = 1
    remote: RemoteFolder | None = None

    def plan(self, discovery: Discovery, known: Sequence[ClipRecord]) -> Plan:
        """Decide for all clips."""
        records = {record.clip: record for record in known}
        names = assign_names(discovery.clips, {record.clip: record.name for record in known})
        clips = tuple(self._decide(found, records.get(found.clip), names[found.clip]) for found in discovery.clips)
        present = {found.clip for found in discovery.clips}
        absent = tuple(record for record in known if record.clip not in present)
        return Plan(clips=clips, left_out=tuple(discovery.left_out), absent=absent)

    def _decide(self, found: FoundClip, record: ClipRecord | None, name: str) -> PlannedClip:
        now = Identity.of(found.path, found.kind) if found.fault is None else Identity.unknown()
        action = self._action(now, record)
        fresh = action in ("new", "changed", "resettled", "missing", "again")
        record = record or ClipRecord(clip=found.clip, kind=found.kind, name=name)
        if action in TRACKED:
            record = replace(
                record, status="pending", error=None, warning=None, trace=None, partial=False,
                frames=0, people=0, tracks=0, seconds=0.0, started_at=None, finished_at=None,
            )  # fmt: skip
        record = replace(record, kind=found.kind, size=now.size, mtime_ns=now.mtime_ns, digest=now.digest)
        record = replace(record, settings=self.settings, attempts=0 if fresh else record.attempts)
        fault = found.fault or (self._unwritable(record) if action in TRACKED else None)
        if fault is not None:
            return PlannedClip(found=found, record=replace(record, status="failed", error=fault), action="failed")
        tries = self.retries if action == "retried" else 1 + self.retries
        return PlannedClip(found=found, record=record, action=action, tries=tries)

    def _action(self, now: Identity, record: ClipRecord | None) -> Action:
        if record is None:
            return "new"
        if self.outputs.overwrite:
            return "again"
        unfinished = record.status in ("pending", "running")
        if not is_recorded(now, record):
            return "continued" if unfinished else "changed"
        if record.settings != self.settings:
            return "continued" if unfinished else "resettled"
        if unfinished:
            return "continued"
        if record.status == "failed" and not record.partial:
            return "retried" if self.retries else "failed"
        if not results_are_whole(record, self.output, self.remote):
            return "missing"
        return "broken" if record.partial else "done"

    def _unwritable(self, record: ClipRecord) -> str | None:
        """Why the clip's files cannot be written: names too long, a link, or an existing file of other origin."""
        ours = record.owned or self.outputs.overwrite
        for path in self.outputs.paths(self.output / folder_of(record.clip), record.name).values():
            if len(os.fsencode(path.name)) > LONGEST_NAME_BYTES:
                return (
                    f"The name of {record.clip} is too long: its results' names would exceed the "
                    f"{LONGEST_NAME_BYTES} bytes that disks allow; rename it."
                )
            try:
                if self.remote is None and not is_within(path.parent, self.output):
                    return f"{path.parent} is a link out of the output folder: remove it."
                if not ours and self._exists(path):
                    return f"{path} exists already: give --overwrite to replace it, or another output folder."
            except OSError as error:
                return f"Cannot inspect {path}: {error.strerror}."
        return None

    def _exists(self, path: Path) -> bool:
        return os.path.lexists(path) if self.remote is None else self.remote.size(path) is not None


def results_are_whole(record: ClipRecord, output: Path, remote: RemoteFolder | None = None) -> bool:
    """Whether all files of a clip exist with their recorded sizes."""
    if remote is not None:
        return {kind: remote.size(output / path) for kind, path in record.outputs.items()} == record.output_bytes
    try:
        sizes = {kind: (output / path).stat().st_size for kind, path in record.outputs.items()}
    except OSError:
        return False
    return sizes == record.output_bytes


def check_footage(recorded: str | None, footage: Path, plan: Plan, overwrite: bool) -> None:
    """Check that the results in a folder belong to this footage, which may have moved.

    Raises:
        ConfigError: they belong to another folder with different clips.
    """
    if recorded is None or Path(recorded) == footage or overwrite:
        return
    if any(clip.action == "changed" and clip.record.outputs for clip in plan.clips):
        raise ConfigError(
            f"The output folder holds results of other footage ({recorded}): choose another output folder, or "
            "give --overwrite to replace them."
        )
