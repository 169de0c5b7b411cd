"""Pose networks on disk: safetensors with the architecture in the header, so that loading needs no guessing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from posetrack.errors import WeightsError
from posetrack.models.backbone import STAGE_CHANNELS, PersonShuffleNet
from posetrack.models.simple_baseline import SimpleBaseline
from posetrack.skeletons import SKELETONS, Skeleton

_METADATA_KEY = "posetrack.pose"


@dataclass(frozen=True, kw_only=True)
class PoseArchitecture:
    """What must be known to build a pose network and to feed it.

    Attributes:
        skeleton: Name of the skeleton that the heatmaps belong to; one heatmap per joint in use, in order.
        width, height: Input size in pixels.
        padding: Factor by which a person's box grows before it is cut out.
        deconv_channels: Channels of the three transposed convolutions.
    """

    skeleton: str = "posetrack"
    width: int = 160
    height: int = 192
    padding: float = 1.25
    deconv_channels: tuple[int, ...] = (128, 96, 64)

    @property
    def size(self) -> tuple[int, int]:
        """Input width and height in pixels."""
        return self.width, self.height

    @property
    def joints(self) -> Skeleton:
        """The skeleton itself."""
        return SKELETONS[self.skeleton]

    def build(self) -> SimpleBaseline:
        """The network, with fresh weights."""
        return SimpleBaseline(
            PersonShuffleNet(), STAGE_CHANNELS[-1], self.deconv_channels, len(self.joints.in_use)
        )


def save_pose_network(network: SimpleBaseline, architecture: PoseArchitecture, path: Path) -> None:
    """Write weights as float16 (half the size; far below the accuracy that trained weights have)."""
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
    }
    save_file(tensors, path, metadata={_METADATA_KEY: json.dumps(asdict(architecture))})


def load_pose_network(path: Path) -> tuple[SimpleBaseline, PoseArchitecture]:
    """Read a network that ``save_pose_network`` wrote, as float32 in evaluation mode.

    Raises:
        WeightsError: the file is missing, damaged, of another kind, or its tensors do not fit.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(_METADATA_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot read the pose network {path}: {error}") from error
    if header is None:
        raise WeightsError(f"{path} is not a posetrack pose network: train one with `posetrack train pose`.")
    fields = json.loads(header)
    architecture = PoseArchitecture(**{**fields, "deconv_channels": tuple(fields["deconv_channels"])})
    network = architecture.build()
    try:
        network.load_state_dict(
            {name: value.float() if value.dtype == torch.float16 else value for name, value in tensors.items()}
        )
    except RuntimeError as error:
        raise WeightsError(f"the tensors of {path} do not fit its architecture: {error}") from error
    return network.eval(), architecture
