"""``posetrack train``: train a network on COCO keypoints, or have networks label images."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posetrack.cli.output import console

if TYPE_CHECKING:
    from posetrack.training.loop import Record, Task
    from posetrack.training.schedule import Schedule

train = typer.Typer(help="Train a network.")

ConfigArgument = Annotated[Path, typer.Argument(help="TOML file; configs/ holds those of the bundled networks.")]
OutputOption = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder for checkpoint, learning curve and weights. Continues from a checkpoint in it.",
    ),
]


@train.command("pose")
def train_pose(config: ConfigArgument, output: OutputOption) -> None:
    """Train a pose network."""
    from posetrack.training.config import read_config
    from posetrack.training.pose import PoseTask, PoseTraining
    from posetrack.training.schedule import Schedule

    settings = read_config(config, {"pose": PoseTraining, "schedule": Schedule})
    _train(PoseTask(settings["pose"]), settings["schedule"], output)


@train.command("detector")
def train_detector(config: ConfigArgument, output: OutputOption) -> None:
    """Train a Faster R-CNN person detector."""
    from posetrack.training.config import read_config
    from posetrack.training.detector import DetectorTask, DetectorTraining
    from posetrack.training.schedule import Schedule

    settings = read_config(config, {"detector": DetectorTraining, "schedule": Schedule})
    _train(DetectorTask(settings["detector"]), settings["schedule"], output)


@train.command("frames")
def train_frames(
    clip: Annotated[Path, typer.Argument(help="Video file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the images to.")],
    every: Annotated[int, typer.Option(min=1, help="Write one frame of so many.")] = 10,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace images of this clip.")] = False,
) -> None:
    """Write frames of a clip as images, to label them and to train on them."""
    from posetrack.training.clip_frames import write_frames

    with _counting_images() as progress:
        written = write_frames(clip, output, every, overwrite=overwrite, progress=progress)
    console().print(f"{output}: {len(written)} images", soft_wrap=True)


@train.command("label")
def train_label(
    images: Annotated[Path, typer.Argument(help="Folder of images.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="COCO file to write.")],
    teacher: Annotated[Path, typer.Option(help="Weights of the teacher, a pose network.")],
    movenet: Annotated[
        str | None,
        typer.Option(help="If TEACHER holds Google's original weights: movenet_lightning or movenet_thunder."),
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="COCO file with people's boxes. Defaults to detecting them.")
    ] = None,
    pseudo: Annotated[
        bool, typer.Option("--pseudo/--no-pseudo", help="Also label people whose boxes come from a network.")
    ] = True,
    scale: Annotated[
        list[float] | None,
        typer.Option(
            help="Relative size of the teacher's crop (repeatable: outputs are averaged). Defaults to 1."
        ),
    ] = None,
    turn: Annotated[
        list[float] | None,
        typer.Option(
            help="Rotation of the teacher's crop in degrees (repeatable: outputs are averaged). Defaults to 0."
        ),
    ] = None,
    backgrounds: Annotated[
        int, typer.Option(min=0, help="Number of random boxes without people to try in each image.")
    ] = 0,
    preset: Annotated[str, typer.Option(help="Preset whose detector finds people.")] = "lite",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, fp16 or bf16.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Add a teacher network's joints to a COCO file."""
    from posetrack.files.pending import check_outputs, write_file
    from posetrack.models.devices import resolve_device
    from posetrack.models.runtime import Runtime
    from posetrack.networks import Networks
    from posetrack.presets import get_preset
    from posetrack.training.teacher import add_teacher, detected_people, load_teacher, read_annotations
    from posetrack.training.views import Views
    from posetrack.zoo import ModelStore

    inputs = [path for path in (teacher, annotations) if path is not None]
    views = Views(scales=tuple(scale or (1.0,)), turns_deg=tuple(turn or (0.0,)))
    check_outputs([output], overwrite=overwrite, inputs=inputs)
    runtime = Runtime(device=resolve_device(device), precision=precision)
    estimator = load_teacher(teacher, movenet, runtime)
    if annotations is None:
        # The preset's detector also gives faint detections, which only a tracker can use.
        settings = get_preset(preset)
        detector = Networks(settings, runtime, ModelStore()).detector
        content = detected_people(images, detector, settings.detector_config.score_threshold)
    else:
        content = read_annotations(annotations, pseudo=pseudo)
    with _counting_images() as progress:
        labelled = add_teacher(content, images, estimator, views=views, backgrounds=backgrounds, progress=progress)
    write_file(output, json.dumps(labelled).encode())


