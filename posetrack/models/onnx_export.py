"""Pose networks as ONNX files for other runtimes, compared with the network before they get their name."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from posetrack import __version__
from posetrack.errors import ConfigError, OutputError
from posetrack.files.pending import draft_folder, give_name, output_errors
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.folding import folded
from posetrack.models.onnx_file import BATCHES, Interface, Session, compare, require_packages, write_onnx
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.models.simple_baseline import HEATMAP_STRIDE
from posetrack.records import read_record

_ARCHITECTURE = "posetrack.architecture"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An ONNX file.

    Attributes:
        path: The file.
        difference: Largest difference of its heatmaps in ONNX Runtime from the network's, as a share of the
            largest value.
        batches: The numbers of people compared.
    """

    path: Path
    difference: float
    batches: tuple[int, ...]


def export_onnx(
    network: nn.Module, architecture: PoseArchitecture, path: str | Path, *, overwrite: bool = False
) -> Exported:
    """Write a pose network as one ONNX file for any number of people at once, if ONNX Runtime gives its results.

    Input ``images``: float32 [batch, 3, height, width]; output ``heatmaps``: float32 [batch, joints, height/4,
    width/4]. The file's metadata (keys that begin with ``posetrack.``) say how to prepare the input and which
    joint each heatmap is of. Batch norms are folded.

    Args:
        network: A network of ``architecture.build()``.
        architecture: Its architecture.
        path: The file; its folder must exist.
        overwrite: Replace an existing file.

    Raises:
        ConfigError: packages are missing, or ONNX Runtime's output differs from the network's.
        OutputError: the file exists, or cannot be written.
    """
    require_packages()
    path = Path(path)
    if os.path.lexists(path) and not overwrite:
        raise OutputError(f"{path} exists already; choose another file, or --overwrite.")
    network, interface = copy.deepcopy(network).cpu().eval(), pose_interface(architecture)
    with output_errors(path), draft_folder(path) as folder:
        draft = folder / "network.onnx"
        write_onnx(folded(network), interface, draft)
        difference = compare(network, Session(draft.read_bytes(), torch.get_num_threads()), interface)
        _add_metadata(draft, _metadata(architecture, difference))
        give_name(draft, path)
    return Exported(path=path, difference=difference, batches=BATCHES)


def pose_interface(architecture: PoseArchitecture) -> Interface:
    """Input and output of a pose network."""
    size = (architecture.height, architecture.width)
    return Interface(name="pose", channels=3, size=size, input="images", output="heatmaps")


def exported_architecture(metadata: dict[str, str]) -> PoseArchitecture | None:
    """The architecture in the metadata of a file that ``export_onnx`` wrote; None in others.

    Raises:
        ConfigError: it is damaged.
    """
    text = metadata.get(_ARCHITECTURE)
    if text is None:
        return None
    try:
        return read_record(PoseArchitecture, json.loads(text), "architecture")
    except (ValueError, RecursionError) as error:
        raise ConfigError("its architecture is not JSON.") from error


def _metadata(architecture: PoseArchitecture, difference: float) -> dict[str, str]:
    convention = CONVENTIONS[architecture.convention]
    batches = ", ".join(map(str, BATCHES))
    joints = [architecture.joints.joints[slot] for slot in architecture.heatmap_slots]
    return {
        "posetrack.version": __version__,
        "posetrack.task": "pose",
        _ARCHITECTURE: json.dumps(asdict(architecture)),
        "posetrack.input": (
            f"images: float32 [batch, 3, {architecture.height}, {architecture.width}], people cut out upright; "
            f"colours {convention.colour_order} in [0, 1], less the mean, divided by the standard deviation"
        ),
        "posetrack.input_convention": json.dumps(asdict(convention)),
        "posetrack.output": (
            f"heatmaps: float32 [batch, {len(joints)}, height/{HEATMAP_STRIDE}, width/{HEATMAP_STRIDE}]"
        ),
        "posetrack.skeleton": architecture.skeleton,
        "posetrack.joints": json.dumps(joints),
        "posetrack.checked": f"ONNX Runtime agrees to {difference:.1e} with {batches} people",
    }


def _add_metadata(path: Path, metadata: dict[str, str]) -> None:
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, path)
