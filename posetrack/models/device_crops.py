"""The crops of ``posetrack.models.crop``, cut on the network's device: the frame is copied there once.

Maps, pyramid levels and border colours are the same. The levels equal OpenCV's to the bit, and crops are rounded
to whole grey levels like OpenCV's: a network sees the same on every device, and waiting crops take a quarter of
the memory. Sampling itself is in fp32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from posetrack.models.conventions import CONVENTIONS, InputConvention
from posetrack.models.crop import Transforms, extract_crops, pyramid_transforms
from posetrack.models.pose_format import PoseFormat
from posetrack.types import Image

_OWN = CONVENTIONS["own"]

_AT_ONCE = 64
"""Maximum number of crops sampled at once: at 288 x 384, 57 MB of positions and 85 MB of colours."""

_FAR = 3.0
"""A position in half frame sides from the middle whose four pixels all lie outside any frame."""


def sent(array: NDArray[Any], device: torch.device) -> Tensor:
    """An array on a device. With CUDA, the copy is asynchronous."""
    cuda = device.type == "cuda"
    # Page-locked memory is reused only after the copy, even if nothing refers to it any more.
    tensor = torch.empty(array.shape, dtype=torch.from_numpy(np.empty(0, array.dtype)).dtype, pin_memory=cuda)
    np.copyto(tensor.numpy(), array)
    return tensor.to(device, non_blocking=cuda)


def cut_out(image: Image, transforms: Transforms, form: PoseFormat, device: torch.device, near: bool) -> Tensor:
    """People cut out for a pose network: uint8 [N, height, width, 3] RGB.

    Args:
        image: uint8 [H, W, 3] RGB.
        transforms: [N, 2, 3], from ``crop.box_transforms``.
        form: Of the network.
        device: Where the network runs.
        near: Cut there, rather than by OpenCV on the CPU.
    """
    if near:
        return crops_on_device(image, transforms, form.size, form.convention, device)
    return torch.from_numpy(extract_crops(image, transforms, form.size, form.convention))


def crops_on_device(
    image: Image,
    transforms: Transforms,
    size: tuple[int, int],
    convention: InputConvention = _OWN,
    device: str | torch.device = "cpu",
) -> Tensor:
    """``extract_crops`` in torch, on any device.

    Args:
        image: uint8 [H, W, 3] RGB. May be overwritten when this returns.
        transforms: [N, 2, 3] from crop to source pixels.
        size: Width and height of the crops.
        convention: Colour outside the frame, and whether large people are shrunk by area.
        device: Where the crops are cut and stay.

    Returns:
        uint8 [N, height, width, 3] RGB.
    """
    width, height = size
    place = torch.device(device)
    crops = torch.empty((len(transforms), height, width, 3), dtype=torch.uint8, device=place)
    if not len(transforms):
        return crops
    levels, matrices = pyramid_transforms(transforms, antialias=convention.antialias)
    border = sent(np.array(convention.border_rgb, np.float32), place).view(3, 1, 1)
    source = sent(image, place).permute(2, 0, 1).float().sub_(border)
    for level in range(levels.max() + 1):
        source = _halved(source) if level else source
        rows = np.flatnonzero(levels == level)
        for some in np.array_split(rows, -(-len(rows) // _AT_ONCE)) if len(rows) else []:
            colours = _sampled(source, matrices[some], size).add_(border[:, None])
            crops[sent(some, place)] = colours.round_().to(torch.uint8).permute(1, 2, 3, 0)
    return crops


def _sampled(source: Tensor, matrices: Transforms, size: tuple[int, int]) -> Tensor:
    """Bilinear samples [3, N, height, width] of float [3, H, W], which is padded with zeros."""
    width, height = size
    sides = np.array(source.shape[:0:-1], np.float64)[:, None]
    # grid_sample counts from -1 to 1, edge to edge. It gets all crops as one tall one, so as not to copy the
    # source.
    scaled = 2 * matrices / sides
    scaled[:, :, 2:] += 1 / sides - 1
    x, y, offset = sent(scaled.astype(np.float32), source.device)[:, None, None].unbind(-1)
    columns = torch.arange(width, dtype=torch.float32, device=source.device)[:, None]
    rows = torch.arange(height, dtype=torch.float32, device=source.device)[:, None, None]
    places = (x * columns + (y * rows + offset)).clamp_(-_FAR, _FAR).view(1, -1, width, 2)
    found = functional.grid_sample(
        source[None], places, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return found.view(3, len(matrices), height, width)


def _halved(source: Tensor) -> Tensor:
    """Half the size of whole numbers [3, H, W] by averaging 2x2; an odd last row or column is repeated first."""
    height, width = source.shape[1:]
    odd = width % 2, height % 2
    even = functional.pad(source[None], (0, odd[0], 0, odd[1]), mode="replicate") if any(odd) else source[None]
    return functional.avg_pool2d(even, 2)[0].add_(0.5).floor_()