@train.command("boxes")
def train_boxes(
    images: Annotated[Path, typer.Argument(help="Folder of images.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="COCO file to write.")],
    detector: Annotated[Path, typer.Option(help="Weights of the detector that finds people.")],
    pose: Annotated[Path, typer.Option(help="Weights of the pose network that judges its boxes.")],
    short_side: Annotated[
        list[int] | None, typer.Option(min=32, help="Short side of the detector's input (repeatable).")
    ] = None,
    nobody: Annotated[
        Path | None,
        typer.Option(
            help="JSON file of boxes in which you have seen nobody, whatever the networks see: "
            '{"a.jpg": [[x, y, width, height]]}.'
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a COCO file with the people that a detector and a pose network agree on."""
    from posetrack.files.pending import check_outputs, write_file
    from posetrack.models.detector import DetectorConfig, load_detector
    from posetrack.models.devices import resolve_device
    from posetrack.models.pose import HeatmapPoseEstimator, PoseConfig
    from posetrack.models.pose_weights import load_pose_network
    from posetrack.models.runtime import Runtime
    from posetrack.training.box_labels import label_boxes, read_nobody

    inputs = [path for path in (detector, pose, nobody) if path is not None]
    check_outputs([output], overwrite=overwrite, inputs=inputs)
    empty = None if nobody is None else read_nobody(nobody)
    runtime = Runtime(device=resolve_device(device))
    detectors = [
        load_detector(
            detector,
            DetectorConfig(score_threshold=0.1, nms_iou=0.6, short_side=side, long_side=2 * side),
            runtime,
        )
        for side in short_side or (384, 576)
    ]
    network, architecture = load_pose_network(pose)
    estimator = HeatmapPoseEstimator(network, architecture, PoseConfig(flip_test=True, codec="dark"), runtime)
    with _counting_images() as progress:
        labelled = label_boxes(images, detectors, estimator, nobody=empty, progress=progress)
    write_file(output, json.dumps(labelled).encode())


@train.command("calibrate")
def train_calibrate(
    weights: Annotated[Path, typer.Argument(help="Weights of a pose network, from `posetrack train pose`.")],
    annotations: Annotated[Path, typer.Argument(help="COCO-keypoints file of people it was not trained on.")],
    images: Annotated[Path, typer.Argument(help="Folder of their images.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Weights file to write.")],
    preset: Annotated[str, typer.Option(help="Preset whose codec and flip test decode the joints.")] = "lite",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, fp16 or bf16.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Make a joint's score the probability that it lies within a fifth of the torso of its true place."""
    from posetrack.files.pending import check_outputs, draft_folder, give_name, output_errors
    from posetrack.models.devices import resolve_device
    from posetrack.models.pose import HeatmapPoseEstimator
    from posetrack.models.pose_weights import load_pose_network, save_pose_network
    from posetrack.models.runtime import Runtime
    from posetrack.presets import get_preset
    from posetrack.training.pose_accuracy import calibration_error, fit_calibration, joint_outcomes
    from posetrack.training.pose_people import read_people

    check_outputs([output], overwrite=overwrite, inputs=[weights, annotations])
    network, architecture = load_pose_network(weights)
    runtime = Runtime(device=resolve_device(device), precision=precision)
    estimator = HeatmapPoseEstimator(network, architecture, get_preset(preset).pose_config, runtime)
    scores, right = joint_outcomes(estimator, read_people(annotations, images, estimator.skeleton))
    calibration = fit_calibration(scores, right)
    with output_errors(output), draft_folder(output) as folder:
        draft = folder / "network.safetensors"
        save_pose_network(network, replace(architecture, calibration=calibration), draft)
        give_name(draft, output)
    before, after = calibration_error(scores, right), calibration_error(calibration(scores), right)
    console().print(
        f"{output}: slope {calibration.slope:.3f}, intercept {calibration.intercept:.3f}; calibration error on "
        f"these {len(scores)} joints {before:.3f} before, {after:.3f} after",
        soft_wrap=True,
    )


@contextmanager
def _counting_images() -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on stderr; gives the function that takes the number of images done and the total."""
    from rich.progress import Progress

    with Progress(console=console(stderr=True)) as bar:
        current = bar.add_task("images", total=None)
        yield lambda done, total: bar.update(current, completed=done, total=total)


def _train(task: Task[Any], schedule: Schedule, output: Path) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from posetrack.training import loop

    shown = console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.5f}"),
    )
    with Progress(*columns, console=shown) as bar:
        current = bar.add_task("starting", total=None, loss=float("nan"))

        class Bar:
            """Shows the progress of an epoch, and prints a line after it."""

            def iteration(self, epoch: int, done: int, total: int, loss: float) -> None:
                name = f"epoch {epoch + 1}/{schedule.epochs}"
                bar.update(current, description=name, completed=done, total=total, loss=loss)

            def epoch(self, row: Record) -> None:
                shown.print("  ".join(f"{name} {value:.5g}" for name, value in row.items()))

        loop.train(task, schedule, output, Bar())
    shown.print(f"averaged weights: {output / 'best.safetensors'}; curve: {output / 'curve.csv'}", soft_wrap=True)
