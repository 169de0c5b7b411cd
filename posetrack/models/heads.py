"""From a pose network's output to joints: heatmaps, SimCC and coordinate regression.

A head is chosen by the codec. Outputs come in batches, channels in axis 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posetrack.models.decoding import CODECS, codec_of, reach_cells
from posetrack.models.heatmap import cell_pitch, heatmap_to_input, mirrored_back
from posetrack.models.pose_format import PoseFormat
from posetrack.types import FloatArray

Joints = tuple[NDArray[np.float64], FloatArray]
"""float64 [N, K, 2], x and y in input pixels; and float32 [N, K], scores in [0, 1]."""


class Head(Protocol):
    """Decodes the outputs of one kind of pose network."""

    dimensions: ClassVar[tuple[int, ...]]
    """Number of axes of each tensor in an output."""
    decodes: ClassVar[str]
    """The same in words, for messages."""

    def mirrored(self, output: Any, twins: Tensor) -> Any:
        """The output for mirrored crops as that for the crops themselves (flip test).

        Args:
            output: Of mirrored crops.
            twins: int64 [K], channel of each joint's left/right twin.
        """
        ...

    def joints(self, outputs: Iterable[Any]) -> Joints:
        """The joints of all people in the batches' outputs, at least one."""
        ...


class HeatmapHead:
    """Heatmaps [B, K, h, w] of any stride.

    Args:
        codec: A key of ``posetrack.models.decoding.CODECS``.
        form: Of the network.
        near: Fetch only the cells around each peak from the network's device, instead of whole heatmaps.
    """

    dimensions: ClassVar[tuple[int, ...]] = (4,)
    decodes: ClassVar[str] = "heatmaps [B, K, h, w]"

    def __init__(self, codec: str, form: PoseFormat, near: bool) -> None:
        self._form = form
        self._codec = codec_of(codec, form.convention)
        self._reach = reach_cells(codec, form.sigma_cells, form.convention)
        self._near = near
        self._pitch = cell_pitch(form.size, form.stride, form.convention.grid)

    def mirrored(self, output: Tensor, twins: Tensor) -> Tensor:
        return mirrored_back(output, twins, self._form.convention.flip_shift_cells)

    def joints(self, outputs: Iterable[Tensor]) -> Joints:
        cells, scores = self._pieces(outputs) if self._near else self._whole(outputs)
        return heatmap_to_input(cells, self._pitch, self._form.convention.grid), scores

    def _whole(self, outputs: Iterable[Tensor]) -> tuple[FloatArray, FloatArray]:
        return self._codec(_fetched(outputs), self._form.sigma_cells)

    def _pieces(self, outputs: Iterable[Tensor]) -> tuple[FloatArray, FloatArray]:
        pieces, corners = zip(*(around_peaks(each, self._reach) for each in outputs), strict=True)
        cells, scores = self._codec(torch.cat(pieces).cpu().numpy(), self._form.sigma_cells)
        return (cells + torch.cat(corners).cpu().numpy()).astype(np.float32), scores


class SimCCHead:
    """Two classifications per joint, of x and of y: [B, K, width s] and [B, K, height s] for s bins per pixel.

    Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation", ECCV 2022; the
    score is the lower of the two highest values, as in RTMPose (Jiang et al., 2023) and MMPose.
    """

    dimensions: ClassVar[tuple[int, ...]] = (3, 3)
    decodes: ClassVar[str] = "SimCC's two classifications [B, K, bins]"

    def __init__(self, form: PoseFormat, near: bool) -> None:
        self._form = form

    def mirrored(self, output: tuple[Tensor, Tensor], twins: Tensor) -> tuple[Tensor, Tensor]:
        x, y = output
        return x[:, twins].flip(-1), y[:, twins]

    def joints(self, outputs: Iterable[tuple[Tensor, Tensor]]) -> Joints:
        x, y = (_fetched(axis) for axis in zip(*outputs, strict=True))
        bins = np.stack([x.argmax(axis=-1), y.argmax(axis=-1)], axis=-1)
        points = heatmap_to_input(bins, 1 / self._form.split_ratio, self._form.convention.grid)
        return points, _scores(np.minimum(x.max(axis=-1), y.max(axis=-1)))


class RegressionHead:
    """Coordinates [B, K, C], x and y as shares of the input's width and height, from its left and top edge.

    Toshev, Szegedy, "DeepPose", CVPR 2014, with MMPose's normalisation. C = 2 has no scores: all are 1. C = 3 has
    the score as its third value. C = 4 has the standard deviations of x and y, as in residual log-likelihood
    estimation (Li et al., ICCV 2021): the score is one minus their mean.
    """

    dimensions: ClassVar[tuple[int, ...]] = (3,)
    decodes: ClassVar[str] = "coordinates [B, K, 2 to 4]"

    def __init__(self, form: PoseFormat, near: bool) -> None:
        self._form = form

    def mirrored(self, output: Tensor, twins: Tensor) -> Tensor:
        # On grids other than ours, share s is pixel s * width, and mirroring takes it to width - 1 - s * width.
        end = 1 - 1 / self._form.width if self._form.convention.grid != "centres" else 1.0
        back = output[:, twins].clone()
        back[..., 0] = end - back[..., 0]
        return back

    def joints(self, outputs: Iterable[Tensor]) -> Joints:
        values = _fetched(outputs).astype(np.float64)
        edge = 0.5 if self._form.convention.grid == "centres" else 0.0
        points = values[..., :2] * self._form.size - edge
        if values.shape[-1] == 2:
            return points, np.ones(values.shape[:2], np.float32)
        return points, _scores(values[..., 2] if values.shape[-1] == 3 else 1 - values[..., 2:].mean(axis=-1))


HEADS: dict[str, Callable[[PoseFormat, bool], Head]] = {
    **{codec: partial(HeatmapHead, codec) for codec in CODECS},
    "simcc": SimCCHead,
    "regression": RegressionHead,
}
"""Makes the head for a codec, a network's format, and whether outputs are on another device than the CPU."""


def _fetched(outputs: Iterable[Tensor]) -> NDArray[Any]:
    return np.concatenate([each.cpu().numpy() for each in outputs])


def _scores(values: NDArray[Any]) -> FloatArray:
    return np.where(np.isfinite(values), np.clip(values, 0, 1), 0).astype(np.float32)


def around_peaks(heatmaps: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """The cells of heatmaps that a codec reads: it decodes them as it would the whole.

    Args:
        heatmaps: [N, K, h, w].
        reach: Cells from the highest one in x and in y, from ``decoding.reach_cells``.

    Returns:
        Pieces [N, K, min(2 reach + 1, h), min(2 reach + 1, w)] with the highest cell in the middle, or as near to
        it as a piece inside the map allows; and int64 [N, K, 2], column and row of their first cells.
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
