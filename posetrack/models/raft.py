"""torchvision's RAFT networks, with weights from a local file."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models.optical_flow import RAFT, raft_large, raft_small

from posetrack.errors import ConfigError
from posetrack.models.checkpoint_reading import read_checkpoint
from posetrack.models.engine import prepared
from posetrack.models.loading import load_weights
from posetrack.models.runtime import CPU, Runtime

_BUILDERS: dict[str, Callable[..., RAFT]] = {"raft_small": raft_small, "raft_large": raft_large}


class Raft:
    """A running RAFT: the flow between two images.

    Encoders and updates run in the runtime's precision; correlations, coordinates and flow are always calculated
    in fp32, because sums of feature products exceed fp16's range.

    Args:
        network: torchvision's. It is copied.
        runtime: Where and how it runs. Encoders and updates are compiled.

    Raises:
        ConfigError: the device does not support the precision, or the engine is not torch.
    """

    def __init__(
        self,
        network: RAFT,
        runtime: Runtime = CPU,
    ) -> None:
        if runtime.engine != "torch":
            raise ConfigError("RAFT runs only in torch: choose engine torch, or a flow like dis.")
        network = copy.deepcopy(network).eval()
        for part in ("feature_encoder", "context_encoder", "update_block", "mask_predictor"):
            module = getattr(network, part)
            if module is not None:
                # torchvision's correlation needs features in contiguous channels.
                ready = prepared(module, runtime, channels_last=False)
                setattr(network, part, ready)
        network.update_block.hidden_state_size = network.update_block.network.hidden_state_size
        self._network = network.to(runtime.device)

    @torch.inference_mode()
    def __call__(self, previous: Tensor, current: Tensor, iterations: int) -> Tensor:
        """Displacement of each pixel of ``previous``, float32 [B, 2, h, w] (x, y) in pixels.

        Args:
            previous, current: float32 [B, 3, h, w], RGB in [-1, 1], sides multiples of 8, at least 128.
            iterations: Number of refinements.
        """
        pair = previous.contiguous(), current.contiguous()
        flows: list[Tensor] = self._network(*pair, num_flow_updates=iterations)
        return flows[-1]


def load_raft(
    name: str,
    path: str | Path,
    runtime: Runtime = CPU,
) -> Raft:
    """``raft_small`` or ``raft_large`` with torchvision's weights; for ``posetrack.flow.raft.RaftFlow``.

    Raises:
        ConfigError: there is no network of that name, or the device does not support the precision.
        WeightsError: the file is missing, damaged, or does not hold exactly this network's weights.
    """
    if name not in _BUILDERS:
        raise ConfigError(f"the network {name!r} is unknown; choose one of {', '.join(_BUILDERS)}.")
    network = _BUILDERS[name](weights=None)
    load_weights(network, read_checkpoint(Path(path)), Path(path), f"{path} does not hold the weights of {name}")
    return Raft(network, runtime)
