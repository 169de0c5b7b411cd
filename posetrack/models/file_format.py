"""What a file of weights from another program does not say about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from posetrack.ranges import require_kinds, require_whole

OnnxKind = Literal["simcc", "heatmap", "rtmdet", "yolox", "rtmo"]
"""What an ONNX network gives: SimCC's two classifications or heatmaps (pose networks), boxes of people in images
prepared as for RTMDet or YOLOX (detectors), or boxes and joints (RTMO)."""

Convention = Literal["mmpose", "udp", "official", "own"]
"""How a pose network's inputs were prepared in training: by MMPose, by MMPose with unbiased data processing
(``UDPHeatmap``), by the code of SimpleBaseline's or HRNet's authors, or by posetrack."""

ONNX_KINDS: tuple[str, ...] = get_args(OnnxKind)
"""Their names."""


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """What a weights file from elsewhere does not state itself.

    Attributes:
        architecture: Name of the network that a checkpoint is of. ONNX files hold their network.
        width, height: Size of the network's input in pixels. Not needed for ONNX files of a fixed size.
        convention: How inputs were prepared in training. Defaults to ``mmpose`` for ONNX networks.
        skeleton: Name of the skeleton whose joints a pose network gives. Defaults to COCO's; for ONNX networks of
            other joints, to the one with as many.
        onnx_kind: What an ONNX network gives. ``None`` tells it from the network's outputs.
    """

    architecture: str | None = None
    width: int | None = None
    height: int | None = None
    convention: Convention | None = None
    skeleton: str | None = None
    onnx_kind: OnnxKind | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        for name in ("width", "height"):
            if getattr(self, name) is not None:
                require_whole(1, **{name: getattr(self, name)})
