"""The engines that run networks, and which settings they support. Imports none of them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, get_args

from posetrack.errors import ConfigError

Engine = Literal["torch", "onnxruntime", "openvino"]
"""torch, everywhere; ONNX Runtime and OpenVINO, in fp32 on the CPU."""

ENGINES: tuple[str, ...] = get_args(Engine)
"""Their names."""

PRECISIONS = ("auto", "fp32", "fp16", "bf16")
"""Precisions of networks; ``auto`` is decided by ``posetrack.models.devices.resolve_precision``."""

_EXTRAS = {"onnxruntime": "onnx", "openvino": "openvino"}
"""Engines for exported networks, on the CPU, and the extra that installs each."""

_MOST_THREADS = 1024
_LARGEST_SEED = 2**31 - 1
"""OpenCV's seed is an int."""


def device_for(engine: str, device: str) -> str:
    """The name of the device: with every engine but torch, ``auto`` is the CPU.

    >>> device_for("onnxruntime", "auto"), device_for("torch", "auto"), device_for("onnxruntime", "cuda")
    ('cpu', 'auto', 'cuda')
    """
    return "cpu" if engine in _EXTRAS and device == "auto" else device


def check_engine(engine: str, device: str, precision: str, compile: bool) -> Engine:
    """The engine of a name, checked against the other settings before anything is loaded.

    Args:
        engine: A name of ``ENGINES``.
        device: Where networks run; ``auto`` works with every engine (``device_for``).
        precision: A name of ``PRECISIONS``.
        compile: Whether to use ``torch.compile``.

    Raises:
        ConfigError: there is no such engine or precision, the engine is not installed, or it does not support the
            other settings.
    """
    if engine not in ENGINES:
        raise ConfigError(f"there is no engine {engine!r}; choose one of {', '.join(ENGINES)}.")
    check_precision(precision)
    if engine == "torch":
        return "torch"
    if device not in ("auto", "cpu"):
        raise ConfigError(f"engine {engine} runs on the CPU, not on {device}: choose engine torch.")
    if precision not in ("auto", "fp32"):
        raise ConfigError(f"engine {engine} calculates in fp32, not in {precision}: choose engine torch.")
    if compile:
        raise ConfigError(f"torch.compile is for engine torch; leave out --compile with engine {engine}.")
    if find_spec(engine) is None:
        extra = _EXTRAS[engine]
        raise ConfigError(f"engine {engine} is not installed: pip install '.[{extra}]' in posetrack's clone.")
    return "onnxruntime" if engine == "onnxruntime" else "openvino"


def check_precision(precision: str) -> None:
    """Raises ``ConfigError`` unless the name is one of ``PRECISIONS``."""
    if precision not in PRECISIONS:
        raise ConfigError(f"there is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}.")


def check_threads_and_seed(threads: int, seed: int) -> None:
    """Checks that both are whole numbers in their range.

    Args:
        threads: Threads of each network; 0 shares out the CPUs.
        seed: Seed of torch's and OpenCV's random numbers.

    Raises:
        ConfigError: one of them is not.
    """
    if type(threads) is not int or not 0 <= threads <= _MOST_THREADS:
        raise ConfigError(
            f"threads is {threads!r}; give 1 to {_MOST_THREADS} threads, or 0 to share out the CPUs."
        )
    if type(seed) is not int or not 0 <= seed <= _LARGEST_SEED:
        raise ConfigError(f"seed is {seed!r}; give a number from 0 to {_LARGEST_SEED}.")
