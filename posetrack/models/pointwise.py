"""1x1 convolutions on the CPU in oneDNN: the same numbers to rounding, about a tenth off a pose network's time.

With one thread and fewer than 16 images torch computes them elsewhere (``use_mkldnn`` in its Convolution.cpp), one
image at a time. With several threads it uses oneDNN itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def use_onednn(network: nn.Module) -> None:
    """Send a network's 1x1 convolutions to oneDNN, in place; for float32 on the CPU, without autocast.

    Where this build of torch has no oneDNN, or it is switched off, the network stays as it is.
    """
    if not _available():
        return
    for module in network.modules():
        if type(module) is nn.Conv2d and _is_pointwise(module):
            module.__class__ = PointwiseConv2d  # keeps weights, hooks, and every reference to the module


class PointwiseConv2d(nn.Conv2d):
    """A ``Conv2d`` that always runs in oneDNN."""

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != 4:  # a single image, which the operator does not take
            return super().forward(input)
        return torch.mkldnn_convolution(input, self.weight, self.bias, (0, 0), (1, 1), (1, 1), 1)


def _is_pointwise(convolution: nn.Conv2d) -> bool:
    plain = (convolution.kernel_size, convolution.stride, convolution.padding, convolution.dilation)
    return (
        plain == ((1, 1), (1, 1), (0, 0), (1, 1))
        and convolution.groups == 1
        and convolution.weight.dtype == torch.float32
    )


def _available() -> bool:
    """Whether oneDNN is there, switched on, and computes what torch does: the operator is not documented."""
    built = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not (built and torch._C._get_mkldnn_enabled()):
        return False
    images, weights = torch.arange(16.0).reshape(2, 2, 2, 2), torch.arange(6.0).reshape(3, 2, 1, 1)
    try:
        found = torch.mkldnn_convolution(images, weights, None, (0, 0), (1, 1), (1, 1), 1)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return torch.allclose(found, F.conv2d(images, weights))
