"""Chooses the number of workers and shares processors and devices among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from posetrack.batch.tasks import Compute
from posetrack.errors import ConfigError
from posetrack.models.processors import available_memory_bytes, available_processors

_BYTES_PER_WORKER = 2 * 1024**3
"""Memory for one worker: networks, frames in flight and the encoder."""


def share_out(compute: Compute, workers: int = 0) -> list[Compute]:
    """One ``Compute`` for each worker.

    Workers take turns on several GPUs. Without ``threads``, processors are divided among the workers, and each
    worker's share between its two networks, which run in parallel.

    Args:
        compute: The settings asked for.
        workers: Number of workers. 0 uses one per processor, or two per GPU if there are enough processors, as
            far as memory allows.

    Raises:
        ConfigError: the device is unknown or missing, or a number is out of range.
    """
    if workers < 0:
        raise ConfigError(f"workers is {workers}; give a number of processes, or 0 for as many as fit.")
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
    """Refuse a precision that a device lacks, before anything is loaded.

    Raises:
        ConfigError: a device lacks it, or the precision or device is unknown.
    """
    from posetrack.models.devices import resolve_device, resolve_precision

    for device in {compute.device for compute in computes}:
        resolve_precision(precision, resolve_device(device))


def _default_workers(processors: int, devices: list[str]) -> int:
    most = processors if devices == ["cpu"] else min(processors, 2 * len(devices))
    return max(1, min(most, available_memory_bytes() // _BYTES_PER_WORKER))


def _devices(text: str) -> list[str]:
    """The devices a name stands for: all GPUs for ``auto`` and ``cuda``."""
    if text == "cpu":
        return ["cpu"]
    import torch

    from posetrack.models.devices import resolve_device

    device = resolve_device(text)
    if device.type == "cuda" and device.index is None:
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [str(device)]
