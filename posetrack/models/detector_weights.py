"""Person detectors on disk."""

from __future__ import annotations

from pathlib import Path

from torchvision.models.detection import FasterRCNN

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.faster_rcnn import DetectorArchitecture, build_detector
from posetrack.models.tensor_file import read_tensors, save_tensors

_KIND = "detector"


def save_detector(network: FasterRCNN, architecture: DetectorArchitecture, path: Path) -> None:
    """Write a network of ``build_detector(architecture)``."""
    save_tensors(network, architecture, _KIND, path)


def read_detector(path: Path) -> tuple[FasterRCNN, DetectorArchitecture]:
    """Read a network that ``save_detector`` wrote, in evaluation mode on the CPU.

    Raises:
        WeightsError: the file is missing, damaged, of another kind, or its tensors do not fit its architecture.
    """
    tensors, fields = read_tensors(path, _KIND)
    try:
        architecture = DetectorArchitecture(**fields)
        network = build_detector(architecture)
        network.load_state_dict(tensors)
    except (ConfigError, RuntimeError, TypeError) as error:
        raise WeightsError(f"the tensors of {path} do not fit the architecture in its header: {error}") from error
    return network.eval(), architecture
