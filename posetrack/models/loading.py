"""Loading weights into networks, strictly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from posetrack.errors import WeightsError
from posetrack.records import shortened

_LARGEST = 1e10
"""Above any weight or statistic of a trained network: a few layers with such values overflow."""


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path, mistake: str) -> None:
    """Load a network's weights, of any precision. None may be missing or left over.

    Args:
        network: Its present weights are replaced.
        weights: By the network's names.
        path: The file they are from.
        mistake: Beginning of the message if they do not fit.

    Raises:
        WeightsError: they do not fit the network, or it cannot work with them.
    """
    for key, own in network.state_dict().items():
        if key in weights and weights[key].is_floating_point() != own.is_floating_point():
            raise WeightsError(f"{mistake}: {key} is of {weights[key].dtype}.")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise WeightsError(f"{mistake}: {_first_difference(error)}.") from error
    require_sound(network, path)


def _first_difference(error: RuntimeError) -> str:
    lines = [line.strip().rstrip(". ") for line in str(error).splitlines()]
    return shortened(lines[1] if len(lines) > 1 else lines[0], 200)


def require_sound(network: nn.Module, path: Path) -> None:
    """Check for values that are not finite or far too large, and layers of zeros: such networks silently find
    nobody.

    Raises:
        WeightsError: there are some in the file at ``path``.
    """
    for name, value in network.state_dict().items():
        if not value.isfinite().all():
            raise WeightsError(f"{path} is damaged: {name} holds values that are not finite.")
        if not (value.abs() <= _LARGEST).all():
            raise WeightsError(f"{path} is damaged: {name} holds values beyond {_LARGEST:g}.")
        if value.dim() > 1 and not value.any():
            raise WeightsError(f"{path} is damaged or was never trained: {name} holds only zeros.")
        if name.endswith("running_var") and (value < 0).any():
            raise WeightsError(f"{path} is damaged: {name} holds variances below zero.")
