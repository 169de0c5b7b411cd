"""Where networks run, and in which precision."""

from __future__ import annotations

import torch

from posetrack.errors import ConfigError
from posetrack.models.engines import check_precision

DEVICES = ("cpu", "cuda", "mps")
"""Types of devices for networks."""

_TENSOR_CORES = (7, 0)
"""Minimum CUDA compute capability for half precision to be faster than single (Volta)."""

_BF16 = (8, 0)
"""Minimum CUDA compute capability for bf16 (Ampere)."""


def resolve_device(text: str) -> torch.device:
    """The device of a name; ``auto`` takes the first available of CUDA, MPS (Apple) and the CPU.

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
        raise ConfigError(f"device {text!r} is not on this computer; --device auto uses what there is.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f"device {text!r} is not on this computer; --device auto uses what there is.")
    return device


def resolve_precision(text: str, device: torch.device) -> torch.dtype:
    """The data type for a precision on a device.

    ``auto`` is fp16 on CUDA with tensor cores and fp32 elsewhere. fp16 rather than bf16, because heatmap peaks and
    box offsets need its 11 significant bits (bf16 has 8), every GPU with tensor cores has it, and inference with
    batch norm does not need the larger range of bf16. CPUs use fp32 unless bf16 is requested; so do Apple's GPUs,
    which have not been measured.

    Raises:
        ConfigError: there is no such precision, or the device does not support it.
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


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for bf16. A CPU without them takes many times as long as with fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= _BF16
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
