"""Where networks run, and with how many digits."""

from __future__ import annotations

import torch

from posetrack.errors import ConfigError
from posetrack.models.engines import check_precision

DEVICES = ("cpu", "cuda", "mps")
"""Types of devices that networks run on."""

_TENSOR_CORES = (7, 0)
"""CUDA compute capability from which half precision is faster than single (Volta and later)."""

_BF16 = (8, 0)
"""The same from which it has bf16 (Ampere and later)."""


def resolve_device(text: str) -> torch.device:
    """The device of a name; ``auto`` takes the first of CUDA, MPS (Apple) and the CPU that is there.

    Raises:
        ConfigError: no such device, or it is not on this computer.
    """
    if text == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    unknown = f"there is no device {text!r}; choose auto, cpu, cuda, cuda:1 or mps."
    try:
        device = torch.device(str(text))
    except RuntimeError as error:
        raise ConfigError(unknown) from error
    if device.type not in DEVICES or (device.type != "cuda" and device.index):
        raise ConfigError(unknown)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {text!r} is not on this computer; --device auto takes what there is.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f"device {text!r} is not on this computer; --device auto takes what there is.")
    return device


def resolve_precision(text: str, device: torch.device) -> torch.dtype:
    """What a network calculates in on a device, by the name of a precision.

    ``auto`` is fp16 on CUDA with tensor cores and fp32 elsewhere. fp16 and not bf16, because it has 11 significant
    bits to bf16's 8, which peaks of heatmaps and box offsets need, every GPU with tensor cores has it, and what
    bf16 has more of, range, inference with batch norm does not need. Processors calculate in fp32 unless bf16 is
    asked for; Apple's GPUs too, until somebody has measured them.

    Raises:
        ConfigError: there is no such precision, or the device does not have it.
    """
    check_precision(text)
    if text == "auto":
        fast = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TENSOR_CORES
        return torch.float16 if fast else torch.float32
    if text == "fp16" and device.type == "cpu":
        raise ConfigError(
            "precision fp16 is for GPUs; on the CPU choose fp32, or bf16 if it has instructions for it."
        )
    if text == "bf16" and device.type == "cuda" and torch.cuda.get_device_capability(device) < _BF16:
        raise ConfigError(f"the GPU {str(device)!r} has no bf16; choose fp16 or fp32.")
    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[text]
