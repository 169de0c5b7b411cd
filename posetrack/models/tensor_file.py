"""A network's weights as safetensors, with its architecture in the header, so that loading needs no guessing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from posetrack.errors import WeightsError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def save_tensors(network: nn.Module, architecture: DataclassInstance, kind: str, path: Path) -> None:
    """Write weights as float16: half the size, and rounding far below the accuracy that trained weights have.

    Args:
        network: Its state is written.
        architecture: Written as JSON into the header.
        kind: What it is (``detector``): the header's key.
        path: The file.
    """
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
    }
    save_file(tensors, path, metadata={f"posetrack.{kind}": json.dumps(asdict(architecture))})


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file, those of floating point as float32, and the fields of the architecture.

    Lists in the fields are tuples, as frozen dataclasses have them.

    Raises:
        WeightsError: the file is missing, damaged or of another kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(f"posetrack.{kind}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        fields = json.loads(header) if header else None
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"cannot read the weights {path}: {error}") from error
    if not isinstance(fields, dict):
        raise WeightsError(f"{path} is no posetrack {kind}: train one with `posetrack train {kind}`.")
    whole = {name: value.float() if value.dtype == torch.float16 else value for name, value in tensors.items()}
    return whole, {name: _as_tuples(value) for name, value in fields.items()}


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
