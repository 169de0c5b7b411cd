"""Pose networks as ONNX files for other runtimes, compared with the network before they get their name."""

from __future__ import annotations

import copy
import json
import tempfile
import warnings
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from posetrack import __version__
from posetrack.errors import ConfigError, OutputError
from posetrack.formats.pending import give_name, output_errors
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.folding import folded
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.models.simple_baseline import HEATMAP_STRIDE
from posetrack.types import FloatArray

OPSET = 18
"""ONNX's operators of this version, which ONNX Runtime knows since 1.14 (2023)."""

INPUT, OUTPUT = "images", "heatmaps"
"""Names of the network's input and output."""

TOLERANCE = 1e-4
"""How far ONNX Runtime's heatmaps may be from the network's, over their largest value (trained: about 1)."""

_BATCHES = (1, 2, 5)
"""Numbers of people that are compared."""

_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
_NEW_EXPORTER = (2, 9)
"""torch from which its exporter by ``torch.export`` is the usual one. Before, the older one is more reliable: the
new one of torch 2.6 does not go with today's onnxscript."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An ONNX file.

    Attributes:
        path: The file.
        difference: Largest difference of its heatmaps from the network's in ONNX Runtime.
        batches: The numbers of people that were compared.
    """

    path: Path
    difference: float
    batches: tuple[int, ...]


def export_onnx(
    network: nn.Module, architecture: PoseArchitecture, path: str | Path, *, overwrite: bool = False
) -> Exported:
    """Write a pose network as one ONNX file for any number of people at once, if ONNX Runtime agrees with it.

    Input ``images``: float32 [batch, 3, height, width]; output ``heatmaps``: float32 [batch, joints, height/4,
    width/4]. The file's metadata say how the input is prepared and which joint each heatmap is of (keys that begin
    with ``posetrack.``). Batch norms are folded.

    Args:
        network: A network of ``architecture.build()``.
        architecture: What it is fed with.
        path: The file; its folder must exist.
        overwrite: Replace an existing file.

    Raises:
        ConfigError: packages are missing, or ONNX Runtime's output is not the network's.
        OutputError: the file exists, or cannot be written.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(f"exporting needs {', '.join(missing)}: pip install 'posetrack[onnx]'.")
    path = Path(path)
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already; choose another file, or --overwrite.")
    network = copy.deepcopy(network).cpu().eval()
    width, height = architecture.size
    with output_errors(path), tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
        draft = Path(folder) / "network.onnx"
        _write(folded(network), (3, height, width), draft)
        difference = _compare(network, draft, (3, height, width))
        _add_metadata(draft, _metadata(architecture, difference))
        give_name(draft, path)
    return Exported(path=path, difference=difference, batches=_BATCHES)


def _write(network: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    """The network as it leaves torch; what the exporters say on the way concerns their developers."""
    example = (torch.rand(2, *shape, generator=torch.Generator().manual_seed(0)),)
    names: dict[str, Any] = {"input_names": [INPUT], "output_names": [OUTPUT], "opset_version": OPSET}
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if version >= _NEW_EXPORTER:
            batch: Any = ({0: torch.export.Dim("batch")},)
            torch.onnx.export(
                network,
                example,
                path,
                dynamo=True,
                dynamic_shapes=batch,
                external_data=False,
                verbose=False,
                **names,
            )
        else:
            axes = {name: {0: "batch"} for name in (INPUT, OUTPUT)}
            torch.onnx.export(network, example, path, dynamo=False, dynamic_axes=axes, **names)


def _compare(network: nn.Module, path: Path, shape: tuple[int, ...]) -> float:
    """Largest difference of ONNX Runtime's output from the network's.

    Raises:
        ConfigError: it is larger than ``TOLERANCE``.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(1)
    largest = 0.0
    for batch in _BATCHES:
        images = torch.rand(batch, *shape, generator=generator)
        with torch.inference_mode():
            expected: Tensor = network(images)
        found: FloatArray = session.run([OUTPUT], {INPUT: images.numpy()})[0]
        if found.shape != tuple(expected.shape):
            raise ConfigError(f"the export has gone wrong: {batch} people give heatmaps {list(found.shape)}.")
        difference = float(np.abs(found - expected.numpy()).max())
        allowed = TOLERANCE * float(expected.abs().max())
        if not difference <= allowed:
            raise ConfigError(
                f"the export has gone wrong: with {batch} people ONNX Runtime's heatmaps differ from the "
                f"network's by {difference:.2g}, and {allowed:.2g} is allowed; nothing was written."
            )
        largest = max(largest, difference)
    return largest


def _metadata(architecture: PoseArchitecture, difference: float) -> dict[str, str]:
    convention = CONVENTIONS[architecture.convention]
    batches = ", ".join(map(str, _BATCHES))
    joints = [architecture.joints.joints[slot] for slot in architecture.heatmap_slots]
    return {
        "posetrack.version": __version__,
        "posetrack.task": "pose",
        "posetrack.architecture": json.dumps(asdict(architecture)),
        "posetrack.input": (
            f"{INPUT}: float32 [batch, 3, {architecture.height}, {architecture.width}], people cut out upright; "
            f"colours {convention.colour_order} in [0, 1], less the mean, divided by the standard deviation"
        ),
        "posetrack.input_convention": json.dumps(asdict(convention)),
        "posetrack.output": (
            f"{OUTPUT}: float32 [batch, {len(joints)}, height/{HEATMAP_STRIDE}, width/{HEATMAP_STRIDE}]"
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
