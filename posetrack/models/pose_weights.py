"""Pose networks on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.backbone import STAGE_CHANNELS, PersonShuffleNet
from posetrack.models.simple_baseline import SimpleBaseline
from posetrack.models.tensor_file import read_tensors, save_tensors
from posetrack.skeletons import SKELETONS, Skeleton

_KIND = "pose"


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
    """Write a network of ``architecture.build()``."""
    save_tensors(network, architecture, _KIND, path)


def load_pose_network(path: Path) -> tuple[SimpleBaseline, PoseArchitecture]:
    """Read a network that ``save_pose_network`` wrote, in evaluation mode on the CPU.

    Raises:
        WeightsError: the file is missing, damaged, of another kind, or its tensors do not fit its architecture.
    """
    tensors, fields = read_tensors(path, _KIND)
    try:
        architecture = PoseArchitecture(**fields)
        network = architecture.build()
        network.load_state_dict(tensors)
    except (ConfigError, KeyError, RuntimeError, TypeError) as error:
        raise WeightsError(f"the tensors of {path} do not fit the architecture in its header: {error}") from error
    return network.eval(), architecture
