"""Pose networks on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posetrack.calibration import Calibration
from posetrack.errors import ConfigError
from posetrack.models.backbone import STAGE_CHANNELS, PersonShuffleNet
from posetrack.models.conventions import CONVENTIONS, convention_of
from posetrack.models.hrnet import HRNET_CHANNELS, HRNet
from posetrack.models.movenet import MOVENETS, MoveNet
from posetrack.models.pose_format import PoseFormat
from posetrack.models.resnet import RESNET_CHANNELS, RESNETS, ResNet
from posetrack.models.simple_baseline import HEATMAP_STRIDE, SimpleBaseline
from posetrack.models.tensor_file import load_network, save_tensors
from posetrack.ranges import require_kinds
from posetrack.records import check_numbers
from posetrack.skeletons import SKELETONS, Skeleton

_KIND = "pose"

BACKBONES = ("shufflenet_v2_x1_0", *RESNETS, *HRNET_CHANNELS, *MOVENETS)
"""Names of the backbones: a small one, ResNets, HRNets and MoveNets."""

AT_STRIDE_4 = (*HRNET_CHANNELS, *MOVENETS)
"""Those whose features need no transposed convolutions."""

MOST_CHANNELS = 1024
"""Maximum number of channels of a transposed convolution."""

PoseNetwork = SimpleBaseline | MoveNet
"""Has a ``backbone`` that may be pretrained and a ``final_layer`` with a heatmap for each joint."""

_MULTIPLE = 32
"""Sides of the input are multiples of the backbones' deepest stride, so heatmap sides are exactly a quarter."""


@dataclass(frozen=True, kw_only=True)
class PoseArchitecture:
    """Everything needed to build a pose network and prepare its input.

    Attributes:
        skeleton: Name of the heatmaps' skeleton.
        width, height: Input size in pixels, multiples of 32.
        padding: Factor by which a person's box grows before it is cut out.
        deconv_channels: Channels of the transposed convolutions, each of which doubles the resolution: three to
            get from stride 32 to 4. An HRNet or MoveNet has none, because its features are already at stride 4.
        backbone: One of ``BACKBONES``.
        convention: How crops are cut out and normalised, and how heatmaps are meant: a key of
            ``posetrack.models.conventions.CONVENTIONS``.
        all_slots: One heatmap for every slot of the skeleton, in order, instead of one per joint in use.
        fills_unused: Whether joints that the skeleton does not use (PoseTrack's ears) were learnt too, and are
            estimated. Needs ``all_slots``.
        sigma_cells: Standard deviation of the targets' Gaussians, for codecs that need it.
        dark_kernel_cells: Length of the kernel with which DARK smooths, odd; ``None`` for the convention's.
        calibration: Turns scores into probabilities. ``None`` if it was not measured.
    """

    skeleton: str = "posetrack"
    width: int = 160
    height: int = 192
    padding: float = 1.25
    deconv_channels: tuple[int, ...] = (128, 96, 64)
    backbone: str = "shufflenet_v2_x1_0"
    convention: str = "own"
    all_slots: bool = False
    fills_unused: bool = False
    sigma_cells: float = 2.0
    dark_kernel_cells: int | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.skeleton not in SKELETONS:
            raise ConfigError(f"skeleton is {self.skeleton!r}; choose one of {', '.join(SKELETONS)}.")
        check_numbers(
            self, width=(_MULTIPLE, 2048), height=(_MULTIPLE, 2048), padding=(0.1, 10), sigma_cells=(0.1, 20),
            dark_kernel_cells=(3, 101), deconv_channels=(1, MOST_CHANNELS),
        )  # fmt: skip
        for name, side in (("width", self.width), ("height", self.height)):
            if side % _MULTIPLE:
                raise ConfigError(f"{name} is {side}; give a multiple of {_MULTIPLE}.")
        if self.backbone not in BACKBONES:
            raise ConfigError(f"backbone is {self.backbone!r}; choose one of {', '.join(BACKBONES)}.")
        if self.backbone not in AT_STRIDE_4 and len(self.deconv_channels) != 3:
            raise ConfigError(f"deconv_channels is {list(self.deconv_channels)}; give three numbers.")
        if self.fills_unused and not self.all_slots:
            raise ConfigError("fills_unused needs all_slots = true: a heatmap for every slot of the skeleton.")
        if self.convention not in CONVENTIONS:
            raise ConfigError(f"convention is {self.convention!r}; choose one of {', '.join(CONVENTIONS)}.")

    @property
    def size(self) -> tuple[int, int]:
        """Input width and height in pixels."""
        return self.width, self.height

    @property
    def joints(self) -> Skeleton:
        """The skeleton itself."""
        return SKELETONS[self.skeleton]

    @property
    def heatmap_slots(self) -> NDArray[np.int64]:
        """int64 [J], each heatmap's slot in the skeleton."""
        return np.arange(len(self.joints)) if self.all_slots else self.joints.in_use

    @property
    def filled_slots(self) -> NDArray[np.int64]:
        """Slots of the joints that are estimated, ascending."""
        return self.heatmap_slots if self.fills_unused else self.joints.in_use

    @property
    def format(self) -> PoseFormat:
        """What the network takes and gives."""
        return PoseFormat(
            skeleton=self.joints,
            width=self.width,
            height=self.height,
            padding=self.padding,
            convention=convention_of(self.convention, self.dark_kernel_cells),
            slots=None if self.all_slots else tuple(self.joints.in_use.tolist()),
            stride=HEATMAP_STRIDE,
            sigma_cells=self.sigma_cells,
            fills_unused=self.fills_unused,
            calibration=self.calibration,
        )

    def build(self) -> PoseNetwork:
        """The network, with fresh weights."""
        heatmaps = len(self.heatmap_slots)
        if self.backbone in MOVENETS:
            return MoveNet(self.backbone, heatmaps)
        if self.backbone in HRNET_CHANNELS:
            channels = HRNET_CHANNELS[self.backbone]
            return SimpleBaseline(HRNet(channels), channels, (), heatmaps)
        if self.backbone in RESNETS:
            return SimpleBaseline(ResNet(self.backbone), RESNET_CHANNELS, self.deconv_channels, heatmaps)
        return SimpleBaseline(PersonShuffleNet(), STAGE_CHANNELS[-1], self.deconv_channels, heatmaps)


def save_pose_network(network: PoseNetwork, architecture: PoseArchitecture, path: Path) -> None:
    """Write a network of ``architecture.build()``."""
    save_tensors(network, architecture, _KIND, path)


def load_pose_network(path: Path) -> tuple[PoseNetwork, PoseArchitecture]:
    """Read a network written by ``save_pose_network``, in evaluation mode on the CPU.

    Raises:
        WeightsError: the file is missing, damaged, not a pose network's, or does not match its header.
    """
    return load_network(path, _KIND, PoseArchitecture, PoseArchitecture.build)
