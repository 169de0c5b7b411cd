"""Joins a Ray cluster and fits the settings to it."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from posetrack.batch.tasks import Compute
from posetrack.errors import ConfigError

_CONNECTION_TIMEOUT_S = 10.0


def import_ray() -> Any:
    """Import Ray.

    Raises:
        ConfigError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise ConfigError("Ray is not installed: pip install '.[ray]' in posetrack's clone.") from error
    return ray


def join(ray: Any, address: str) -> None:
    """Join or start a cluster, and keep its messages off the terminal."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        if address != "auto":
            _try_connection(address)
        ray.init(
            address=None if address == "auto" else address, include_dashboard=False,
            configure_logging=True, logging_level=logging.ERROR, log_to_driver=False,
        )  # fmt: skip
    except (OSError, RuntimeError, ValueError) as error:
        first = str(error).strip().partition("\n")[0].rstrip(".")
        remedy = "start one with `ray start --head`, or give --ray auto"
        raise ConfigError(f"There is no Ray cluster at {address} ({first}): {remedy}.") from error
    # Ray prints pages of log when it loses a computer, and has no public switch for that
    ray._private.worker._worker_logs_enabled = False


def _try_connection(address: str) -> None:
    """Try the address first: Ray waits minutes for a missing cluster."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.hostname is None or parts.port is None:
        raise ValueError("an address is HOST:PORT, as `ray start --head` prints it")
    socket.create_connection((parts.hostname, parts.port), timeout=_CONNECTION_TIMEOUT_S).close()


def on_cluster(compute: Compute, gpus: float) -> Compute:
    """The device and threads of one task on the cluster."""
    device = compute.device
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"the device is {device!r}; with --ray give auto, cpu or cuda: Ray chooses which GPU.")
    if device == "cuda" and not gpus:
        raise ConfigError("there is no GPU in the Ray cluster; give --device cpu, or add a computer with one.")
    if device == "auto":
        device = "cuda" if gpus else "cpu"
    threads = max(1, compute.threads)
    return replace(compute, device=device, threads=threads, processors=threads)
