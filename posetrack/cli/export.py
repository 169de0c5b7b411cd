"""``posetrack models export``: export a pose network for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posetrack.cli.output import tell
from posetrack.errors import ConfigError

FORMATS = ("onnx",)


def export_model(
    name: Annotated[
        str,
        typer.Argument(help="Name of downloaded pose weights, or a .safetensors file from training."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write. Defaults to NAME.onnx in the current folder."),
    ] = None,
    file_format: Annotated[str, typer.Option("--format", help="File format: onnx.")] = "onnx",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    models_dir: Annotated[Path | None, typer.Option("--models-dir", help="Folder of the weights.")] = None,
) -> None:
    """Export a pose network to ONNX with a dynamic batch size, and check it in ONNX Runtime.

    Needs the `onnx` extra.
    """
    if file_format not in FORMATS:
        raise ConfigError(f"there is no format {file_format!r}; choose {', '.join(FORMATS)}.")
    from posetrack.files.pending import check_outputs
    from posetrack.models.onnx_export import export_onnx
    from posetrack.networks import read_pose_network
    from posetrack.zoo import ModelStore

    target = output or Path(Path(name).stem + ".onnx")
    check_outputs([target], overwrite=True, inputs=[Path(name)])  # export_onnx refuses an existing file
    network, architecture = read_pose_network(name, ModelStore(models_dir), fetch=None)
    exported = export_onnx(network, architecture, target, overwrite=overwrite)
    batches = ", ".join(map(str, exported.batches))
    tell(f"{exported.path}: ONNX Runtime agrees to {exported.difference:.1e} (batches of {batches})")
