"""What a pose network takes and gives, whatever it is built of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.errors import ConfigError
from posetrack.models.conventions import CONVENTIONS, InputConvention
from posetrack.ranges import require_above, require_whole
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
        slots: int64 [J], the skeleton's joint that each of the network's J channels is of. Defaults to all joints
            of the skeleton, in order.
        stride: Input pixels per heatmap cell, for heatmaps.
        sigma_cells: Standard deviation of the Gaussians that heatmaps were trained on, for codecs that need it.
        split_ratio: Bins per input pixel, for SimCC.

    Raises:
        ConfigError: a value is out of its range.
    """

    skeleton: Skeleton
    width: int
    height: int
    padding: float = 1.25
    convention: InputConvention = CONVENTIONS["own"]
    slots: IntArray = None  # type: ignore[assignment]  # replaced below
    stride: float = 4.0
    sigma_cells: float = 2.0
    split_ratio: float = 2.0

    def __post_init__(self) -> None:
        require_whole(1, width=self.width, height=self.height)
        require_above(
            0, padding=self.padding, stride=self.stride, sigma_cells=self.sigma_cells, split_ratio=self.split_ratio
        )
        slots = np.arange(len(self.skeleton)) if self.slots is None else np.asarray(self.slots, np.int64)
        if len(set(slots.tolist())) != len(slots) or not set(slots.tolist()) <= set(range(len(self.skeleton))):
            raise ConfigError(f"slots are {slots.tolist()}; give different joints of {self.skeleton.name}.")
        object.__setattr__(self, "slots", slots)

    @property
    def size(self) -> tuple[int, int]:
        """Input width and height in pixels."""
        return self.width, self.height
