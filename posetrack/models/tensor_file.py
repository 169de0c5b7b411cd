"""A network's weights as safetensors, with its architecture in the header."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from safetensors.torch import save_file
from torch import nn

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.checkpoint_reading import read_safetensors
from posetrack.models.loading import load_weights
from posetrack.records import read_record

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Architecture = TypeVar("Architecture")
Network = TypeVar("Network", bound=nn.Module)

_LONGEST_HEADER = 10_000
"""Maximum number of characters of an architecture. Ours have 300."""


def save_tensors(network: nn.Module, architecture: DataclassInstance, kind: str, path: Path) -> None:
    """Write weights as float16: half the size, with an error far below the accuracy of trained weights.

    Args:
        network: The network.
        architecture: Written as JSON into the header.
        kind: Kind of network (``detector``), for the header's key.
        path: The file.
    """
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
    }
    save_file(tensors, path, metadata={f"posetrack.{kind}": json.dumps(asdict(architecture))})


def load_network(
    path: Path, kind: str, architecture: type[Architecture], build: Callable[[Architecture], Network]
) -> tuple[Network, Architecture]:
    """A network written by ``save_tensors``, in float32, in evaluation mode on the CPU, and its architecture.

    Args:
        path: The file.
        kind: Kind of network.
        architecture: Dataclass of the architecture in the header.
        build: Builds the network of an architecture.

    Raises:
        WeightsError: the file is missing, damaged or of another kind, its header does not hold an architecture, or
            its tensors do not fit it.
    """
    tensors, header = read_safetensors(path)
    try:
        found = read_record(architecture, _fields(header.get(f"posetrack.{kind}", "")), "architecture")
    except ConfigError as error:
        raise WeightsError(f"{path} is not a posetrack {kind}: {error}") from error
    network = build(found)
    load_weights(network, tensors, path, f"the tensors of {path} do not fit the architecture in its header")
    return network.eval(), found


def _fields(header: str) -> object:
    if not header:
        raise ConfigError(
            "its header names no architecture; if `posetrack train` did not write it, give --architecture."
        )
    try:
        if len(header) <= _LONGEST_HEADER:
            return json.loads(header)
    except (ValueError, RecursionError):
        pass
    raise ConfigError("the architecture in its header is damaged; download or train it again.")
