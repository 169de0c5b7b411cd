"""Person detectors on disk."""

from __future__ import annotations

from pathlib import Path

from torchvision.models.detection import FasterRCNN

from posetrack.models.faster_rcnn import DetectorArchitecture, build_detector
from posetrack.models.tensor_file import load_network, save_tensors

_KIND = "detector"


def save_detector(network: FasterRCNN, architecture: DetectorArchitecture, path: Path) -> None:
    """Write a network of ``build_detector(architecture)``."""
    save_tensors(network, architecture, _KIND, path)


def read_detector(path: Path) -> tuple[FasterRCNN, DetectorArchitecture]:
    """Read a network written by ``save_detector``, in evaluation mode on the CPU.

    Raises:
        WeightsError: the file is missing, damaged, not a detector's, or does not match its header.
    """
    return load_network(path, _KIND, DetectorArchitecture, build_detector)
