"""``posetrack demo``: render a clip with exact ground truth, track it, evaluate it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posetrack.cli.output import console
from posetrack.errors import ConfigError


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the clip and the results.")] = Path(
        "demo"
    ),
    scene: Annotated[
        str, typer.Option(help="Scene to render: demo, crossing, occlusion, leaving, re_entering, cut ...")
    ] = "demo",
    seed: Annotated[int, typer.Option(help="Random seed of the people and their clothes.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    engine: Annotated[
        str, typer.Option(help="Inference engine: torch; or onnxruntime or openvino (CPU only).")
    ] = "torch",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files of an earlier demo.")] = False,
) -> None:
    """Render a clip of people who cross and hide each other, track it, and evaluate against the exact truth."""
    from rich.progress import Progress

    from posetrack.cli.progress import FrameProgress
    from posetrack.cli.run import finish
    from posetrack.demo import write_clip
    from posetrack.evaluation import evaluate
    from posetrack.evaluation.report import sequence_table
    from posetrack.files.pending import check_outputs
    from posetrack.models.devices import resolve_device
    from posetrack.models.engines import check_engine, device_for
    from posetrack.pose_tracker import PoseTracker
    from posetrack.runner import Outputs, run
    from posetrack.synthetic import SCENES

    if scene not in SCENES:
        raise ConfigError(f"there is no scene {scene!r}; choose one of {', '.join(SCENES)}.")
    chosen = check_engine(engine, device, precision="auto", compile=False)
    place = str(resolve_device(device_for(chosen, device)))
    filmed = SCENES[scene](seed, (960, 540))
    outputs = Outputs(overwrite=overwrite)
    check_outputs(outputs.paths(output, filmed.name).values(), overwrite=overwrite)
    with Progress(console=console(stderr=True)) as bar:
        task = bar.add_task("rendering", total=filmed.frame_count)
        clip = write_clip(output, filmed, lambda done: bar.update(task, completed=done), overwrite=overwrite)

    def tracker() -> PoseTracker:
        return PoseTracker(device=place, engine=chosen)

    with FrameProgress() as progress:
        summary = run(clip.video, output, tracker=tracker, outputs=outputs, observer=progress)
    finish(summary)
    result = evaluate(clip.truth / f"{filmed.name}.json", output / f"{filmed.name}.json")
    out = console(soft_wrap=True)
    out.print(sequence_table(result))
    out.print(f"MOTA {result.mota:.1f}   mAP {result.mean_ap:.1f}   against the exact truth in {clip.truth}")
    out.print(f"Annotated video: {output / f'{filmed.name}_tracked.mp4'}")
    out.print(f"Poses and ids:   {output / f'{filmed.name}.json'}")
