"""``posetrack batch``: track a whole folder of footage."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.cli.options import TrackOptions
from posetrack.cli.output import complain
from posetrack.cli.refine_options import RefineOptions
from posetrack.cli.shared_options import takes
from posetrack.cli.start import INTERRUPTED
from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.batch.config import BatchSummary

SOME_FAILED = 1
"""Exit status if a clip failed or the batch stopped early."""

_work = partial(typer.Option, rich_help_panel="Batch")


@takes(options=TrackOptions, refining=RefineOptions)
def batch(
    footage: Annotated[str, typer.Argument(help="Folder with videos and folders of images, at any depth.")],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the results, which mirrors FOOTAGE; or an fsspec URL (s3://bucket/results).",
        ),
    ],
    glob: Annotated[
        list[str] | None,
        typer.Option(help="Track only clips that match: '*.mp4', 'day1/**' (repeatable)."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Skip clips and folders that match (repeatable).")
    ] = None,
    dry_run: Annotated[bool, _work("--dry-run", help="Print what would be done, and do nothing.")] = False,
    workers: Annotated[int, _work(help="Number of parallel processes; 0 chooses by cores, memory and GPUs.")] = 0,
    retries: Annotated[int, _work(help="Maximum retries of a failed clip.")] = 1,
    timeout: Annotated[
        float | None, _work(help="Give up on a clip without a new frame for this many seconds. Off by default.")
    ] = None,
    chunk_seconds: Annotated[
        float, _work(help="Track long clips in parallel, in chunks of about this many seconds; 0 disables it.")
    ] = 300.0,
    ray: Annotated[
        str | None,
        _work(help="Track on a Ray cluster: its address, or auto (the running one, or else this computer)."),
    ] = None,
    overwrite: Annotated[
        bool, _work("--overwrite", help="Track everything again, and also replace files that no batch wrote.")
    ] = False,
    online: Annotated[bool, _work("--online", help="Track frame by frame only, without the second pass.")] = False,
    *,
    options: TrackOptions,
    refining: RefineOptions,
) -> None:
    """Track all clips in a folder. Run it again to continue, or to track new and changed clips.

    Writes the files of `run` for each clip, plus OUTPUT/summary.csv and OUTPUT/manifest (which clips are done).
    Exit status: 0 all done, 1 some clips failed, 2 bad arguments, 130 interrupted.
    """
    from posetrack.batch.chunks import ChunkConfig
    from posetrack.batch.config import BatchConfig
    from posetrack.batch.coordinator import plan_batch, run_batch
    from posetrack.batch.patterns import Choice
    from posetrack.batch.ray_pool import RayConfig, RayWorkers
    from posetrack.batch.remote import is_url, state_folder
    from posetrack.batch.tasks import Compute, PresetTracker
    from posetrack.cli.batch_progress import batch_progress, print_plan
    from posetrack.cli.recorded import given_options
    from posetrack.models.engines import device_for
    from posetrack.provenance.meta import Repetition

    for name, given in (("footage folder", footage), ("output folder", output)):
        if not given.strip():
            raise ConfigError(f"the name of the {name} is empty; give one (. is the current folder).")
    preset, engine = options.customised_preset(), options.check_engine()
    if online and refining.given:
        raise ConfigError(f"--online skips the second pass: leave out {refining.given[0]}.")
    config = BatchConfig(
        tracker=PresetTracker(preset, options.precision, options.compile, options.models_dir, engine),
        choice=Choice(globs=tuple(glob or ()), excludes=tuple(exclude or ())),
        reading=options.reading(),
        outputs=options.outputs(overwrite=overwrite),
        compute=Compute(device=device_for(engine, options.device), threads=options.threads, seed=options.seed),
        workers=workers,
        retries=retries,
        timeout_s=timeout,
        chunks=ChunkConfig(chunk_s=chunk_seconds),
        refine=None if online else refining.config(),
        repetition=Repetition(options=given_options(options, None if online else refining)),
        remote_url=output if is_url(output) else None,
    )
    folder = state_folder(output) if is_url(output) else Path(output)
    if dry_run:
        print_plan(plan_batch(footage, folder, config))
        return
    options.fetch_weights(preset)
    cluster = None if ray is None else RayWorkers(config.compute, RayConfig(address=ray, timeout_s=timeout))
    with cluster or nullcontext(), batch_progress() as progress:
        summary = run_batch(footage, folder, config, observer=progress, workers=cluster)
    _finish(summary)


def _finish(summary: BatchSummary) -> None:
    """Print what was done, and exit with the status of the batch."""
    from posetrack.cli.batch_progress import print_batch_summary

    print_batch_summary(summary)
    if summary.stopped:
        complain(summary.stopped)
    if summary.interrupted:
        complain("interrupted; run it again to continue.")
        raise typer.Exit(INTERRUPTED)
    if summary.stopped or summary.failed:
        raise typer.Exit(SOME_FAILED)
