"""``run_batch``: plans the batch, hands tasks to workers, and alone writes the manifest."""

from __future__ import annotations

import os
import tempfile
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from posetrack.batch.chunk_workers import ChunkingWorkers
from posetrack.batch.config import BatchConfig, BatchObserver, BatchSummary
from posetrack.batch.discovery import find_clips
from posetrack.batch.manifest import MANIFEST, ClipRecord, Manifest
from posetrack.batch.names import CHUNKS, PAGE, SUMMARY, UNFINISHED, folder_of
from posetrack.batch.output import clean, opened_output
from posetrack.batch.plan import Plan, Planner, check_footage
from posetrack.batch.remote import RemoteFolder
from posetrack.batch.report import LiveReport, overview_path, write_batch_report
from posetrack.batch.scaling import check_precision, share_out
from posetrack.batch.settings import settings_hash
from posetrack.batch.summary import write_summary
from posetrack.batch.tasks import ClipResult, ClipTask, PresetTracker
from posetrack.batch.workers import Finished, LocalWorkers, Progress, Workers
from posetrack.errors import ConfigError, OutputError
from posetrack.interruption import Interruption, interruptible
from posetrack.video.identity import Identity


def plan_batch(footage: str | Path, output: str | Path, config: BatchConfig) -> Plan:
    """Plan what ``run_batch`` would do. Writes nothing.

    Raises:
        PoseTrackError: what ``run_batch`` raises.
    """
    footage, output = Path(os.path.realpath(footage)), Path(os.path.realpath(output))
    discovery = find_clips(footage, config.choice, output=output)
    known, recorded = [], None
    with tempfile.TemporaryDirectory(prefix="posetrack-") as folder:
        place, remote = output, _remote(output, config)
        if remote is not None and not (output / MANIFEST).exists():
            place = Path(folder)
            remote.download(output / MANIFEST, place / MANIFEST)
        if os.path.lexists(place / MANIFEST):
            with Manifest.open(place) as manifest:
                known, recorded = manifest.clips(), manifest.footage
    plan = _planner(output, config, fetch=False).plan(discovery, known)
    check_footage(recorded, footage, plan, config.outputs.overwrite)
    return plan


def run_batch(
    footage: str | Path,
    output: str | Path,
    config: BatchConfig,
    *,
    observer: BatchObserver | None = None,
    workers: Workers | None = None,
) -> BatchSummary:
    """Track every clip in a folder that is not yet done with these settings.

    Each finished clip is recorded in ``output/manifest`` at once, so that after any interruption the next run
    continues and writes the same files as an undisturbed run. A failed clip does not stop the others; a full
    disk stops the batch. Ctrl-C ends the run and leaves unfinished clips for the next one.

    Args:
        footage: Folder of the clips.
        output: Folder for the results, which mirrors ``footage``. Made if missing.
        config: Settings.
        observer: Receives progress events.
        workers: Track the clips. Defaults to processes on this computer.

    Raises:
        VideoError: the footage is not a folder, or cannot be listed.
        OutputError: the output folder cannot be written, or another batch is writing there.
        ConfigError: a setting is unusable, or the output folder holds results of other footage.
        WeightsError: a weights file is missing.
        DataFormatError: the manifest is damaged, or of a later version.
    """
    footage, output = Path(os.path.realpath(footage)), Path(os.path.realpath(output))
    discovery = find_clips(footage, config.choice, output=output)
    planner = _planner(output, config)
    workers = workers or _local_workers(config)
    remote = _remote(output, config)
    with opened_output(output, remote) as manifest:
        plan = planner.plan(discovery, manifest.clips())
        check_footage(manifest.footage, footage, plan, config.outputs.overwrite)
        manifest.footage = str(footage)
        orphans = [replace(record, status="pending") for record in plan.absent if record.status == "running"]
        manifest.put([*orphans, *(clip.record for clip in plan.clips)])
        run = _Run(output, config, manifest, plan, observer or _SilentObserver())
        with ChunkingWorkers(workers, config.chunks, output / CHUNKS) as pool:
            summary = run.go(pool)
        clean(output)
        try:
            write_summary(manifest.clips(), summary.table)
            write_batch_report(output)
        except OutputError as error:
            summary.stopped = summary.stopped or str(error)
    if remote is not None:
        made = [output / name for name in (MANIFEST, SUMMARY, PAGE)]
        remote.upload({path: path for path in made if path.exists()})
    return summary


def _local_workers(config: BatchConfig) -> LocalWorkers:
    computes = share_out(config.compute, config.workers)
    if isinstance(config.tracker, PresetTracker):
        check_precision(config.tracker.precision, computes)
    return LocalWorkers(computes, config.timeout_s)


def _planner(output: Path, config: BatchConfig, *, fetch: bool = True) -> Planner:
    settings = settings_hash(
        config.tracker, config.reading, config.outputs, config.compute.seed, refine=config.refine, fetch=fetch
    )
    remote = _remote(output, config)
    return Planner(output=output, outputs=config.outputs, settings=settings, retries=config.retries, remote=remote)


def _remote(output: Path, config: BatchConfig) -> RemoteFolder | None:
    return None if config.remote_url is None else RemoteFolder(config.remote_url, output)


