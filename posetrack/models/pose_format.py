"""What a pose network takes and gives, whatever it is built of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.calibration import Calibration
from posetrack.errors import ConfigError
from posetrack.models.conventions import CONVENTIONS, InputConvention
from posetrack.ranges import require_above, require_kinds, require_whole
from posetrack.skeletons import Skeleton
from posetrack.types import IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class PoseFormat:
    """How people are cut out for a pose network, and which joints it gives.

    Attributes:
        skeleton: Skeleton of the poses.
        width, height: Input size in pixels.
        padding: Factor by which a person's box grows before it is cut out.
        convention: How crops are cut out and normalised, and where outputs lie in them.
        slots: The skeleton's joint that each of the network's J channels is of. ``None`` for all joints of the
            skeleton, in order.
        stride: Input pixels per heatmap cell, for heatmaps.
        sigma_cells: Standard deviation of the Gaussians that heatmaps were trained on, for codecs that need it.
        split_ratio: Bins per input pixel, for SimCC.
        fills_unused: Also estimate joints that the skeleton does not use (PoseTrack's ears).
        calibration: Turns scores into probabilities. ``None`` if it was not measured.

    Raises:
        ConfigError: a value is out of its range.
    """

    skeleton: Skeleton
    width: int
    height: int
    padding: float = 1.25
    convention: InputConvention = CONVENTIONS["own"]
    slots: tuple[int, ...] | None = None
    stride: float = 4.0
    sigma_cells: float = 2.0
    split_ratio: float = 2.0
    fills_unused: bool = False
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        require_whole(1, width=self.width, height=self.height)
        require_above(
            0, padding=self.padding, stride=self.stride, sigma_cells=self.sigma_cells, split_ratio=self.split_ratio
        )
        slots = set(self.channels.tolist())
        if len(slots) != len(self.channels) or not slots <= set(range(len(self.skeleton))):
            raise ConfigError(f"slots are {self.slots}; give different joints of {self.skeleton.name}.")

    @property
    def channels(self) -> IntArray:
        """int64 [J], the joint of each of the network's channels."""
        return np.array(range(len(self.skeleton)) if self.slots is None else self.slots, np.int64)

    @property
    def size(self) -> tuple[int, int]:
        """Input width and height in pixels."""
        return self.width, self.height
