"""``posetrack models export``: a pose network for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.models.pose_weights import PoseArchitecture
    from posetrack.models.simple_baseline import SimpleBaseline
    from posetrack.zoo import ModelStore

FORMATS = ("onnx",)


def export_model(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of a pose network's weights that are here, or a .safetensors file from training."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; by default the name with .onnx, here.")
    ] = None,
    file_format: Annotated[str, typer.Option("--format", help="onnx.")] = "onnx",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    models_dir: Annotated[Path | None, typer.Option("--models-dir", help="Folder of the weights.")] = None,
) -> None:
    """Write a pose network as ONNX, for any number of people at once, and compare it in ONNX Runtime.

    Needs the packages of the extra: pip install 'posetrack[onnx]'.
    """
    if file_format not in FORMATS:
        raise ConfigError(f"there is no format {file_format!r}; choose {', '.join(FORMATS)}.")
    from posetrack.models.onnx_export import export_onnx
    from posetrack.zoo import ModelStore

    network, architecture = _pose_network(name, ModelStore(models_dir))
    target = output or Path(Path(name).stem + ".onnx")
    exported = export_onnx(network, architecture, target, overwrite=overwrite)
    batches = ", ".join(map(str, exported.batches))
    print(f"{exported.path}: ONNX Runtime agrees to {exported.difference:.1e} (batches of {batches})")


def _pose_network(name: str, store: ModelStore) -> tuple[SimpleBaseline, PoseArchitecture]:
    from posetrack.models.checkpoints import load_checkpoint
    from posetrack.models.pose_weights import load_pose_network
    from posetrack.presets import is_file
    from posetrack.zoo import get_entry

    if is_file(name):
        return load_pose_network(Path(name))
    entry = get_entry(name)
    if entry.task != "pose":
        raise ConfigError(
            f"{name} is a network for {entry.task}; pose networks that look at crops can be exported."
        )
    path = store.require(entry)
    if entry.bundled:
        return load_pose_network(path)
    architecture = entry.pose_architecture()
    return load_checkpoint(path, architecture), architecture