class _Run:
    """One run of a plan."""

    def __init__(
        self, output: Path, config: BatchConfig, manifest: Manifest, plan: Plan, observer: BatchObserver
    ) -> None:
        self._output = output
        self._config = config
        self._remote = _remote(output, config)
        self._manifest = manifest
        self._observer = observer
        self._plan = plan
        self._found = {clip.record.clip: clip.found for clip in plan.clips}
        self._tries = {clip.record.clip: clip.tries for clip in plan.clips}
        self._waiting = deque(clip.record for clip in plan.to_track)
        self._running: dict[str, ClipRecord] = {}
        self._serial = 0
        self._report = LiveReport(output)
        self._summary = BatchSummary(
            skipped=plan.counts["done"],
            failed=[clip.record for clip in plan.clips if clip.record.status == "failed"],
            table=output / SUMMARY,
            page=output / PAGE,
        )

    def go(self, pool: Workers) -> BatchSummary:
        """Run until every clip is finished or the batch is stopped."""
        summary, start = self._summary, time.perf_counter()
        self._observer.planned(self._plan)
        with interruptible() as interruption:
            try:
                while (self._waiting or self._running) and summary.stopped is None:
                    self._step(pool, interruption)
            except KeyboardInterrupt:
                summary.interrupted = True
            except OutputError as error:  # from the manifest: nothing more can be recorded
                summary.stopped = str(error)
            finally:
                pool.stop()
                with suppress(OutputError):  # the next run treats ``running`` as ``pending`` anyway
                    self._manifest.put([replace(record, status="pending") for record in self._running.values()])
        summary.pending = len(self._waiting) + len(self._running)
        summary.seconds = time.perf_counter() - start
        return summary

    def _step(self, pool: Workers, interruption: Interruption) -> None:
        while self._waiting and pool.free and not interruption.requested:
            self._start(self._waiting.popleft(), pool)
        if interruption.requested:
            raise KeyboardInterrupt
        with interruption.waiting():
            events = pool.events()
        self._report.refresh()
        for event in events:
            if isinstance(event, Finished):
                self._finish(event)
            else:
                self._observer.progressed(event)

    def _start(self, record: ClipRecord, pool: Workers) -> None:
        found = self._found[record.clip]
        content = Identity.of(found.path, found.kind)  # the file may have changed since the plan was made
        record = replace(
            record, status="running", owned=True, attempts=record.attempts + 1, error=None, started_at=_now(),
            size=content.size, mtime_ns=content.mtime_ns, digest=content.digest,
        )  # fmt: skip
        self._running[record.clip] = record
        self._manifest.put([record])
        self._tries[record.clip] -= 1
        self._serial += 1
        task = ClipTask(
            clip=record.clip,
            source=found.path,
            folder=self._output / folder_of(record.clip),
            name=record.name,
            unfinished=self._output / UNFINISHED / f"{os.getpid()}-{self._serial}",
            reading=self._config.reading,
            outputs=self._config.outputs,
            tracker=self._config.tracker,
            compute=self._config.compute,
            refine=self._config.refine,
            repetition=self._config.repetition,
            content=content,
            overview=overview_path(self._output, record.clip),
            remote=self._remote,
        )
        self._observer.started(record)
        pool.start(task)

    def _finish(self, event: Finished) -> None:
        record, result = self._running[event.clip], event.result
        if result.cause == "setup":
            raise ConfigError(result.error or "")
        if result.status == "interrupted":
            result = ClipResult.failed(f"The process tracking {event.clip} was terminated.", "chance")
        again = result.cause == "chance" and self._tries[event.clip] > 0
        record = _recorded(record, result, self._output, again)
        if result.is_whole:
            self._remove_stale(self._running[event.clip], record)
        self._manifest.put([record])
        del self._running[event.clip]
        if again:
            self._waiting.append(record)
        elif result.status == "done":
            self._summary.done += 1
        else:
            self._summary.failed.append(record)
        self._summary.frames += result.frames
        if result.cause == "disk":
            self._summary.stopped = f"{result.error} The batch has stopped; run it again afterwards."
        self._observer.finished(record)

    def _remove_stale(self, before: ClipRecord, after: ClipRecord) -> None:
        """Remove the clip's files from earlier settings that are no longer written."""
        for path in set(before.outputs.values()) - set(after.outputs.values()):
            with suppress(OSError, OutputError):
                if self._remote is None:
                    (self._output / path).unlink()
                else:
                    self._remote.remove(self._output / path)


def _recorded(record: ClipRecord, result: ClipResult, output: Path, again: bool) -> ClipRecord:
    if result.outputs:
        files = {kind: path.relative_to(output).as_posix() for kind, path in result.outputs.items()}
        sizes = dict(result.output_bytes)
        if not result.is_whole:  # earlier results are still there
            files, sizes = record.outputs | files, record.output_bytes | sizes
        record = replace(record, outputs=files, output_bytes=sizes)
    return replace(
        record,
        status="pending" if again else "done" if result.status == "done" else "failed",
        error=result.error,
        warning=result.warning,
        trace=result.trace,
        partial=result.partial,
        frames=result.frames,
        people=result.people,
        tracks=result.tracks,
        seconds=result.seconds,
        source_fps=result.source_fps,
        finished_at=_now(),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class _SilentObserver:
    """An observer that ignores all events."""

    def planned(self, plan: Plan) -> None: ...

    def started(self, record: ClipRecord) -> None: ...

    def progressed(self, progress: Progress) -> None: ...

    def finished(self, record: ClipRecord) -> None: ...
