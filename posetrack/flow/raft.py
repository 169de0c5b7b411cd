"""RAFT flow (Teed, Deng: "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020).

The network is passed in; ``posetrack.models.raft`` loads torchvision's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from posetrack.flow.dense import DenseFlow
from posetrack.ranges import require_kinds, require_whole
from posetrack.types import Image

RAFTS = ("raft_small", "raft_large")
"""Names of torchvision's networks."""

RaftNetwork = Callable[[Tensor, Tensor, int], Tensor]
"""Takes two batches of images, float [B, 3, h, w], RGB in [-1, 1], sides multiples of 8 and at least 128, and the
number of iterations. Returns the displacement (x, y) of every pixel of the first images, float [B, 2, h, w]."""

_STRIDE_PX = 8
_MIN_SIDE_PX = 128
"""Below it the coarsest correlation level has no cells."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RaftConfig:
    """Settings of ``RaftFlow``.

    Attributes:
        max_side_px: Maximum side of a frame. Larger frames are shrunk. Time grows with the square of it, memory
            with the fourth power: all pairs of cells are correlated (1.1 GB at 1280 x 720).
        iterations: Number of refinements. torchvision reports results for 12 to 32.
    """

    max_side_px: int = 640
    iterations: int = 12

    def __post_init__(self) -> None:
        require_kinds(self)
        require_whole(32, max_side_px=self.max_side_px)
        require_whole(1, iterations=self.iterations)


class _LastFrame(threading.local):
    """The last frame shrunk in a thread, and the result."""

    frame: Image | None = None
    reduced: Tensor | None = None


class RaftFlow:
    """Flow by a RAFT network on shrunk frames. Thread-safe if the network is.

    As with the other dense estimators, every displacement inside the frame is valid: a forward-backward check
    would cost another pass of the network.

    Args:
        network: Computes the flow, on ``device``.
        config: Frame size and iterations.
        device: Device of the network.
    """

    def __init__(
        self, network: RaftNetwork, config: RaftConfig | None = None, device: str | torch.device = "cpu"
    ) -> None:
        self._network = network
        self._config = config or RaftConfig()
        self._device = torch.device(device)
        self._last = _LastFrame()

    def estimate(self, previous: Image, current: Image) -> DenseFlow:
        """Flow from ``previous`` to ``current``, both uint8 [H, W, 3] RGB of the same size.

        Raises:
            ValueError: the frames differ in size.
        """
        return self.estimate_batch([(previous, current)])[0]

    @torch.inference_mode()
    def estimate_batch(self, pairs: Sequence[tuple[Image, Image]]) -> list[DenseFlow]:
        """Flow from the first to the second frame of each pair, all of the same size, in one batch.

        Raises:
            ValueError: the frames differ in size.
        """
        if not pairs:
            return []
        shape = pairs[0][0].shape
        for previous, current in pairs:
            for frame in (previous, current):
                if frame.shape != shape:
                    raise ValueError(f"frames must have the same size, not {shape} and {frame.shape}")
        inputs = [(self._input(previous), self._input(current)) for previous, current in pairs]
        first, second = (torch.cat(images) for images in zip(*inputs, strict=True))
        rows, columns = second.shape[2:]
        fields = self._network(_padded(first), _padded(second), self._config.iterations)
        xy = fields[:, :, :rows, :columns].permute(0, 2, 3, 1).float().cpu().numpy()
        return [DenseFlow(field, (shape[1], shape[0])) for field in xy]

    def _input(self, frame: Image) -> Tensor:
        """Shrink a frame to float [1, 3, h, w] in [-1, 1]. Caches the last one."""
        # A frame is recognised as the same array, so the array must not be modified in between.
        last = self._last
        if frame is not last.frame or last.reduced is None:
            last.frame, last.reduced = frame, self._reduce(frame)
        return last.reduced

    def _reduce(self, frame: Image) -> Tensor:
        """Shrink a frame to ``max_side_px``: float [1, 3, h, w] in [-1, 1]."""
        height, width = frame.shape[:2]
        scale = self._config.max_side_px / max(height, width)
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
        pixels = torch.from_numpy(np.array(frame)).to(self._device)
        return pixels.permute(2, 0, 1)[None].float() / 127.5 - 1


def _padded(image: Tensor) -> Tensor:
    """Pad an image with copies of its last row and column to a size that the network accepts."""
    rows, columns = image.shape[2:]
    missing = [max(side + -side % _STRIDE_PX, _MIN_SIDE_PX) - side for side in (columns, rows)]
    return functional.pad(image, (0, missing[0], 0, missing[1]), mode="replicate")
