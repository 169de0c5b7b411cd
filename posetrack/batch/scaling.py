"""How many workers there are, and how they share processors and devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from posetrack.batch.tasks import Compute
from posetrack.errors import ConfigError
from posetrack.models.processors import available_memory_bytes, available_processors

_BYTES_PER_WORKER = 2 * 1024**3
"""Of memory, for one worker: networks, frames in flight and the encoder."""


def share_out(compute: Compute, workers: int = 0) -> list[Compute]:
    """One ``Compute`` for each worker.

    Several GPUs are used in turn. Without ``threads``, the processors are divided among the workers, and each
    worker's share between its two networks, which work side by side.

    Args:
        compute: As asked for.
        workers: How many; 0: one for each processor, as far as the memory goes; with GPUs, two for each of them,
            if there are as many processors.

    Raises:
        ConfigError: no such device, or it is not on this computer; a number out of range.
    """
    if workers < 0:
        raise ConfigError(f"workers is {workers}; give a number of processes, or 0 for what fits the computer.")
    devices, processors = _devices(compute.device), available_processors()
    workers = workers or _default_workers(processors, devices)
    share = max(1, processors // workers)
    return [
        replace(
            compute,
            device=devices[number % len(devices)],
            threads=compute.threads or max(1, share // 2),
            processors=share,
        )
        for number in range(workers)
    ]


def check_precision(precision: str, computes: Sequence[Compute]) -> None:
    """Refuse a precision that a device does not have, before anything is loaded.

    Raises:
        ConfigError: one does not have it; or there is no such precision, or device.
    """
    from posetrack.models.devices import resolve_device, resolve_precision

    for device in {compute.device for compute in computes}:
        resolve_precision(precision, resolve_device(device))


def _default_workers(processors: int, devices: list[str]) -> int:
    most = processors if devices == ["cpu"] else min(processors, 2 * len(devices))
    return max(1, min(most, available_memory_bytes() // _BYTES_PER_WORKER))


def _devices(text: str) -> list[str]:
    """The devices that are meant: all GPUs for ``auto`` and ``cuda``."""
    if text == "cpu":
        return ["cpu"]
    import torch

    from posetrack.models.devices import resolve_device

    device = resolve_device(text)
    if device.type == "cuda" and device.index is None:
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [str(device)]
