"""How many workers there are, and how they share processors and devices."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from posetrack.batch.tasks import Compute
from posetrack.errors import ConfigError

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


def _default_workers(processors: int, devices: list[str]) -> int:
    most = processors if devices == ["cpu"] else min(processors, 2 * len(devices))
    return max(1, min(most, _memory_bytes() // _BYTES_PER_WORKER))


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


def available_processors() -> int:
    """Processors that this process may use, of the computer or of what a container may have of it."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = _limit("cpu.max").split()
    if len(told) == 2 and all(word.isdigit() for word in told):
        here = min(here, max(1, round(int(told[0]) / int(told[1]))))
    return here


def _memory_bytes() -> int:
    """Of the computer, or of what a container may have of it."""
    here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    told = _limit("memory.max").strip()
    return min(here, int(told)) if told.isdigit() else here


def _limit(name: str) -> str:
    """What the container is allowed, as Linux tells it in control group version 2; empty if nothing is told."""
    try:
        return Path("/sys/fs/cgroup", name).read_text()
    except OSError:
        return ""
