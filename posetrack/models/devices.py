"""Where networks run."""

from __future__ import annotations

import os

import torch

from posetrack.errors import ConfigError


def resolve_device(text: str) -> torch.device:
    """The device of a name; ``auto`` takes the first of CUDA, MPS (Apple) and the CPU that is there.

    Raises:
        ConfigError: no such device, or it is not on this computer.
    """
    if text == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(text)
    except RuntimeError as error:
        raise ConfigError(f"there is no device {text!r}; choose auto, cpu, cuda, cuda:1 or mps.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {text!r} is not on this computer; --device auto takes what there is.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f"device {text!r} is not on this computer; --device auto takes what there is.")
    return device


def available_processors() -> int:
    """Processors that this process may use (containers and clusters give it fewer than there are)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
