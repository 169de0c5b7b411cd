"""What is done before and behind a pose network: from a frame to crops, and from heatmaps to joints in cells.

On the processor OpenCV cuts crops and whole heatmaps are decoded. Where the network runs elsewhere, the frame goes
there once, people are cut out there, and only the cells around each heatmap's peak come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from posetrack.models.conventions import CONVENTIONS
from posetrack.models.crop import Transforms, extract_crops
from posetrack.models.decoding import Decoded, codec_of, reach_cells
from posetrack.models.device_crops import crops_on_device
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.types import Image


class AroundNetwork(Protocol):
    """Crops and joints of one pose network."""

    def crops(self, image: Image, transforms: Transforms) -> Tensor:
        """Crops uint8 [N, height, width, 3] RGB of an image [H, W, 3], by maps from ``crop.box_transforms``."""
        ...

    def joints(self, heatmaps: Iterable[Tensor]) -> Decoded:
        """Joints float32 [N, K, 2] in cells and their scores [N, K], of heatmaps [N, K, h, w] in batches."""
        ...


class OnProcessor:
    """``AroundNetwork`` for a network on the processor.

    Args:
        architecture: Of the network.
        codec: A key of ``posetrack.models.decoding.CODECS``.
    """

    def __init__(self, architecture: PoseArchitecture, codec: str) -> None:
        self._architecture = architecture
        self._convention = CONVENTIONS[architecture.convention]
        self._codec = codec_of(codec, self._convention)

    def crops(self, image: Image, transforms: Transforms) -> Tensor:
        return torch.from_numpy(extract_crops(image, transforms, self._architecture.size, self._convention))

    def joints(self, heatmaps: Iterable[Tensor]) -> Decoded:
        whole = np.concatenate([each.numpy() for each in heatmaps])
        return self._codec(whole, self._architecture.sigma_cells)


class OnDevice:
    """``AroundNetwork`` for a network on any device, in torch. Nothing waits for a GPU but the joints.

    Args:
        architecture: Of the network.
        codec: A key of ``posetrack.models.decoding.CODECS``.
        device: Where the network runs.
    """

    def __init__(self, architecture: PoseArchitecture, codec: str, device: torch.device) -> None:
        self._architecture = architecture
        self._convention = CONVENTIONS[architecture.convention]
        self._codec = codec_of(codec, self._convention)
        self._reach = reach_cells(codec, architecture.sigma_cells)
        self._device = device

    def crops(self, image: Image, transforms: Transforms) -> Tensor:
        return crops_on_device(image, transforms, self._architecture.size, self._convention, self._device)

    def joints(self, heatmaps: Iterable[Tensor]) -> Decoded:
        pieces, corners = zip(*(around_peaks(each, self._reach) for each in heatmaps), strict=True)
        cells, scores = self._codec(torch.cat(pieces).cpu().numpy(), self._architecture.sigma_cells)
        return (cells + torch.cat(corners).cpu().numpy()).astype(np.float32), scores


def around_peaks(heatmaps: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """The cells of heatmaps that a codec looks at, which decodes them as it would the whole.

    Args:
        heatmaps: [N, K, h, w].
        reach: Cells from the highest one in x and in y, from ``decoding.reach_cells``.

    Returns:
        Pieces [N, K, min(2 reach + 1, h), min(2 reach + 1, w)] with the highest cell in the middle, or as near to
        it as a piece inside of the map allows; and int64 [N, K, 2], column and row of their first cells.
    """
    height, width = heatmaps.shape[-2:]
    cells = heatmaps.flatten(2)
    highest = cells.argmax(-1)
    across, down = (torch.arange(min(2 * reach + 1, side), device=cells.device) for side in (width, height))
    left = (highest % width - reach).clamp(0, width - len(across))
    top = (highest // width - reach).clamp(0, height - len(down))
    rows, columns = top[..., None, None] + down[:, None], left[..., None, None] + across
    pieces = cells.gather(2, (rows * width + columns).flatten(2))
    return pieces.view(*highest.shape, len(down), len(across)), torch.stack([left, top], -1)
